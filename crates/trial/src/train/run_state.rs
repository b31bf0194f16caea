//! The data of a training state beside weights and moments: the progress of the training, and the run that it belongs to.

use serde::{Deserialize, Serialize};

/// The progress of a training after an update; by default, before the first one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Updates done.
    pub step: u64,
    /// Pass over the training data that the next micro-batch belongs to, from 0.
    pub epoch: u64,
    /// Number of the next micro-batch in that pass.
    pub micro_batch: usize,
    /// The best dev loss so far, if one was measured.
    pub best: Option<Best>,
}

/// The update with the lowest dev loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: u64,
    /// Nats per target token, unsmoothed.
    pub dev_loss: f64,
}

/// The trial that saved a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// See `config::identity`.
    pub identity: String,
    /// See `config::training_identity`. Absent in checkpoints of before 2026-11-28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_identity: Option<String>,
}

/// The data that a training state keeps for the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    #[serde(flatten)]
    pub owner: Owner,
    /// The run's `metrics.csv` so far. A checkpoint does not rely on files that others write.
    pub metrics: String,
}
