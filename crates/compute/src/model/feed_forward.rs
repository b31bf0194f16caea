//! Position-wise feed-forward network (§3.3).

use super::dropout::Dropout;
use super::linear::Linear;
use super::mode::Mode;
use super::weights::Scope;
use super::{ModelConfig, init};
use tch::Tensor;

/// max(0, x W₁ + b₁) W₂ + b₂.
///
/// # Source
/// Vaswani et al. 2017, §3.3, eq. 2.
#[derive(Debug)]
pub struct FeedForward {
    inner: Linear,
    outer: Linear,
    dropout: Dropout,
}

impl FeedForward {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (d_model, d_ff) = (config.d_model, config.d_ff);
        FeedForward {
            inner: Linear::build(&scope.child("inner"), d_model, d_ff, init::glorot(d_model, d_ff), true),
            outer: Linear::build(&scope.child("outer"), d_ff, d_model, init::glorot(d_ff, d_model), true),
            dropout: Dropout::build(&scope.child("activation_dropout"), config.activation_dropout),
        }
    }

    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let hidden = self.inner.forward(x).relu();
        self.outer.forward(&self.dropout.forward(hidden, mode))
    }
}
