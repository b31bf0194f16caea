//! Layer normalisation with trained scale and offset (`model.layer_norm_epsilon`).

use super::ModelConfig;
use super::kinds::like;
use super::weights::{Scope, Start};
use tch::Tensor;

/// (x - mean) / sqrt(variance + epsilon) · scale + offset over the last dimension.
///
/// # Source
/// Ba et al. 2016; used by Vaswani et al. 2017, §3.1.
#[derive(Debug)]
pub struct Normalisation {
    scale: Tensor,
    offset: Tensor,
    epsilon: f64,
}

impl Normalisation {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Normalisation {
            scale: scope.variable("scale", &[config.d_model], Start::Ones),
            offset: scope.variable("offset", &[config.d_model], Start::Zeros),
            epsilon: config.layer_norm_epsilon,
        }
    }

    /// # Shapes
    /// [.., D] → [.., D]. Mean and variance of bfloat16 rows are computed in float32, inside libtorch's kernels.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let (scale, offset) = (like(&self.scale, x), like(&self.offset, x));
        x.layer_norm(scale.size(), Some(&scale), Some(&offset), self.epsilon, false)
    }
}
