//! Limits that the system sets a process: memory, and the size of a file.

use crate::common::Outcome;
use crate::fault::{Fault, Place, Site, TRIALS};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// Limits a resource of the command's process and of all that it starts.
fn limited(mut command: Command, resource: libc::__rlimit_resource_t, most: u64) -> Command {
    // SAFETY: the one call between fork and exec reads memory that is there already.
    unsafe {
        command.pre_exec(move || {
            let limit = libc::rlimit { rlim_cur: most, rlim_max: most };
            match libc::setrlimit(resource, &limit) {
                0 => Ok(()),
                _ => Err(std::io::Error::last_os_error()),
            }
        });
    }
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Settings of a model with a matrix of two terabytes.
const HUGE: [&str; 4] = ["model.d_model=32768", "model.d_k=8", "model.d_v=8", "model.d_ff=16777216"];

/// Settings of a model with a matrix of a gigabyte, which Rust fills; with gradients and moments it needs four.
const LARGE: [&str; 4] = ["model.d_model=1024", "model.d_k=8", "model.d_v=8", "model.embedding_rows=262144"];

/// Address space that holds the program and one such matrix, but not two.
const SPACE: u64 = 3 << 30;

fn with_sets<'a>(words: &[&'a str], sets: &[&'a str]) -> Vec<&'a str> {
    words.iter().copied().chain(sets.iter().flat_map(|&set| ["--set", set])).collect()
}

#[test]
fn a_model_that_the_machine_can_never_hold_is_refused_before_it_is_built() {
    let site = Site::new();
    let told = site.workshop.run(&with_sets(&["train", "tiny.toml"], &HUGE)).expect(4).err();
    assert!(
        told.contains("error: the model needs ")
            && told.contains("TiB for weights, gradients and moments alone, ")
            && told.contains("are available; make it smaller"),
        "{told}"
    );
    assert!(!site.workshop.path("results").exists(), "nothing is left of what was refused");
    site.workshop.run(&with_sets(&["bench", "tiny.toml"], &HUGE)).expect(4).says("the model needs ");
    let sweep = site.workshop.run(&with_sets(&["sweep", "kill.toml"], &HUGE)).expect(1);
    sweep.says("base seed 1: out of memory").says("make it smaller");
    for trial in TRIALS {
        let failure = site.workshop.text(format!("{trial}/failure.json"));
        assert!(failure.contains("\"kind\": \"out_of_memory\""), "{failure}");
    }
}

#[test]
fn a_model_that_no_memory_holds_has_its_own_exit_code() {
    let site = Site::new();
    let train = site.workshop.command(&with_sets(&["train", "tiny.toml"], &LARGE));
    let outcome = Outcome(limited(train, libc::RLIMIT_AS, SPACE).output().unwrap()).expect(4);
    let told = outcome.err();
    assert!(told.contains("error: out of memory: ") && told.contains("make the model smaller"), "{told}");
    // A trial reports the same, whatever the last lines of its log are.
    let sweep = site.workshop.command(&with_sets(&["sweep", "kill.toml"], &LARGE));
    let mut sweep = limited(sweep, libc::RLIMIT_AS, SPACE);
    Outcome(sweep.env("RUST_BACKTRACE", "1").output().unwrap()).expect(1).says("base seed 1: out of memory");
    for trial in TRIALS {
        let failure = site.workshop.text(format!("{trial}/failure.json"));
        assert!(failure.contains("\"kind\": \"out_of_memory\""), "{failure}");
    }
}

#[test]
fn memory_that_runs_out_in_a_thread_of_a_library_is_no_abort() {
    let site = Site::new();
    let pattern = "write *step-00000008.state.*";
    let fault = Fault { place: Place { process: "trial", name: "", pattern }, at: 1, what: "throw" };
    let outcome = Outcome(site.faulty(site.sweep(), &fault).output().unwrap()).expect(1);
    assert!(site.struck().is_some(), "{}", outcome.err());
    outcome.says("base seed 1: out of memory");
    let failure = site.workshop.text(format!("{}/failure.json", TRIALS[0]));
    assert!(failure.contains("\"kind\": \"out_of_memory\""), "{failure}");
}

#[test]
fn a_file_that_may_not_grow_is_named_as_on_a_full_disk() {
    const MOST: u64 = 60_000;
    let site = Site::new();
    site.workshop.run(&["prepare", "tiny.toml"]).expect(0);
    let words = ["sweep", "kill.toml", "--set", "model.d_model=64"];
    let mut sweep = site.workshop.command(&words);
    sweep.stdout(Stdio::piped()).stderr(Stdio::piped());
    let outcome = Outcome(limited(sweep, libc::RLIMIT_FSIZE, MOST).output().unwrap()).expect(1);
    let told = outcome.err();
    let named = |line: &str| line.contains("step-00000004.weights.safetensors: File too large");
    assert!(told.lines().any(|line| named(line) && line.contains("`ulimit -f` shows its limit")), "{told}");
    assert!(!told.contains("killed by signal"), "{told}");
    for trial in TRIALS {
        let failure = site.workshop.text(format!("{trial}/failure.json"));
        assert!(failure.contains("\"kind\": \"failed\"") && failure.contains("\"attempts\": 1"), "{failure}");
    }
    site.workshop.run(&words).expect(0);
}
