//! One layer of an encoder by itself, as training computes it.

use crate::complexity::{Layer, Sizes};
use crate::model::mode::Mode;
use crate::model::parts::{self, EncoderPart, SourceRows};
use crate::model::weights::{Scope, Weights};
use tch::{Device, Kind, Tensor};

/// First weights and inputs are functions of it.
pub const SEED: u64 = 1;

/// A layer with fresh weights.
#[derive(Debug)]
pub struct SingleLayer {
    part: Box<dyn EncoderPart>,
    pub weights: Weights,
}

impl SingleLayer {
    /// Layer `index` of a stack, which differs from the others in its weights. None of a kind that is only counted.
    pub fn build(
        layer: Layer,
        sizes: &Sizes,
        (width, longest): (i64, i64),
        index: usize,
        (kind, device): (Kind, Device),
    ) -> Option<Self> {
        let config = layer.config(sizes, width, longest)?;
        let scope = Scope::seeded(SEED, kind, device);
        let part = parts::encoder(&scope.child("encoder").child(index), &config);
        Some(SingleLayer { part, weights: scope.into_weights() })
    }

    /// A pass of training over sequences without padding.
    ///
    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward(&self, x: &Tensor) -> Tensor {
        let lengths = vec![x.size()[1]; x.size()[0] as usize];
        self.part.encode(x.shallow_clone(), SourceRows::Single(&lengths), &Mode::training(SEED)).output
    }
}

/// The vectors of one sequence: normal numbers, always the same.
///
/// # Shapes
/// → [1, n, d].
pub fn sequence(length: i64, width: i64, (kind, device): (Kind, Device)) -> Tensor {
    tch::manual_seed(SEED as i64);
    Tensor::randn([1, length, width], (kind, device))
}
