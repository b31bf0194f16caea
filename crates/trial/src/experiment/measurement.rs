//! The measurements of `ablate probe` and `ablate bench`, in the form in which they are printed.

use serde::{Deserialize, Serialize};

/// The measurements of a probe.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `cpu` or `cuda:N`.
    pub device: String,
    pub threads: usize,
    /// Whether the sentences were random ids, because the corpus is not prepared.
    pub synthetic: bool,
    /// Seconds of the passes forward and backward per target token, without padding.
    pub seconds_per_token: f64,
    /// Seconds of Adam's update.
    pub seconds_per_update: f64,
    /// The most memory that the process held at once; the largest micro-batch of an epoch is included.
    pub peak_memory_bytes: Option<u64>,
}

/// The half of the work that is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Half {
    Training,
    Decoding,
}
