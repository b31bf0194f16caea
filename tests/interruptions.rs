//! Signals at chosen moments, a clock that is set back, and two sweeps at once.

mod common;
mod fault;

use common::Outcome;
use fault::{Fault, Place, Site, TRIALS, assert_same};

fn trial_fault(pattern: &'static str, what: &'static str) -> Fault {
    Fault { place: Place { process: "trial", name: "", pattern }, at: 1, what }
}

/// Gives the sweep with a signal at a call, then without; the first ends with `code` and says `text`.
fn interrupted(whole: &Site, fault: &Fault, code: i32, text: &str) -> Site {
    let site = Site::with_data_of(whole);
    let outcome = Outcome(site.faulty(site.sweep(), fault).output().unwrap()).expect(code);
    assert!(site.struck().is_some(), "{fault:?} never struck");
    assert!(outcome.err().contains(text), "{fault:?}: {}", outcome.err());
    Outcome(site.sweep().output().unwrap()).expect(0);
    assert_same(whole, &site, &format!("{fault:?}"));
    site
}

fn uninterrupted() -> Site {
    let whole = Site::new();
    Outcome(whole.sweep().output().unwrap()).expect(0);
    whole
}

#[test]
fn signals_amid_a_save_or_a_translation_cost_nothing() {
    let whole = uninterrupted();
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

#[test]
fn a_clock_that_is_set_back_changes_times_alone() {
    let whole = uninterrupted();
    let site = Site::with_data_of(&whole);
    let fault = trial_fault("write *step-00000012.state.*", "before");
    Outcome(site.faulty(site.sweep(), &fault).output().unwrap()).expect(1);
    assert!(site.struck().is_some());
    let mut command = site.watched(site.sweep());
    command.env("FAULT_CLOCK", "-100000000");
    Outcome(command.output().unwrap()).expect(0);
    assert_same(&whole, &site, "a clock set back by three years");
    let times: Vec<serde_json::Value> =
        serde_json::from_str(&site.workshop.text(format!("{}/timing.json", TRIALS[0]))).unwrap();
    assert!(times[1]["started"].as_f64() < times[0]["started"].as_f64(), "{times:?}");
}

#[test]
fn two_sweeps_at_once_train_every_trial_once() {
    let whole = uninterrupted();
    let site = Site::with_data_of(&whole);
    let both = [site.sweep(), site.sweep()].map(|mut command| command.spawn().unwrap());
    let mut codes = both.map(|child| {
        let outcome = Outcome(child.wait_with_output().unwrap());
        if outcome.code() == Some(2) {
            assert!(outcome.err().contains("another sweep is at work"), "{}", outcome.err());
        }
        outcome.code()
    });
    codes.sort();
    assert_eq!(codes, [Some(0), Some(2)]);
    assert_same(&whole, &site, "two sweeps at once");
    let ledger = site.workshop.text("results/kill/ledger.jsonl");
    assert_eq!(ledger.matches("\"started\"").count(), TRIALS.len(), "{ledger}");
    assert!(TRIALS.iter().all(|trial| site.attempts(trial) == [0]));
}
