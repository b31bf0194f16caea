//! What a model costs, by its configuration alone: trained numbers, operations, and what autograd keeps.
//!
//! Of operations, counted are matrix products alone, a multiplication and its addition as two operations: what torch's
//! `FlopCounterMode` counts. Softmax, norms, dropout, the optimizer and everything else that is done number
//! by number is left out; `scripts/check_flops.py` holds the formulas against torch.

use super::transformer::Transformer;
use super::{ModelConfig, NormKind, Position, VocabularySizes};
use serde::{Deserialize, Serialize};

/// The shape of one micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchShape {
    /// Rows, each of one sentence pair unless several are packed: B.
    pub pairs: u64,
    /// Padded length of the sources, end of sentence counted: S.
    pub source: u64,
    /// Padded length of the targets, end of sentence counted: T.
    pub target: u64,
    /// Target positions that are no padding and so are scored against the vocabulary: N.
    pub scored: u64,
}

/// Operations of one pass forward, term by term.
///
/// Floating-point numbers, which count exactly up to 2⁵³ and never overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ForwardFlops {
    /// Queries, keys, values and outputs of all attention layers, and the products of queries and of weights with the
    /// vectors of relative positions.
    pub projections: f64,
    /// Queries times keys, and weights times values: what grows with the square of the lengths.
    pub attention: f64,
    pub feed_forward: f64,
    /// Hidden states times the matrix before the softmax.
    pub logits: f64,
}

impl ForwardFlops {
    pub fn total(&self) -> f64 {
        self.projections + self.attention + self.feed_forward + self.logits
    }

    /// Forward and backward. Each product C = A·B has two products of its size behind it, for the gradients
    /// of A and of B: every factor here is or depends on a trained number.
    pub fn training(&self) -> f64 {
        3.0 * self.total()
    }
}

/// The cost of a model of one configuration and vocabulary.
#[derive(Debug, Clone)]
pub struct Cost<'a> {
    config: &'a ModelConfig,
    vocabulary: VocabularySizes,
}

impl<'a> Cost<'a> {
    pub fn of(config: &'a ModelConfig, vocabulary: impl Into<VocabularySizes>) -> Self {
        Cost { config, vocabulary: vocabulary.into() }
    }

    /// Number of trained numbers; shared matrices count once.
    pub fn parameters(&self) -> u64 {
        Transformer::parameters(self.config, self.vocabulary)
    }

    /// Rows of the matrix before the softmax: V.
    pub fn softmax_rows(&self) -> i64 {
        self.config.rows(self.vocabulary.target)
    }

    /// Columns of the matrix before the softmax: D.
    pub fn width(&self) -> i64 {
        self.config.d_model
    }

    /// One pass forward of a batch. Padding is computed, so it counts; a position that the causal mask hides is computed
    /// as well.
    pub fn forward(&self, shape: &BatchShape) -> ForwardFlops {
        forward(self.config, self.softmax_rows(), shape)
    }

    /// Numbers that autograd keeps of a micro-batch from the pass forward to the pass backward.
    pub fn kept(&self, shape: &BatchShape) -> f64 {
        kept(self.config, shape)
    }

    /// Numbers that the largest layer needs beside the kept ones, and only while it computes.
    pub fn passing(&self, shape: &BatchShape) -> f64 {
        passing(self.config, shape)
    }
}

fn forward(config: &ModelConfig, rows: i64, shape: &BatchShape) -> ForwardFlops {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let (layers, d_model, d_ff) = (config.layers as f64, config.d_model as f64, config.d_ff as f64);
    // Of all heads together.
    let d_k = (config.heads as f64) * config.d_k() as f64;
    let d_v = (config.heads as f64) * config.d_v() as f64;
    // Query and output for every position that attends, key and value for every one attended to.
    let own = 2.0 * d_model * (d_k + d_v);
    let projections = own * (2.0 * sources) + own * (2.0 * targets) + own * (targets + sources);
    let relative = 2.0 * relative_vectors(config) * (d_k + d_v) * (sources + targets);
    let seen = pairs * (source * source + target * target + target * source);
    ForwardFlops {
        projections: layers * (projections + relative),
        attention: layers * 2.0 * (d_k + d_v) * seen,
        feed_forward: layers * 4.0 * d_model * d_ff * (sources + targets),
        logits: 2.0 * d_model * rows as f64 * scored,
    }
}

