//! Signals at chosen moments, a clock that is set back, and two sweeps at once.

use crate::common::Outcome;
use crate::common::runs::{RUN, assert_same_run};
use crate::fault::{Fault, Place, Site, TRIALS, assert_same};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

fn trial_fault(pattern: &'static str, what: &'static str) -> Fault {
    Fault { place: Place { process: "trial", name: "", pattern }, at: 1, what }
}

/// Runs the sweep with a signal at a call, then without; the first run ends with `code` and prints `text`.
fn interrupted(whole: &Site, fault: &Fault, code: i32, text: &str) -> Site {
    let site = Site::with_data_of(whole);
    let outcome = Outcome(site.faulty(site.sweep(), fault).output().unwrap()).expect(code);
    assert!(site.struck().is_some(), "{fault:?} never struck");
    assert!(outcome.err().contains(text), "{fault:?}: {}", outcome.err());
    Outcome(site.sweep().output().unwrap()).expect(0);
    assert_same(whole, &site, &format!("{fault:?}"));
    site
}

#[test]
fn signals_amid_a_save_or_a_translation_cost_nothing() {
    let whole = Site::swept();
    let site =
        interrupted(&whole, &trial_fault("write *step-00000008.state.*", "term"), 75, "its state is saved");
    // The save goes on, and nothing more is begun.
    assert_eq!(site.attempts(TRIALS[0]), [0, 8]);
    let site =
        interrupted(&whole, &trial_fault("write *hypotheses/.dev.txt*", "term"), 75, "its state is saved");
    assert_eq!(site.attempts(TRIALS[0]), [0, 24]);
    // The second signal ends the process at once, here with a checkpoint half written.
    let site = interrupted(&whole, &trial_fault("sync *step-00000008.state.*", "twice"), 1, "exit code 143");
    assert_eq!(site.attempts(TRIALS[0]), [0, 4]);
}

/// Sets the action of a command for SIGHUP, whatever the tests themselves were started with.
fn starting_with(mut command: Command, hangup: libc::sighandler_t) -> Command {
    // SAFETY: the one call between fork and exec touches no memory.
    unsafe {
        command.pre_exec(move || {
            libc::signal(libc::SIGHUP, hangup);
            Ok(())
        });
    }
    command
}

#[test]
fn a_closed_terminal_saves_the_state_and_nohup_goes_on() {
    let whole = Site::swept();
    let train = |site: &Site| {
        let set = ["--set", "training.steps=24", "--set", "training.checkpoint_interval_steps=4"];
        let mut command = site.workshop.command(&[&["train", "tiny.toml"], &set[..]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let pattern = "write *step-00000008.state.*";
    let fault = Fault { place: Place { process: "train", name: "", pattern }, at: 1, what: "hangup" };
    let site = Site::with_data_of(&whole);
    let mut closed = starting_with(site.faulty(train(&site), &fault), libc::SIG_DFL);
    Outcome(closed.output().unwrap())
        .expect(75)
        .says("stopped by a signal at step 8; the same command goes on");
    assert!(site.struck().is_some());
    Outcome(train(&site).output().unwrap()).expect(0).says("going on from step 8");
    let other = Site::with_data_of(&whole);
    let mut nohup = starting_with(other.faulty(train(&other), &fault), libc::SIG_IGN);
    Outcome(nohup.output().unwrap()).expect(0);
    assert!(other.struck().is_some());
    let runs = [&other, &site].map(|site| site.workshop.path(RUN));
    assert_same_run(&runs[0], &runs[1], &[], "a closed terminal");
    // In a sweep, only the driver gets the signal; it has its trials save their states.
    let site = Site::with_data_of(&whole);
    let place = Place { process: "sweep", name: "", pattern: "write *ledger.jsonl" };
    let fault = Fault { place, at: 1, what: "hangup" };
    let mut closed = starting_with(site.faulty(site.sweep(), &fault), libc::SIG_DFL);
    Outcome(closed.output().unwrap()).expect(75).says("every running trial saves a checkpoint first");
    assert!(site.struck().is_some());
    Outcome(site.sweep().output().unwrap()).expect(0);
    assert_same(&whole, &site, "a closed terminal");
}

#[test]
fn a_clock_that_is_set_back_changes_times_alone() {
    let whole = Site::swept();
    let site = Site::with_data_of(&whole);
    let fault = trial_fault("write *step-00000012.state.*", "before");
    Outcome(site.faulty(site.sweep(), &fault).output().unwrap()).expect(1);
    assert!(site.struck().is_some());
    let mut command = site.watched(site.sweep());
    command.env("FAULT_CLOCK", "-100000000");
    Outcome(command.output().unwrap()).expect(0);
    assert_same(&whole, &site, "a clock set back by three years");
    let times = site.workshop.attempts(TRIALS[0]);
    assert!(times[1]["started"].as_f64() < times[0]["started"].as_f64(), "{times:?}");
}

#[test]
fn two_sweeps_at_once_train_every_trial_once() {
    let whole = Site::swept();
    let site = Site::with_data_of(&whole);
    let both = [site.sweep(), site.sweep()].map(|mut command| command.spawn().unwrap());
    let mut codes = both.map(|child| {
        let outcome = Outcome(child.wait_with_output().unwrap());
        if outcome.code() == Some(5) {
            assert!(outcome.err().contains("another sweep is at work"), "{}", outcome.err());
        }
        outcome.code()
    });
    codes.sort();
    assert_eq!(codes, [Some(0), Some(5)]);
    assert_same(&whole, &site, "two sweeps at once");
    let ledger = site.workshop.text("results/kill/ledger.jsonl");
    assert_eq!(ledger.matches("\"started\"").count(), TRIALS.len(), "{ledger}");
    assert!(TRIALS.iter().all(|trial| site.attempts(trial) == [0]));
}
