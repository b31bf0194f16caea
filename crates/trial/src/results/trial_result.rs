//! The outcome of a trial, as a table needs it.

use super::record::Record;

/// The outcome of the trial with this row and seed.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialResult {
    pub row: String,
    pub seed: u64,
    pub outcome: TrialOutcome,
}

/// The end of a trial: a record, or a failure.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    Finished { record: Box<Record>, time: Option<TrainingTime> },
    Failed { reason: String },
}

impl TrialResult {
    /// The record of the trial, if it finished.
    pub fn record(&self) -> Option<&Record> {
        match &self.outcome {
            TrialOutcome::Finished { record, .. } => Some(record),
            TrialOutcome::Failed { .. } => None,
        }
    }
}

/// The time that the updates of a trial took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingTime {
    /// Seconds of all GPUs, or of all threads of a processor, added up. Evaluations are not included.
    pub unit_seconds: f64,
    /// Whether the times of some updates are unknown: an attempt was killed before recording them, or another run did
    /// them.
    pub incomplete: bool,
}
