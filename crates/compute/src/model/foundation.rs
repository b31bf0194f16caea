//! The parts that every network has.

use super::Kinds;
use super::embedding::Embeddings;
use super::weights::{Scope, Weights};
use tch::Device;

/// The embeddings, all weights, and the device and number formats of a model.
#[derive(Debug)]
pub struct Foundation {
    pub(super) embeddings: Embeddings,
    pub(super) weights: Weights,
    pub(super) kinds: Kinds,
    pub(super) device: Device,
}

impl Foundation {
    /// Finishes building a model below `root`; its `embeddings` are the first of its weights.
    pub(super) fn finish(root: Scope, embeddings: Embeddings, kinds: Kinds, device: Device) -> Self {
        Foundation { embeddings, weights: root.into_weights(), kinds, device }
    }
}
