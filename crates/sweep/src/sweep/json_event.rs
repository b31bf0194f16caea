//! What a sweep tells programs that watch: `ablate sweep --json`, one JSON text a line on standard output.
//!
//! Names are a format, described in docs/architecture.md: fields may be added, none changes its meaning.

use super::ledger::timed_line;
use super::trial::Trial;
use crate::results::record::FailureKind;
use serde::Serialize;
use std::path::Path;

/// One line, but for the time.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum SweepEvent<'a> {
    /// The first line.
    SweepStarted {
        sweep: &'a str,
        /// Of tables, ledger and run directories.
        directory: &'a Path,
        /// Those that a search will draw included.
        trials: usize,
        /// Finished before.
        finished: usize,
        /// To be run by this call.
        to_run: usize,
        workers: usize,
    },
    /// A search has chosen its next settings, which are a row with as many trials as there are seeds.
    Drawn {
        row: &'a str,
        /// For each key its value in TOML.
        values: &'a std::collections::BTreeMap<String, String>,
    },
    /// An attempt begins.
    TrialStarted {
        #[serde(flatten)]
        trial: TrialName<'a>,
    },
    /// At log intervals of the experiment.
    TrialProgress {
        #[serde(flatten)]
        trial: TrialName<'a>,
        step: u64,
        steps: u64,
        /// Smoothed, nats per target token.
        loss: f64,
        /// Absent of a model that gives no probabilities.
        #[serde(skip_serializing_if = "Option::is_none")]
        perplexity: Option<f64>,
        learning_rate: f64,
        tokens_per_second: f64,
        seconds_left: Option<f64>,
    },
    /// A measurement: `dev/loss`, `dev/bleu`.
    TrialMetric {
        #[serde(flatten)]
        trial: TrialName<'a>,
        step: u64,
        tag: &'a str,
        value: f64,
    },
    /// A line for people, of the trial's own.
    TrialMessage {
        #[serde(flatten)]
        trial: TrialName<'a>,
        text: &'a str,
    },
    TrialFinished {
        #[serde(flatten)]
        trial: TrialName<'a>,
        /// The final scores by tag; those of the record.
        metrics: &'a std::collections::BTreeMap<String, f64>,
    },
    TrialFailed {
        #[serde(flatten)]
        trial: TrialName<'a>,
        kind: FailureKind,
        reason: &'a str,
        /// The message or the log's last lines.
        detail: &'a str,
        log: &'a Path,
        /// Attempts of this call, this one included.
        attempts: u32,
        /// It will be tried again.
        again: bool,
    },
    /// Its state is saved; the same command goes on.
    TrialStopped {
        #[serde(flatten)]
        trial: TrialName<'a>,
    },
    /// It is a job of a cluster that waits for its turn.
    TrialSubmitted {
        #[serde(flatten)]
        trial: TrialName<'a>,
        reason: &'a str,
    },
    /// Its place was taken away; it gets another.
    TrialRequeued {
        #[serde(flatten)]
        trial: TrialName<'a>,
        reason: &'a str,
    },
    /// It waits for halving to let it go on.
    TrialPaused {
        #[serde(flatten)]
        trial: TrialName<'a>,
        reason: Option<&'a str>,
    },
    /// What another run or a committed record did is used.
    TrialReused {
        #[serde(flatten)]
        trial: TrialName<'a>,
        from: &'a str,
    },
    /// A run with other settings stood in its place and was moved.
    TrialSuperseded {
        #[serde(flatten)]
        trial: TrialName<'a>,
        to: &'a str,
    },
    /// A line for people, of the driver's.
    Message { text: &'a str },
    /// The last line.
    SweepEnded {
        /// Of all trials, earlier calls included.
        finished: usize,
        failed: usize,
        /// Those that halving let go no further.
        halved: usize,
        /// Why it ended before its trials did.
        stopped: Option<&'a str>,
        exit_code: u8,
    },
}

/// Which trial an event is about.
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
    /// The line without its end. JSON has no NaN: such numbers are `null`.
    pub fn to_line(&self) -> String {
        // Keys are texts and values plain: there is nothing that JSON could not say.
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
