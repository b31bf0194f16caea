//! Where training finds its micro-batches as tensors.

use super::examples::Examples;
use crate::data::collate::Batch;
use tch::Device;

/// Examples that become tensors.
pub trait BatchSource: Examples {
    /// A micro-batch as tensors.
    fn collate(&self, examples: &[u32], device: Device) -> Batch;
}
