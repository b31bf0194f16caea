//! A full disk at every kind of file, later with space again.

use crate::common::Outcome;
use crate::fault::{Fault, PLACES, Site, TRIALS, assert_same};

/// Places where a sweep continues without the file that it could not write.
const OPTIONAL: [(&str, &str); 8] = [
    ("trial", "timing.json"),
    ("trial", "TensorBoard events"),
    ("trial", "log.txt"),
    ("sweep", "TensorBoard events"),
    ("sweep", "ledger.jsonl"),
    ("sweep", ".lock"),
    ("sweep", "difference.md"),
    // The file gets all records with the next one, and when the sweep ends.
    ("sweep", "records.jsonl"),
];

/// Returns faults of a full disk at a place: at the first call, and in the long suite also amid a file that grows.
fn faults(what: &'static str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for place in PLACES {
        let pattern = match (place.process, place.name) {
            ("trial", "checkpoint folder") => continue,
            ("trial", ".lock") => "create */.lock",
            ("sweep", "log.txt") => "create *log.txt",
            ("sweep", "prepared data") => "write data*",
            _ => Box::leak(format!("write {}", place.pattern).into_boxed_str()),
        };
        let grows = ["metrics.csv", "timing.csv", "views.jsonl", "TensorBoard events", "ledger.jsonl"]
            .contains(&place.name);
        let place = crate::fault::Place { pattern, ..place };
        let calls = if grows && crate::common::long() { &[1, 2][..] } else { &[1] };
        faults.extend(calls.iter().map(|&at| Fault { place, at, what }));
    }
    faults
}

/// Returns everything that the driver and the trials printed.
fn said(site: &Site, outcome: &Outcome) -> String {
    let logs = TRIALS
        .map(|trial| std::fs::read_to_string(site.workshop.path(trial).join("log.txt")).unwrap_or_default());
    format!("{}\n{}", outcome.err(), logs.join("\n"))
}

/// Lets every fault strike, on as few sweeps as possible, and compares how they end.
fn strike(faults: Vec<Fault>, expect: impl Fn(&Fault, &Site, &Outcome)) {
    let whole = Site::swept();
    let mut site = Site::with_data_of(&whole);
    let mut told = Vec::new();
    for fault in faults {
        for fresh in 0.. {
            if fault.place.name == "prepared data" && fresh == 0 {
                std::fs::remove_dir_all(site.workshop.path("data")).unwrap();
            }
            let outcome = Outcome(site.faulty(site.sweep(), &fault).output().unwrap());
            if let Some(line) = site.struck() {
                told.push(format!("{fault:?} at {line}"));
                expect(&fault, &site, &outcome);
                break;
            }
            assert!(fresh < 1, "{fault:?} never struck");
            outcome.expect(0);
            assert_same(&whole, &site, &told.join("\n"));
            site = Site::with_data_of(&whole);
        }
    }
    Outcome(site.sweep().output().unwrap()).expect(0);
    assert_same(&whole, &site, &told.join("\n"));
}

/// Expects no panic, and no abort by a panic while panicking.
fn is_sane(fault: &Fault, site: &Site, outcome: &Outcome) {
    let said = said(site, outcome);
    for bad in ["bug in ablate", "panicked", "exit code 101", "killed by signal"] {
        assert!(!said.contains(bad), "{fault:?}: {said}");
    }
}

#[test]
fn one_write_of_a_trial_without_space_is_named_and_the_same_command_goes_on() {
    one_write_without_space_is_named("trial");
}

#[test]
fn one_write_of_a_driver_without_space_is_named_and_the_same_command_goes_on() {
    one_write_without_space_is_named("sweep");
}

/// Lets one write of each kind of file of this process fail.
fn one_write_without_space_is_named(process: &str) {
    let mut faults = faults("enospc");
    faults.retain(|fault| fault.place.process == process);
    strike(faults, |fault, site, outcome| {
        is_sane(fault, site, outcome);
        let place = (fault.place.process, fault.place.name);
        let said = said(site, outcome);
        let optional = OPTIONAL.contains(&place);
        assert_eq!(outcome.code(), Some(if optional { 0 } else { 1 }), "{fault:?}: {said}");
        // A log that cannot be written is not reported.
        if place != ("trial", "log.txt") {
            let file = match place.1 {
                "checkpoint weights" => ".weights.safetensors",
                "checkpoint state" => ".state.safetensors",
                "best weights" => "best.weights.safetensors",
                "scored weights" => "scored.weights.safetensors",
                "TensorBoard events" => "events",
                "prepared data" => "data/",
                name => name,
            };
            let named =
                said.lines().any(|line| line.contains(file) && line.contains("No space left on device"));
            assert!(named, "{fault:?}: {said}");
        }
        if place.0 == "trial" && !optional {
            let failures = TRIALS.map(|trial| site.workshop.path(trial).join("failure.json").exists());
            assert!(failures.contains(&true), "{fault:?} left no failure.json");
        }
    });
}

#[test]
fn a_disk_that_stays_full_is_no_crash_and_once_freed_the_same_command_goes_on() {
    if !crate::common::long() {
        return;
    }
    // One file of each kind: needed by the record, not needed, growing, and written by the driver.
    let places = ["checkpoint state", "metrics.csv", "hypotheses", "log.txt", "ledger.jsonl", "table.md"];
    let mut faults = faults("full");
    faults.retain(|fault| places.contains(&fault.place.name));
    strike(faults, |fault, site, outcome| {
        is_sane(fault, site, outcome);
        assert_eq!(outcome.code(), Some(1), "{fault:?}: {}", outcome.err());
        assert!(outcome.err().contains("No space left on device"), "{fault:?}: {}", outcome.err());
    });
}
