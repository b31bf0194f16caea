//! What every network has, whatever its parts.

use super::Kinds;
use super::embedding::Embeddings;
use super::weights::{Scope, Weights};
use tch::Device;

/// The embeddings, all weights, and where and in which number formats a model computes.
#[derive(Debug)]
pub struct Foundation {
    pub(super) embeddings: Embeddings,
    pub(super) weights: Weights,
    pub(super) kinds: Kinds,
    pub(super) device: Device,
}

impl Foundation {
    /// Ends the building of a model below `root`, of whose weights its `embeddings` are the first.
    pub(super) fn finish(root: Scope, embeddings: Embeddings, kinds: Kinds, device: Device) -> Self {
        Foundation { embeddings, weights: root.into_weights(), kinds, device }
    }
}
