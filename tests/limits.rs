//! What the system allows a process: memory, and the size of a file.

mod common;
mod fault;

use common::Outcome;
use fault::{Fault, Place, Site, TRIALS};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// The command with a limit of this process and of all that it starts.
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

/// Settings of a model whose second layer has a matrix of two terabytes, which Rust is to fill.
const HUGE: [&str; 4] = ["model.d_model=32768", "model.d_k=8", "model.d_v=8", "model.d_ff=16777216"];

/// Address space that holds the program and no such model, however much the kernel would promise.
const SPACE: u64 = 16 << 30;

#[test]
fn a_model_that_no_memory_holds_has_its_own_exit_code() {
    let site = Site::new();
    let sets: Vec<&str> = HUGE.iter().flat_map(|set| ["--set", set]).collect();
    let train = site.workshop.command(&[&["train", "tiny.toml"], &sets[..]].concat());
    let outcome = Outcome(limited(train, libc::RLIMIT_AS, SPACE).output().unwrap()).expect(4);
    let told = outcome.err();
    assert!(told.contains("error: out of memory: ") && told.contains("make the model smaller"), "{told}");
    // As a trial, whatever the log's last lines are.
    let sweep = site.workshop.command(&[&["sweep", "kill.toml"], &sets[..]].concat());
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
