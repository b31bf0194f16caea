//! Affine map of the last dimension: x Wᵀ + b.

use super::init;
use super::kinds::like;
use super::weights::{Scope, Start};
use tch::Tensor;

/// `weight` is [out, in], `bias` [out] or absent.
#[derive(Debug)]
pub struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    pub fn build(scope: &Scope, inputs: i64, outputs: i64, start: Start, bias: bool) -> Self {
        Linear {
            weight: scope.variable("weight", &[outputs, inputs], start),
            bias: bias.then(|| scope.bias("bias", &[outputs], Start::Zeros)),
        }
    }

    /// A map whose matrix starts as [`init::glorot`] says.
    pub fn glorot(scope: &Scope, inputs: i64, outputs: i64, bias: bool) -> Self {
        Linear::build(scope, inputs, outputs, init::glorot(inputs, outputs), bias)
    }

    /// # Shapes
    /// [.., in] → [.., out].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&like(&self.weight, x), self.bias.as_ref().map(|bias| like(bias, x)))
    }
}
