//! Linear maps and kernels, with weight normalisation if `model.convolutional.weight_normalisation` is set.

use super::{ConvolutionalConfig, LayerShape};
use crate::model::kinds::like;
use crate::model::weights::{Scope, Start};
use tch::Tensor;

/// A linear map of vectors, or a kernel over neighbouring vectors.
///
/// # Source
/// Salimans and Kingma 2016, eq. 2.
#[derive(Debug)]
pub struct Map {
    /// The map, or the directions of its rows: [out, in], for a kernel [out, in, taps].
    weight: Tensor,
    /// Lengths of the rows, [out]; absent without weight normalisation.
    magnitude: Option<Tensor>,
    /// [out]
    bias: Option<Tensor>,
}

/// A [`Map`] with its weights computed once for one pass.
#[derive(Debug)]
pub struct ReadyMap {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Map {
    /// Builds a linear map with `sizes` (inputs, outputs), whose weights are normal with this `deviation`.
    pub fn linear(scope: &Scope, sizes: (i64, i64), deviation: f64, config: &ConvolutionalConfig) -> Self {
        let (inputs, outputs) = sizes;
        Map::build(scope, &[outputs, inputs], deviation, config).with_bias(scope)
    }

    /// Builds the same without a bias.
    pub fn without_bias(
        scope: &Scope,
        sizes: (i64, i64),
        deviation: f64,
        config: &ConvolutionalConfig,
    ) -> Self {
        let (inputs, outputs) = sizes;
        Map::build(scope, &[outputs, inputs], deviation, config)
    }

    /// Builds a kernel with the taps of `shape`.
    pub fn kernel(
        scope: &Scope,
        sizes: (i64, i64),
        shape: &LayerShape,
        deviation: f64,
        config: &ConvolutionalConfig,
    ) -> Self {
        let (inputs, outputs) = sizes;
        Map::build(scope, &[outputs, inputs, shape.kernel], deviation, config).with_bias(scope)
    }

    fn build(scope: &Scope, shape: &[i64], deviation: f64, config: &ConvolutionalConfig) -> Self {
        let weight = scope.variable("weight", shape, Start::Normal { deviation });
        let magnitude = config.weight_normalisation.then(|| scope.lengths("magnitude", &weight));
        Map { weight, magnitude, bias: None }
    }

    fn with_bias(self, scope: &Scope) -> Self {
        let outputs = self.weight.size()[0];
        Map { bias: Some(scope.bias("bias", &[outputs], Start::Zeros)), ..self }
    }

    /// Returns the map with weights in the number format of `x`.
    pub fn ready(&self, x: &Tensor) -> ReadyMap {
        let weight = match &self.magnitude {
            None => like(&self.weight, x),
            Some(magnitude) => {
                let mut shape = vec![1; self.weight.dim()];
                shape[0] = magnitude.size()[0];
                like(&Tensor::internal_weight_norm(&self.weight, &magnitude.view(&shape[..]), 0), x)
            }
        };
        ReadyMap { weight, bias: self.bias.as_ref().map(|bias| like(bias, x)) }
    }
}

impl ReadyMap {
    /// # Shapes
    /// [.., in] → [.., out].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        x.linear(&self.weight, self.bias.as_ref())
    }

    /// Applies a kernel to a sequence that includes its context.
    ///
    /// # Shapes
    /// [B, T + (taps - 1) · dilation, in] → [B, T, out].
    pub fn over(&self, x: &Tensor, dilation: i64) -> Tensor {
        x.transpose(1, 2).conv1d(&self.weight, self.bias.as_ref(), 1, 0, dilation, 1).transpose(1, 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    /// At first a map is the same as without weight normalisation; later its rows have the lengths in `magnitude`.
    #[test]
    fn rows_have_the_lengths_that_are_trained() {
        let map = |weight_normalisation| {
            let scope = Scope::seeded(3, Kind::Double, Device::Cpu).child("map");
            let config = ConvolutionalConfig { weight_normalisation, ..Default::default() };
            Map::linear(&scope, (5, 4), 0.5, &config)
        };
        let x = Tensor::ones([1], (Kind::Double, Device::Cpu));
        let (plain, normalised) = (map(false).ready(&x).weight, map(true));
        let gap = |a: &Tensor, b: &Tensor| (a - b).abs().max().double_value(&[]);
        assert!(gap(&normalised.ready(&x).weight, &plain) < 1e-14);
        tch::no_grad(|| {
            let mut magnitude = normalised.magnitude.as_ref().unwrap().shallow_clone();
            let _ = magnitude.fill_(2.0);
            let mut weight = normalised.weight.shallow_clone();
            weight *= 7.0;
        });
        let lengths = normalised.ready(&x).weight.square().sum_dim_intlist(1, false, None);
        assert!(gap(&lengths, &lengths.full_like(4.0)) < 1e-13);
    }
}
