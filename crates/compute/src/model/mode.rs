//! The context of a forward pass: training or evaluation, and whether attention weights are recorded.

use std::cell::RefCell;
use tch::Tensor;

/// Every layer receives the `Mode` of the pass. One `Mode` serves one pass through the model.
#[derive(Debug)]
pub struct Mode {
    /// The seed of dropout in training; absent in evaluation.
    dropout_seed: Option<u64>,
    /// The weights of every attention layer that the pass has reached; absent if they are not recorded.
    attention: Option<RefCell<Vec<Tensor>>>,
}

impl Mode {
    /// No dropout.
    pub fn evaluation() -> Self {
        Mode { dropout_seed: None, attention: None }
    }

    /// As [`evaluation`](Self::evaluation), and the weights of every attention layer are recorded.
    pub fn recording_attention() -> Self {
        Mode { dropout_seed: None, attention: Some(RefCell::default()) }
    }

    /// Dropout drawn from `seed`; the same seed gives the same masks.
    pub fn training(seed: u64) -> Self {
        Mode { dropout_seed: Some(seed), attention: None }
    }

    pub fn is_training(&self) -> bool {
        self.dropout_seed.is_some()
    }

    /// The seed of dropout, if this is a pass of training.
    pub(super) fn dropout_seed(&self) -> Option<u64> {
        self.dropout_seed
    }

    /// Whether the weights of attention layers are recorded.
    pub(super) fn records_attention(&self) -> bool {
        self.attention.is_some()
    }

    /// Records the weights of an attention layer if this pass records them.
    pub(super) fn record_attention(&self, weights: &Tensor) {
        if let Some(recorded) = &self.attention {
            recorded.borrow_mut().push(weights.shallow_clone());
        }
    }

    /// The recorded attention weights, in the order in which the pass reached the layers.
    pub(super) fn into_attention(self) -> Vec<Tensor> {
        self.attention.map_or_else(Vec::new, RefCell::into_inner)
    }
}