/// Vectors of relative positions that every query of self-attention meets: 2k + 1, or none.
fn relative_vectors(config: &ModelConfig) -> f64 {
    match config.position {
        Position::Relative(furthest) => 2.0 * furthest as f64 + 1.0,
        Position::Sinusoidal
        | Position::SinusoidalHalves
        | Position::Learned
        | Position::Rotary
        | Position::Alibi
        | Position::T5
        | Position::None => 0.0,
    }
}

fn kept(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let (heads, d_model, d_ff) = (model.heads as f64, model.d_model as f64, model.d_ff as f64);
    let (d_k, d_v) = (heads * model.d_k() as f64, heads * model.d_v() as f64);
    let if_dropped = |rate: f64, count: f64| if rate > 0.0 { count } else { 0.0 };
    // Queries, keys, values and mixed values; the weights, and with dropout their mask and product.
    let attention = |queries: f64, keys: f64, scores: f64| {
        (queries + keys) * (d_k + d_v) + heads * scores * (1.0 + if_dropped(model.attention_dropout, 2.0))
    };
    // The norm's input, centred under batch normalisation, its output, and the mask.
    let normed = match model.norm_kind {
        NormKind::Layer | NormKind::Rms | NormKind::Batch => 2.0,
        NormKind::None => 1.0,
    };
    let residual = d_model * (normed + if_dropped(model.dropout, 1.0));
    let feed_forward = d_ff * (1.0 + if_dropped(model.activation_dropout, 2.0));
    // With relative positions the queries once more, and the weights summed up by distance.
    let vectors = relative_vectors(model);
    let relative = if vectors > 0.0 { d_k + heads * vectors } else { 0.0 };
    let encoder = attention(sources, sources, pairs * source * source)
        + sources * (2.0 * residual + feed_forward + relative);
    let decoder = attention(targets, targets, pairs * target * target)
        + targets * relative
        + attention(targets, sources, pairs * target * source)
        + targets * (3.0 * residual + feed_forward);
    let embedded = (sources + targets) * d_model * (1.0 + if_dropped(model.dropout, 1.0));
    // Hidden states of the scored positions, and their gradient in pieces and whole.
    model.layers as f64 * (encoder + decoder) + embedded + 3.0 * scored * d_model
}

fn passing(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let longer = source.max(target);
    // Scores, and what positions add to them: of all layers, or of one and looked up from the products with all vectors.
    let (scores, products) = match model.position {
        Position::Alibi | Position::T5 => (4.0, 0.0),
        Position::Relative(_) => (4.0, relative_vectors(model)),
        _ => (3.0, 0.0),
    };
    pairs * longer * (2.0 * (model.d_ff as f64) + 4.0 * model.d_model as f64)
        + model.heads as f64 * pairs * longer * (scores * longer + products)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_model_costs_about_six_operations_a_weight_and_token() {
        let shape = BatchShape { pairs: 1000, source: 25, target: 25, scored: 25_000 };
        let flops = forward(&ModelConfig::default(), 37_000, &shape);
        // Encoder weights meet source tokens; decoder and softmax weights target tokens.
        let weights = 44_140_000.0 + 37_000.0 * 512.0;
        let rule = 6.0 * weights * 25_000.0;
        assert!((flops.training() / rule - 1.0).abs() < 0.03, "{} and {rule}", flops.training());
    }

    #[test]
    fn attention_grows_with_the_square_of_the_lengths_and_nothing_else_does() {
        let config = ModelConfig::default();
        let short = forward(&config, 100, &BatchShape { pairs: 2, source: 10, target: 10, scored: 20 });
        let long = forward(&config, 100, &BatchShape { pairs: 1, source: 20, target: 20, scored: 20 });
        assert_eq!(long.attention, 2.0 * short.attention);
        assert_eq!(ForwardFlops { attention: 0.0, ..long }, ForwardFlops { attention: 0.0, ..short });
    }
}
