//! The context of a forward pass: training or evaluation, whether attention weights are recorded, and which tokens are
//! real.

use std::cell::RefCell;
use tch::Tensor;

/// Every layer receives the `Mode` of the pass. One `Mode` serves one pass through the model.
#[derive(Debug)]
pub struct Mode {
    /// The seed of dropout in training; absent in evaluation.
    dropout_seed: Option<u64>,
    /// The weights of every attention layer that the pass has reached; absent if they are not recorded.
    attention: Option<RefCell<Vec<Tensor>>>,
    /// Which tokens of the sequence that a stack is computing are no padding, [B, T]; absent if all are, or if nobody asks.
    real_tokens: RefCell<Option<Tensor>>,
}

impl Mode {
    /// No dropout.
    pub fn evaluation() -> Self {
        Mode { dropout_seed: None, attention: None, real_tokens: RefCell::default() }
    }

    /// As [`evaluation`](Self::evaluation), and the weights of every attention layer are recorded.
    pub fn recording_attention() -> Self {
        Mode { attention: Some(RefCell::default()), ..Mode::evaluation() }
    }

    /// Dropout drawn from `seed`; the same seed gives the same masks.
    pub fn training(seed: u64) -> Self {
        Mode { dropout_seed: Some(seed), ..Mode::evaluation() }
    }

    pub fn is_training(&self) -> bool {
        self.dropout_seed.is_some()
    }

    /// The seed of dropout, if this is a pass of training.
    pub(super) fn dropout_seed(&self) -> Option<u64> {
        self.dropout_seed
    }

    /// Says which tokens of the sequence that the next stack computes are real: those of `real`, [B, T] of truth values.
    pub(super) fn enter_stack(&self, real: Tensor) {
        self.real_tokens.replace(Some(real));
    }

    /// What [`enter_stack`](Self::enter_stack) said, if it did.
    pub(super) fn real_tokens(&self) -> Option<Tensor> {
        self.real_tokens.borrow().as_ref().map(Tensor::shallow_clone)
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
