//! Attention of a convolutional decoder's layer to the source ("multi-step attention").

use super::layer::deviation;
use super::map::{Map, ReadyMap};
use super::{ConvolutionalConfig, HALF_ROOT};
use crate::model::mode::Mode;
use crate::model::parts::Encoded;
use crate::model::weights::Scope;
use tch::{Kind, Tensor};

/// The two maps of a layer's attention, from its channels to the width of the embeddings and back.
///
/// # Source
/// Gehring et al. 2017, §3.3, eq. 1 and 2.
///
/// # Deviation
/// As in the authors' program (fairseq, `models/fconv.py`), each sum of two vectors is multiplied by √0.5, and a second
/// map follows the context; the paper's formulas show neither.
#[derive(Debug)]
pub struct Attention {
    query: Map,
    output: Map,
}

/// An [`Attention`] with its weights ready for one pass.
#[derive(Debug)]
pub struct ReadyAttention {
    query: ReadyMap,
    output: ReadyMap,
}

/// The attended source, the same for all layers.
#[derive(Debug)]
pub struct Source {
    /// The states z, [B, S, D].
    keys: Tensor,
    /// The states and the embedded source, z + e: [B, S, D].
    values: Tensor,
    /// Numbers added to the scores, [B, 1, S].
    mask: Tensor,
    /// m√(1/m) for m words, which scales a mean of m vectors back to the size of one: [B, 1, 1].
    scale: Tensor,
}

impl Source {
    pub fn of(encoded: &Encoded) -> Self {
        let states = &encoded.output;
        let mask = encoded.mask.squeeze_dim(1);
        let words = mask.eq(0.0).sum_dim_intlist(-1, true, Kind::Float);
        Source {
            keys: states.shallow_clone(),
            values: (states + &encoded.embedded) * HALF_ROOT,
            mask,
            scale: words.to_kind(states.kind()).sqrt(),
        }
    }

    /// Returns the rows with these indices.
    pub fn select(&self, rows: &Tensor) -> Self {
        let select = |x: &Tensor| x.index_select(0, rows);
        Source {
            keys: select(&self.keys),
            values: select(&self.values),
            mask: select(&self.mask),
            scale: select(&self.scale),
        }
    }
}

impl Attention {
    pub fn build(scope: &Scope, channels: i64, d_model: i64, config: &ConvolutionalConfig) -> Self {
        let map = |name: &str, sizes: (i64, i64)| {
            Map::linear(&scope.child(name), sizes, deviation(sizes.0, 1.0), config)
        };
        Attention { query: map("query", (channels, d_model)), output: map("output", (d_model, channels)) }
    }

    pub fn ready(&self, x: &Tensor) -> ReadyAttention {
        ReadyAttention { query: self.query.ready(x), output: self.output.ready(x) }
    }
}

impl ReadyAttention {
    /// Returns a layer's result `y` combined with the context that it finds in the source.
    ///
    /// # Shapes
    /// `y` [B, T, C], embedded target [B, T, D] → [B, T, C].
    pub fn forward(&self, y: &Tensor, embedded: &Tensor, source: &Source, mode: &Mode) -> Tensor {
        let queries = (self.query.forward(y) + embedded) * HALF_ROOT;
        let weights = (queries.matmul(&source.keys.transpose(1, 2)) + &source.mask).softmax(-1, None);
        mode.record_attention(&weights.unsqueeze(1));
        let context = weights.matmul(&source.values) * &source.scale;
        (self.output.forward(&context) + y) * HALF_ROOT
    }
}
