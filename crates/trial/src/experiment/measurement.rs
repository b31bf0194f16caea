//! What `ablate probe` and `ablate bench` measure, as they say it.

use serde::{Deserialize, Serialize};

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `cpu` or `cuda:N`.
    pub device: String,
    pub threads: usize,
    /// Whether the sentences were random ids, because the corpus is not prepared.
    pub synthetic: bool,
    /// Forward and backward, a target token without padding.
    pub seconds_per_token: f64,
    /// Adam's part, an update.
    pub seconds_per_update: f64,
    /// The most memory that the process held at once, the largest micro-batch of an epoch included.
    pub peak_memory_bytes: Option<u64>,
}

/// The half of the work that alone is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Half {
    Training,
    Decoding,
}
