//! What a model costs, by its configuration alone: trained numbers, operations, and what autograd keeps.
//!
//! Of operations, counted are matrix products alone, a multiplication and its addition as two operations: what torch's
//! `FlopCounterMode` counts. Softmax, norms, dropout, the optimizer and everything else that is done number
//! by number is left out; `scripts/check_flops.py` holds the formulas against torch.

use super::encoder_decoder::EncoderDecoder;
use super::recurrent::cost as recurrent;
use super::{DecoderKind, EncoderKind, ModelConfig, VocabularySizes};
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
    /// Queries times keys, and weights times values: what grows with the square of the lengths.
    pub attention: f64,
    pub feed_forward: f64,
    /// Products of the cells of recurrent parts.
    pub recurrent: f64,
    /// Hidden states times the matrix before the softmax.
    pub logits: f64,
}

impl ForwardFlops {
    pub fn total(&self) -> f64 {
        self.projections + self.attention + self.feed_forward + self.recurrent + self.logits
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
        EncoderDecoder::parameters(self.config, self.vocabulary)
    }

    /// Rows of the matrix before the softmax: V.
    pub fn softmax_rows(&self) -> i64 {
        self.config.rows(self.vocabulary.target)
    }

    /// Columns of the matrix before the softmax: W.
    pub fn width(&self) -> i64 {
        self.config.softmax_width()
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
    let encoder = match config.encoder {
        EncoderKind::SelfAttention => encoder_forward(config, shape),
        EncoderKind::Recurrent => recurrent::encoder_forward(config, shape),
    };
    let decoder = match config.decoder {
        DecoderKind::SelfAttention => decoder_forward(config, shape),
        DecoderKind::Recurrent => recurrent::decoder_forward(config, shape),
    };
    let between = match config.decoder {
        DecoderKind::SelfAttention if config.encoder_width() != config.d_model => {
            2.0 * (config.encoder_width() * config.d_model) as f64 * (shape.pairs * shape.source) as f64
        }
        DecoderKind::SelfAttention | DecoderKind::Recurrent => 0.0,
    };
    ForwardFlops {
        projections: encoder.projections + decoder.projections + between,
        attention: encoder.attention + decoder.attention,
        feed_forward: encoder.feed_forward + decoder.feed_forward,
        recurrent: encoder.recurrent + decoder.recurrent,
        logits: 2.0 * config.softmax_width() as f64 * rows as f64 * shape.scored as f64,
    }
}

/// Operations of a stack of self-attention: one position's projections of a query and an output, or of a key and a value;
/// one pair of positions; one position's feed-forward network. Of all layers.
fn of_layers(config: &ModelConfig) -> [f64; 3] {
    let (layers, d_model, d_ff) = (config.layers as f64, config.d_model as f64, config.d_ff as f64);
    // Of all heads together.
    let d_k = (config.heads as f64) * config.d_k() as f64;
    let d_v = (config.heads as f64) * config.d_v() as f64;
    [layers * 2.0 * d_model * (d_k + d_v), layers * 2.0 * (d_k + d_v), layers * 4.0 * d_model * d_ff]
}

fn encoder_forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    let [pairs, source] = [shape.pairs, shape.source].map(|n| n as f64);
    let [projection, pair, feed_forward] = of_layers(config);
    ForwardFlops {
        projections: projection * 2.0 * pairs * source,
        attention: pair * pairs * source * source,
        feed_forward: feed_forward * pairs * source,
        ..Default::default()
    }
}

fn decoder_forward(config: &ModelConfig, shape: &BatchShape) -> ForwardFlops {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let [projection, pair, feed_forward] = of_layers(config);
    ForwardFlops {
        projections: projection * pairs * (3.0 * target + source),
        attention: pair * pairs * target * (target + source),
        feed_forward: feed_forward * pairs * target,
        ..Default::default()
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
    // The norm's input and output, and the mask.
    let residual = d_model * (2.0 + if_dropped(model.dropout, 1.0));
    let feed_forward = d_ff * (1.0 + if_dropped(model.activation_dropout, 2.0));
    let encoder = match model.encoder {
        EncoderKind::SelfAttention => {
            let layer = attention(sources, sources, pairs * source * source)
                + sources * (2.0 * residual + feed_forward);
            model.layers as f64 * layer
        }
        EncoderKind::Recurrent => recurrent::encoder_kept(model, shape),
    };
    let decoder = match model.decoder {
        DecoderKind::SelfAttention => {
            let layer = attention(targets, targets, pairs * target * target)
                + attention(targets, sources, pairs * target * source)
                + targets * (3.0 * residual + feed_forward);
            model.layers as f64 * layer
        }
        DecoderKind::Recurrent => recurrent::decoder_kept(model, shape),
    };
    let embedded = (sources + targets) * d_model * (1.0 + if_dropped(model.dropout, 1.0));
    // Hidden states of the scored positions, and their gradient in pieces and whole.
    encoder + decoder + embedded + 3.0 * scored * model.softmax_width() as f64
}

fn passing(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let longer = source.max(target);
    let self_attention = pairs * longer * (2.0 * (model.d_ff as f64) + 4.0 * model.d_model as f64)
        + 3.0 * model.heads as f64 * pairs * longer * longer;
    let encoder = match model.encoder {
        EncoderKind::SelfAttention => self_attention,
        EncoderKind::Recurrent => recurrent::encoder_passing(model, shape),
    };
    encoder.max(match model.decoder {
        DecoderKind::SelfAttention => self_attention,
        DecoderKind::Recurrent => recurrent::decoder_passing(model, shape),
    })
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
