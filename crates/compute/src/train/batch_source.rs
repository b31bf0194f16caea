//! The source of micro-batches as tensors for training.

use super::examples::Examples;
use crate::data::collate::Batch;
use tch::Device;

/// Examples that can be collated into tensors.
pub trait BatchSource: Examples {
    /// Collates the examples of one micro-batch.
    fn collate(&self, examples: &[u32], device: Device) -> Batch;
}
