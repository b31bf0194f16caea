//! The events of a sweep for programs that watch: `ablate sweep --json`, one JSON object per line on standard output.
//!
//! Names are a format, described in docs/architecture.md: fields may be added, but their meanings do not change.

use super::ledger::timed_line;
use super::trial::Trial;
use crate::results::record::FailureKind;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;

/// An event, which becomes one line together with the time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SweepEvent<'a> {
    /// The first event.
    SweepStarted {
        sweep: &'a str,
        /// The directory of tables, ledger and runs.
        directory: &'a Path,
        /// Number of trials, with those that a search will still draw.
        trials: usize,
        /// Number of trials that were finished before.
        finished: usize,
        /// Number of trials that this call will run.
        to_run: usize,
        workers: usize,
    },
    /// A search has chosen its next settings, which are a row with as many trials as there are seeds.
    Drawn {
        row: &'a str,
        /// The value of each key in TOML.
        values: &'a BTreeMap<String, String>,
    },
    /// An attempt at a trial begins.
    TrialStarted {
        #[serde(flatten)]
        trial: TrialName<'a>,
    },
    /// Progress of the training, at the experiment's log intervals.
    TrialProgress {
        #[serde(flatten)]
        trial: TrialName<'a>,
        step: u64,
        steps: u64,
        /// Smoothed training loss, in nats per target token.
        loss: f64,
        /// Absent for a model that gives no probabilities.
        #[serde(skip_serializing_if = "Option::is_none")]
        perplexity: Option<f64>,
        learning_rate: f64,
        tokens_per_second: f64,
        seconds_left: Option<f64>,
    },
    /// A measurement, such as `dev/loss` or `dev/bleu`.
    TrialMetric {
        #[serde(flatten)]
        trial: TrialName<'a>,
        step: u64,
        tag: &'a str,
        value: f64,
    },
    /// A message from the trial's process.
    TrialMessage {
        #[serde(flatten)]
        trial: TrialName<'a>,
        text: &'a str,
    },
    TrialFinished {
        #[serde(flatten)]
        trial: TrialName<'a>,
        /// The final scores by tag, as in the record.
        metrics: &'a BTreeMap<String, f64>,
    },
    TrialFailed {
        #[serde(flatten)]
        trial: TrialName<'a>,
        kind: FailureKind,
        reason: &'a str,
        /// The error message, or the last lines of the log.
        detail: &'a str,
        log: &'a Path,
        /// Number of attempts in this call, with this one.
        attempts: u32,
        /// Whether the trial will be tried again.
        again: bool,
    },
    /// The trial has saved its state; the same command continues it.
    TrialStopped {
        #[serde(flatten)]
        trial: TrialName<'a>,
    },
    /// The trial waits as a job in a cluster's queue.
    TrialSubmitted {
        #[serde(flatten)]
        trial: TrialName<'a>,
        reason: &'a str,
    },
    /// The trial lost its place, and gets another.
    TrialRequeued {
        #[serde(flatten)]
        trial: TrialName<'a>,
        reason: &'a str,
    },
    /// The trial waits until halving lets it continue.
    TrialPaused {
        #[serde(flatten)]
        trial: TrialName<'a>,
        reason: Option<&'a str>,
    },
    /// The result of another run or of a committed record is used.
    TrialReused {
        #[serde(flatten)]
        trial: TrialName<'a>,
        from: &'a str,
    },
    /// A run with other settings was in the trial's directory and was moved.
    TrialSuperseded {
        #[serde(flatten)]
        trial: TrialName<'a>,
        to: &'a str,
    },
    /// A message from the driver.
    Message { text: &'a str },
    /// The last event.
    SweepEnded {
        /// Number of finished trials, with those of earlier calls.
        finished: usize,
        failed: usize,
        /// Number of trials that halving stopped.
        halved: usize,
        /// The reason why the sweep ended before its trials did.
        stopped: Option<&'a str>,
        exit_code: u8,
    },
}

/// The trial of an event.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct TrialName<'a> {
    pub row: &'a str,
    pub seed: u64,
}

impl<'a> From<&'a Trial> for TrialName<'a> {
    fn from(trial: &'a Trial) -> Self {
        TrialName { row: &trial.row, seed: trial.seed }
    }
}

impl SweepEvent<'_> {
    /// Returns the line without a line end. JSON has no NaN: such numbers become `null`.
    pub fn to_line(&self) -> String {
        // Keys are texts and values are plain, so that this cannot fail.
        timed_line(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_one_line_with_its_name_its_trial_and_the_time() {
        let trial = TrialName { row: "wide", seed: 2 };
        let event = SweepEvent::TrialFailed {
            trial,
            kind: FailureKind::Diverged,
            reason: "diverged",
            detail: "two\nlines",
            log: Path::new("log.txt"),
            attempts: 1,
            again: false,
        };
        let line = event.to_line();
        assert!(!line.contains('\n'), "{line}");
        let mut value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert!(value["time"].as_f64().unwrap() > 1e9);
        value.as_object_mut().unwrap().remove("time");
        let expected = serde_json::json!({ "event": "trial_failed", "row": "wide", "seed": 2, "kind": "diverged",
            "reason": "diverged", "detail": "two\nlines", "log": "log.txt", "attempts": 1, "again": false });
        assert_eq!(value, expected);
        let loss = SweepEvent::TrialMetric { trial, step: 3, tag: "dev/loss", value: f64::NAN };
        assert!(loss.to_line().contains("\"value\":null"));
    }
}
