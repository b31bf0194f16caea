//! What a model costs, by its configuration alone: trained numbers, operations, and what autograd keeps.
//!
//! Of operations, counted are matrix products alone, a multiplication and its addition as two operations: what torch's
//! `FlopCounterMode` counts. Softmax, norms, dropout, the optimizer and everything else that is done number
//! by number is left out; `scripts/check_flops.py` holds the formulas against torch.

use super::attention::span::{BigBird, Local};
use super::init::Attends;
use super::transformer::Transformer;
use super::{CausalSpan, ModelConfig, Projections, Score, Span, VocabularySizes};
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
    /// Queries, keys, values and outputs of all attention layers.
    pub projections: f64,
    /// Queries times keys, and weights times values: what grows with the square of the lengths. With it, what a score
    /// multiplies by a matrix of its own.
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
    let sum = |of: fn(&Attention, &ModelConfig) -> f64| -> f64 {
        attentions(config, shape).iter().map(|attention| of(attention, config)).sum()
    };
    ForwardFlops {
        projections: layers * sum(Attention::projections),
        attention: layers * sum(Attention::products),
        feed_forward: layers * 4.0 * d_model * d_ff * (sources + targets),
        logits: 2.0 * d_model * rows as f64 * scored,
    }
}

/// One attention layer at work on a batch.
struct Attention {
    attends: Attends,
    /// Positions that attend, and positions attended to, of all rows.
    queries: f64,
    keys: f64,
    /// Scores of one head.
    scores: f64,
    /// Positions whose keys and values are copied for blocks that see them, or mixtures and what they are made of.
    copied: f64,
    /// Positions times mixtures of them.
    mixed: f64,
}

/// The attention layers of an encoder layer and a decoder layer.
fn attentions(config: &ModelConfig, shape: &BatchShape) -> [Attention; 3] {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let all = |queries, keys| Attention {
        attends: Attends::Itself,
        queries: pairs * queries,
        keys: pairs * keys,
        scores: pairs * queries * keys,
        copied: 0.0,
        mixed: 0.0,
    };
    let local = |width, length| Attention {
        scores: pairs * Local::scores(width, length),
        copied: pairs * Local::keys(width, length),
        ..all(length, length)
    };
    let encoder = match config.attention.span {
        Span::Full => all(source, source),
        Span::Local(width) => local(width, source),
        Span::Linformer(count) => Attention {
            scores: pairs * source * count as f64,
            copied: pairs * (source + count as f64),
            mixed: pairs * source * count as f64,
            ..all(source, source)
        },
        Span::BigBird { block, random, global } => Attention {
            scores: pairs * BigBird::scores(block, random, global, source),
            copied: pairs * BigBird::keys(block, random, global, source),
            ..all(source, source)
        },
    };
    let decoder = match config.attention.decoder_span() {
        CausalSpan::Full => all(target, target),
        CausalSpan::Local(width) => local(width, target),
    };
    [encoder, decoder, Attention { attends: Attends::Encoder, ..all(target, source) }]
}

impl Attention {
    fn score(&self, config: &ModelConfig) -> Score {
        match self.attends {
            Attends::Itself => config.attention.score,
            Attends::Encoder => config.attention.cross_score(),
        }
    }

    /// Operations: query and output for every position that attends, key and value for every one attended to.
    fn projections(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let (query_key, value_output) = match config.attention.projections {
            // One matrix for both is used for both.
            Projections::Separate | Projections::SharedQueryKey => (d_k, d_v),
            Projections::ValuesOnly => (0.0, d_v),
            Projections::None => (0.0, 0.0),
        };
        2.0 * config.d_model as f64 * (query_key + value_output) * (self.queries + self.keys)
    }

    /// Operations of scores and means, of mixtures of positions, and of a score's own matrix.
    fn products(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let turned = match self.score(config) {
            Score::Multiplicative => 2.0 * d_k * config.d_k() as f64 * self.queries,
            Score::ScaledDot | Score::Dot | Score::Additive => 0.0,
        };
        2.0 * (d_k + d_v) * (self.scores + self.mixed) + turned
    }

    /// Numbers that autograd keeps: queries, keys, values and mixed values; the weights, and with dropout their mask and
    /// product; what a score computes between queries and keys.
    fn kept(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let dropped = if config.attention_dropout > 0.0 { 2.0 } else { 0.0 };
        let hidden = match self.score(config) {
            Score::Additive => d_k * self.scores,
            Score::Multiplicative => d_k * self.queries,
            Score::ScaledDot | Score::Dot => 0.0,
        };
        (self.queries + self.keys + self.copied) * (d_k + d_v)
            + config.heads as f64 * self.scores * (1.0 + dropped)
            + hidden
    }

    /// Numbers beside these while the layer computes, forward or backward: sums of queries and keys, or their gradients.
    fn passing(&self, config: &ModelConfig) -> f64 {
        match self.score(config) {
            Score::Additive => widths(config)[0] * self.scores,
            Score::ScaledDot | Score::Dot | Score::Multiplicative => 0.0,
        }
    }
}

/// Widths of queries and keys, and of values, of all heads together.
fn widths(config: &ModelConfig) -> [f64; 2] {
    [config.d_k(), config.d_v()].map(|width| (config.heads * width) as f64)
}

fn kept(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let (d_model, d_ff) = (model.d_model as f64, model.d_ff as f64);
    let if_dropped = |rate: f64, count: f64| if rate > 0.0 { count } else { 0.0 };
    // The norm's input and output, and the mask.
    let residual = d_model * (2.0 + if_dropped(model.dropout, 1.0));
    let feed_forward = d_ff * (1.0 + if_dropped(model.activation_dropout, 2.0));
    let attention: f64 = attentions(model, shape).iter().map(|attention| attention.kept(model)).sum();
    let others = sources * (2.0 * residual + feed_forward) + targets * (3.0 * residual + feed_forward);
    let embedded = (sources + targets) * d_model * (1.0 + if_dropped(model.dropout, 1.0));
    // Hidden states of the scored positions, and their gradient in pieces and whole.
    model.layers as f64 * (attention + others) + embedded + 3.0 * scored * d_model
}

fn passing(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let longer = source.max(target);
    let largest =
        |of: &dyn Fn(&Attention) -> f64| attentions(model, shape).iter().map(of).fold(0.0, f64::max);
    pairs * longer * (2.0 * (model.d_ff as f64) + 4.0 * model.d_model as f64)
        + 3.0 * model.heads as f64 * largest(&|attention| attention.scores)
        + largest(&|attention| attention.passing(model))
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
