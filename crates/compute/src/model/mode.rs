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
    /// Which tokens of the current stack's sequence are real, [B, T]; absent if all are, or if no layer needs to know.
    real_tokens: RefCell<Option<Tensor>>,
}

impl Mode {
    /// Creates a mode without dropout.
    pub fn evaluation() -> Self {
        Mode { dropout_seed: None, attention: None, real_tokens: RefCell::default() }
    }

    /// Creates the mode of [`evaluation`](Self::evaluation), but records the weights of every attention layer.
    pub fn recording_attention() -> Self {
        Mode { attention: Some(RefCell::default()), ..Mode::evaluation() }
    }

    /// Creates a mode with dropout drawn from `seed`; the same seed gives the same masks.
    pub fn training(seed: u64) -> Self {
        Mode { dropout_seed: Some(seed), ..Mode::evaluation() }
    }

    pub fn is_training(&self) -> bool {
        self.dropout_seed.is_some()
    }

    /// Returns the seed of dropout; `None` in evaluation.
    pub(super) fn dropout_seed(&self) -> Option<u64> {
        self.dropout_seed
    }

    /// Sets which tokens of the next stack's sequence are real: truth values [B, T].
    pub(super) fn enter_stack(&self, real: Tensor) {
        self.real_tokens.replace(Some(real));
    }

    /// Returns the tokens set by [`enter_stack`](Self::enter_stack), if any.
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

    /// Returns the recorded attention weights, in the order in which the pass reached the layers.
    pub(super) fn into_attention(self) -> Vec<Tensor> {
        self.attention.map_or_else(Vec::new, RefCell::into_inner)
    }
}
