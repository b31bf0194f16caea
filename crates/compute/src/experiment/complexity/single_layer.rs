//! One layer of an encoder alone, as training computes it.

use crate::complexity::{Layer, Sizes};
use crate::model::EncoderKind;
use crate::model::convolutional::ConvolutionalEncoder;
use crate::model::mode::Mode;
use crate::model::parts::{self, EncoderPart, SourceRows};
use crate::model::weights::{Scope, Start, Weights};
use tch::{Device, Kind, Tensor};

/// Seed of the initial weights and of the inputs.
pub const SEED: u64 = 1;

/// A layer with fresh weights.
#[derive(Debug)]
pub struct SingleLayer {
    part: Part,
    pub weights: Weights,
}

#[derive(Debug)]
enum Part {
    Encoder(Box<dyn EncoderPart>),
    /// A convolutional encoder, of which only the layer is used, not the maps around it.
    Convolutional(ConvolutionalEncoder),
}

impl SingleLayer {
    /// Builds layer `index` of a stack, from 0; each index has other weights. `size` is the layer's width and the
    /// length of its sequences. `None` if the layer is only counted.
    pub fn build(
        layer: Layer,
        sizes: &Sizes,
        size: (i64, i64),
        index: usize,
        (kind, device): (Kind, Device),
    ) -> Option<Self> {
        Self::declare(layer, sizes, size, index, Scope::seeded(SEED, kind, device))
    }

    /// Returns the peak bytes of such a layer's weights: while they are drawn, or with their gradients if these need
    /// more. `None` if the layer is only counted.
    pub fn bytes(layer: Layer, sizes: &Sizes, size: (i64, i64), index: usize, kind: Kind) -> Option<f64> {
        let counted = Self::declare(layer, sizes, size, index, Scope::shapes_only())?.weights;
        let largest = counted.named().iter().map(|(_, tensor)| tensor.numel()).max().unwrap_or(0);
        // Weights are drawn as a float64 tensor and then converted to `kind`.
        let drawn = 2 * largest * Kind::Double.elt_size_in_bytes();
        let weights = counted.parameters() as f64 * kind.elt_size_in_bytes() as f64;
        Some((weights + drawn as f64).max(2.0 * weights))
    }

    fn declare(layer: Layer, sizes: &Sizes, size: (i64, i64), index: usize, scope: Scope) -> Option<Self> {
        let config = layer.config(sizes, size, index)?;
        let place = scope.child("encoder").child(index);
        let part = match config.encoder {
            EncoderKind::Convolutional => Part::Convolutional(ConvolutionalEncoder::build(&place, &config)),
            _ => Part::Encoder(parts::encoder(&place, &config)),
        };
        Some(SingleLayer { part, weights: scope.into_weights() })
    }

    /// Computes a training pass over sequences without padding.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let mode = Mode::training(SEED);
        match &self.part {
            Part::Encoder(encoder) => {
                let lengths = vec![x.size()[1]; x.size()[0] as usize];
                encoder.encode(x.shallow_clone(), SourceRows::Single(&lengths), &mode).output
            }
            Part::Convolutional(encoder) => encoder.through_layers(x.shallow_clone(), None, &mode),
        }
    }
}

/// Returns the vectors of one sequence: normal numbers, always the same.
///
/// # Shapes
/// → [1, n, d].
pub fn sequence(length: i64, width: i64, numbers: (Kind, Device)) -> Tensor {
    normal("sequence", &[1, length, width], numbers)
}

/// Draws normal numbers that depend on `name` alone, without libtorch's global generator.
pub fn normal(name: &str, shape: &[i64], (kind, device): (Kind, Device)) -> Tensor {
    Scope::seeded(SEED, kind, device).variable(name, shape, Start::Normal { deviation: 1.0 }).detach()
}
