//! What came of a trial, as a table needs it.

use super::record::Record;

/// What one trial came to.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialResult {
    pub row: String,
    pub seed: u64,
    pub outcome: TrialOutcome,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    Finished { record: Box<Record>, time: Option<TrainingTime> },
    Failed { reason: String },
}

impl TrialResult {
    /// What is kept of the trial, if it finished.
    pub fn record(&self) -> Option<&Record> {
        match &self.outcome {
            TrialOutcome::Finished { record, .. } => Some(record),
            TrialOutcome::Failed { .. } => None,
        }
    }
}

/// How long the updates of a trial took.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TrainingTime {
    /// Seconds of every card, or of every thread of a processor, added up. Without evaluations.
    pub unit_seconds: f64,
    /// The times of some updates are not known: their attempt was killed before it told, or another run did them.
    pub incomplete: bool,
}
