//! Trainings that a test interrupts, and the files that equal runs share.

use super::Workshop;
use serde_json::Value;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

/// The run that `ablate train tiny.toml` makes in a workshop.
pub const RUN: &str = "results/tiny/seed-1";

/// Files that the runs of one trial share to the byte, however often they were stopped.
pub const RUN_FILES: [&str; 5] = [
    "record.json",
    "metrics.csv",
    "hypotheses/dev.txt",
    "hypotheses/test.txt",
    "checkpoints/scored.weights.safetensors",
];

/// Files that show a run, which the runs of one trial share as well. Some models lack some of them.
pub const SHOWN_FILES: [&str; 4] =
    ["views.jsonl", "attention.json", "positions.json", "projector/vectors.tsv"];

/// Expects that the directories of two runs have the same bytes in [`RUN_FILES`] and in the `further` files. `told` says
/// what happened to the `other` run.
#[track_caller]
pub fn assert_same_run(whole: &Path, other: &Path, further: &[&str], told: &str) {
    assert_same_files(whole, other, RUN_FILES.iter().chain(further).copied(), told);
}

/// Expects that two directories have the same bytes in these files, each of which must be there. `told` says what
/// happened to the `other` directory.
#[track_caller]
pub fn assert_same_files<'a>(
    whole: &Path,
    other: &Path,
    files: impl IntoIterator<Item = &'a str>,
    told: &str,
) {
    for file in files {
        let [expected, found] = [whole, other].map(|folder| {
            let path = folder.join(file);
            std::fs::read(&path).unwrap_or_else(|error| panic!("{} after {told}: {error}", path.display()))
        });
        assert!(found == expected, "{file} differs after {told}");
    }
}

/// Waits until a condition holds, and fails after five minutes: the machine may be busy.
#[track_caller]
pub fn wait(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(300), "it never came that {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Waits until a condition holds while a process runs. Returns false if the process ended first.
#[track_caller]
pub fn wait_beside(process: &mut Child, what: &str, mut holds: impl FnMut() -> bool) -> bool {
    let mut is_running = true;
    wait(what, || {
        is_running = process.try_wait().unwrap().is_none();
        !is_running || holds()
    });
    is_running
}

/// Sends a signal to a process that the test, or a program that it runs, has started.
pub fn signal(process: i32, signal: i32) {
    // SAFETY: kill touches no memory.
    unsafe { libc::kill(process, signal) };
}

/// Returns the step of the last row in the metrics.csv of a run, if there is one.
pub fn last_step(run: &Path) -> Option<u64> {
    let text = std::fs::read_to_string(run.join("metrics.csv")).ok()?;
    text.lines().last()?.split(',').next()?.parse().ok()
}

impl Workshop {
    /// The record of a finished run, as JSON and without its checksum.
    #[track_caller]
    pub fn record(&self, run: &str) -> Value {
        self.json(format!("{run}/record.json"))["record"].take()
    }

    /// Returns the entries of timing.json for every attempt at a trial; none if the run has no such file.
    #[track_caller]
    pub fn attempts(&self, run: &str) -> Vec<Value> {
        let text = std::fs::read_to_string(self.path(run).join("timing.json"));
        text.map_or(Vec::new(), |text| serde_json::from_str(&text).unwrap())
    }

    /// The numbers of updates from which the attempts at a trial began.
    #[track_caller]
    pub fn first_steps(&self, run: &str) -> Vec<u64> {
        self.attempts(run).iter().map(|attempt| attempt["from_step"].as_u64().unwrap()).collect()
    }

    /// Trains `tiny.toml`, and sends a signal once metrics.csv has a row of step `step` or later, unless the training has
    /// ended by then. Returns the exit code; `None` if the signal ended the process.
    #[track_caller]
    pub fn train_until(&self, step: u64, with: i32) -> Option<i32> {
        let mut command = self.command(&["train", "tiny.toml"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let run = self.path(RUN);
        let what = format!("the training reaches step {step}");
        if wait_beside(&mut child, &what, || last_step(&run) >= Some(step)) {
            signal(child.id() as i32, with);
        }
        child.wait().unwrap().code()
    }
}
