//! Affine map of the last dimension: x Wᵀ + b.

use super::init;
use super::matrix::Matrix;
use super::weights::{Scope, Start};
use tch::Tensor;

/// `matrix` is [out, in], `bias` [out] or absent.
#[derive(Debug)]
pub struct Linear {
    matrix: Matrix,
    bias: Option<Tensor>,
}

impl Linear {
    pub fn build(scope: &Scope, inputs: i64, outputs: i64, start: Start, bias: bool) -> Self {
        Linear {
            matrix: scope.matrix(&scope.variable("weight", &[outputs, inputs], start)),
            bias: bias.then(|| scope.bias("bias", &[outputs], Start::Zeros)),
        }
    }

    /// Builds a map whose matrix starts with [`init::glorot`].
    pub fn glorot(scope: &Scope, inputs: i64, outputs: i64, bias: bool) -> Self {
        Linear::build(scope, inputs, outputs, init::glorot(inputs, outputs), bias)
    }

    /// # Shapes
    /// [.., in] → [.., out].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        self.matrix.product(x, self.bias.as_ref())
    }
}
