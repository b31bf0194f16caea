//! Normalisation of vectors (§3.1), chosen by `model.norm_kind`; `model.layer_norm_epsilon`. Where it stands:
//! [`super::residual`].

use super::kinds::like;
use super::weights::{Scope, Start};
use super::{ModelConfig, NormKind};
use tch::Tensor;

/// Normalises over the last dimension, with trained scale and, where the mean is subtracted, offset.
///
/// # Source
/// Ba et al. 2016, used by Vaswani et al. 2017, §3.1; Zhang and Sennrich 2019, eq. 4.
#[derive(Debug)]
pub struct Normalisation {
    scale: Tensor,
    /// Absent where the mean is not subtracted.
    offset: Option<Tensor>,
    epsilon: f64,
}

impl Normalisation {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let shape = [config.d_model];
        Normalisation {
            scale: scope.variable("scale", &shape, Start::Ones),
            offset: match config.norm_kind {
                NormKind::Layer => Some(scope.variable("offset", &shape, Start::Zeros)),
                NormKind::Rms => None,
            },
            epsilon: config.layer_norm_epsilon,
        }
    }

    /// # Shapes
    /// [.., D] → [.., D]. The statistics of bfloat16 rows are computed in float32, inside libtorch's kernels.
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let scale = like(&self.scale, x);
        match &self.offset {
            Some(offset) => {
                x.layer_norm(scale.size(), Some(&scale), Some(&like(offset, x)), self.epsilon, false)
            }
            None => x.rms_norm(scale.size(), Some(&scale), self.epsilon),
        }
    }
}
