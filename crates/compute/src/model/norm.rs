//! Normalisation of vectors (§3.1), chosen by `model.norm_kind`; `model.layer_norm_epsilon`. Its place in a layer:
//! [`super::residual`].

use super::kinds::{like, wide};
use super::mode::Mode;
use super::statistics::RunningStatistics;
use super::weights::{Scope, Start};
use super::{ModelConfig, NormKind};
use tch::{Kind, Tensor};

/// Scales each vector to one size by itself, or each channel over a batch.
///
/// # Source
/// Ba et al. 2016, used by Vaswani et al. 2017, §3.1; Zhang and Sennrich 2019, eq. 4; Ioffe and Szegedy 2015,
/// algorithms 1 and 2.
#[derive(Debug)]
pub enum Normalisation {
    /// Normalises over the last dimension; scale and offset are trained.
    Layer { scale: Tensor, offset: Tensor, epsilon: f64 },
    /// Normalises over the last dimension, without the mean and without an offset.
    Rms { scale: Tensor, epsilon: f64 },
    /// Normalises each channel over the real tokens of a batch.
    Batch(BatchNorm),
    /// Leaves vectors unchanged.
    None,
}

impl Normalisation {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let epsilon = config.layer_norm_epsilon;
        let shape = [config.d_model];
        let scale = || scope.gain("scale", &shape, Start::Ones);
        let offset = || scope.bias("offset", &shape, Start::Zeros);
        match config.norm_kind {
            NormKind::Layer => Normalisation::layer(scope, config.d_model, epsilon),
            NormKind::Rms => Normalisation::Rms { scale: scale(), epsilon },
            NormKind::Batch => Normalisation::Batch(BatchNorm {
                scale: scale(),
                offset: offset(),
                running: scope.running_statistics(config.d_model),
                epsilon,
            }),
            NormKind::None => Normalisation::None,
        }
    }

    /// Builds layer normalisation of vectors of `width` numbers, whatever `model.norm_kind` is.
    pub fn layer(scope: &Scope, width: i64, epsilon: f64) -> Self {
        let scale = scope.gain("scale", &[width], Start::Ones);
        Normalisation::Layer { scale, offset: scope.bias("offset", &[width], Start::Zeros), epsilon }
    }

    /// # Shapes
    /// [B, T, D] → [B, T, D]. Statistics of bfloat16 rows are computed in float32: for layer and RMS norms inside
    /// libtorch's kernels.
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        match self {
            Normalisation::Layer { scale, offset, epsilon } => {
                let scale = like(scale, x);
                x.layer_norm(scale.size(), Some(&scale), Some(&like(offset, x)), *epsilon, false)
            }
            Normalisation::Rms { scale, epsilon } => {
                let scale = like(scale, x);
                x.rms_norm(scale.size(), Some(&scale), *epsilon)
            }
            Normalisation::Batch(norm) if mode.is_training() => norm.by_batch(x, mode),
            Normalisation::Batch(norm) => norm.by_running_statistics(x),
            Normalisation::None => x.shallow_clone(),
        }
    }
}

/// Batch normalisation: (x - mean) / √(variance + epsilon) · scale + offset, with a mean and a variance of each channel.
///
/// In training the statistics are those of the real tokens of one micro-batch, without padding; each micro-batch of an
/// update is normalised by its own statistics, on one rank and on many. Outside of training they are the
/// [`RunningStatistics`]: a fixed affine map, under which a sentence does not depend on other sentences, nor a
/// decoder's position on later ones. In training it does: the statistics mix all positions of all sentences of a
/// micro-batch, so that a decoder with batch normalisation sees something of the tokens that it should predict.
#[derive(Debug)]
pub struct BatchNorm {
    scale: Tensor,
    offset: Tensor,
    running: RunningStatistics,
    epsilon: f64,
}

impl BatchNorm {
    fn by_batch(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let rows = wide(x).flatten(0, -2); // [N, D]
        let all = || Tensor::ones([rows.size()[0]], (Kind::Bool, rows.device()));
        let real = mode.real_tokens().unwrap_or_else(all).to_kind(rows.kind()).view([-1, 1]);
        let count = real.sum(None);
        let mean_of = |rows: Tensor| (rows * &real).sum_dim_intlist(0, false, None) / &count;
        let mean = mean_of(rows.shallow_clone());
        let centred = &rows - &mean;
        let variance = mean_of(centred.square());
        self.running.add(&mean, &variance, &count);
        let factor = (variance + self.epsilon).rsqrt() * like(&self.scale, &rows);
        (centred * factor + like(&self.offset, &rows)).view_as(x).to_kind(x.kind())
    }

    fn by_running_statistics(&self, x: &Tensor) -> Tensor {
        let factor = (self.running.variance() + self.epsilon).rsqrt() * &self.scale;
        (x - like(self.running.mean(), x)) * like(&factor, x) + like(&self.offset, x)
    }
}
