//! The cost of an attention layer: parameters, operations, and the numbers that autograd keeps.

use super::{Projections, Score};
use crate::model::forward_flops::BatchShape;
use crate::model::span_work::SpanWork;
use crate::model::{ModelConfig, Position};

/// Number of parameters in the projections of one attention layer: query, key, value and output.
pub fn projection_parameters(config: &ModelConfig) -> i64 {
    let (d_model, d_k, d_v) = (config.d_model, config.heads * config.d_k(), config.heads * config.d_v());
    let (query_and_key, value, output) = match config.attention.projections {
        Projections::Separate => (2 * d_k, d_v, d_model),
        Projections::SharedQueryKey => (d_k, d_v, d_model),
        Projections::ValuesOnly => (0, d_v, d_model),
        Projections::None => return 0,
    };
    let biases = if config.attention_biases { query_and_key + value + output } else { 0 };
    d_model * (query_and_key + 2 * value) + biases
}

/// Number of parameters in the score of one attention layer.
pub fn score_parameters(score: Score, config: &ModelConfig) -> i64 {
    match score {
        Score::ScaledDot | Score::Dot => 0,
        Score::Additive => config.heads * config.d_k(),
        Score::Multiplicative => config.heads * config.d_k() * config.d_k(),
    }
}

/// The work of one attention layer on a batch.
pub struct Attention {
    score: Score,
    /// Number of vectors of relative positions that each query meets.
    vectors: f64,
    /// Numbers of positions that attend, and of positions attended to, in all rows.
    queries: f64,
    keys: f64,
    /// The work of all rows for one head.
    work: SpanWork,
}

/// The attention layers of an encoder layer and a decoder layer: the encoder's self-attention, the decoder's
/// self-attention, and attention to the source, which does nothing without an encoder.
pub fn attentions(config: &ModelConfig, shape: &BatchShape) -> [Attention; 3] {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let settings = &config.attention;
    let itself = |length: f64, work: SpanWork| Attention {
        score: settings.score,
        vectors: relative_vectors(config),
        queries: pairs * length,
        keys: pairs * length,
        work: SpanWork {
            scores: pairs * work.scores,
            copied: pairs * work.copied,
            mixed: pairs * work.mixed,
        },
    };
    let cross = Attention {
        score: settings.cross_score(),
        vectors: 0.0,
        queries: if config.has_encoder() { pairs * target } else { 0.0 },
        keys: pairs * source,
        work: SpanWork { scores: pairs * target * source, copied: 0.0, mixed: 0.0 },
    };
    let encoder = SpanWork::of_encoder(settings.span, source);
    let decoder = SpanWork::of_decoder(settings.decoder_span(), target);
    [itself(source, encoder), itself(target, decoder), cross]
}

impl Attention {
    /// Operations of the projections: query and output for every position that attends, key and value for every
    /// position attended to; and products of queries and of weights with the vectors of relative positions.
    pub fn projections(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let (query_key, value_output) = match config.attention.projections {
            // A matrix that queries and keys share is used for both.
            Projections::Separate | Projections::SharedQueryKey => (d_k, d_v),
            Projections::ValuesOnly => (0.0, d_v),
            Projections::None => (0.0, 0.0),
        };
        2.0 * config.d_model as f64 * (query_key + value_output) * (self.queries + self.keys)
            + 2.0 * self.vectors * (d_k + d_v) * self.queries
    }

    /// Operations of scores and means, of mixtures of positions, and of a score's own matrix.
    pub fn products(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let turned = match self.score {
            Score::Multiplicative => 2.0 * d_k * config.d_k() as f64 * self.queries,
            Score::ScaledDot | Score::Dot | Score::Additive => 0.0,
        };
        2.0 * (d_k + d_v) * (self.work.scores + self.work.mixed) + turned
    }

    /// Numbers that autograd keeps: queries, keys, values and mixed values; the weights, and with dropout their mask
    /// and product; intermediate values of the score between queries and keys; with relative positions the queries once
    /// more, and the weights summed up by distance.
    pub fn kept(&self, config: &ModelConfig) -> f64 {
        let ([d_k, d_v], heads) = (widths(config), config.heads as f64);
        let dropped = if config.attention_dropout > 0.0 { 2.0 } else { 0.0 };
        let hidden = match self.score {
            Score::Additive => d_k * self.work.scores,
            Score::Multiplicative => d_k * self.queries,
            Score::ScaledDot | Score::Dot => 0.0,
        };
        let relative = if self.vectors > 0.0 { d_k + heads * self.vectors } else { 0.0 };
        (self.queries + self.keys + self.work.copied) * (d_k + d_v)
            + heads * self.work.scores * (1.0 + dropped)
            + hidden
            + relative * self.queries
    }

    /// Numbers in addition to the kept ones while the layer computes, forward or backward: scores, the terms that
    /// positions add to them (of all layers, or of one layer and looked up from the products with all vectors), and for
    /// additive scores the gradients after and before tanh.
    pub fn passing(&self, config: &ModelConfig) -> f64 {
        let of_scores = match config.position {
            Position::Alibi | Position::T5 | Position::Relative(_) => 4.0,
            Position::Sinusoidal
            | Position::SinusoidalHalves
            | Position::Learned
            | Position::Rotary
            | Position::None => 3.0,
        };
        let of_tanh = match self.score {
            Score::Additive => 2.0 * widths(config)[0] * self.work.scores,
            Score::ScaledDot | Score::Dot | Score::Multiplicative => 0.0,
        };
        config.heads as f64 * (of_scores * self.work.scores + self.vectors * self.queries) + of_tanh
    }
}

/// Widths of queries and keys, and of values, of all heads together.
fn widths(config: &ModelConfig) -> [f64; 2] {
    [config.d_k(), config.d_v()].map(|width| (config.heads * width) as f64)
}

/// Number of vectors of relative positions that every query of self-attention meets: 2k + 1, or 0.
pub fn relative_vectors(config: &ModelConfig) -> f64 {
    match config.position {
        Position::Relative(furthest) => 2.0 * furthest as f64 + 1.0,
        _ => 0.0,
    }
}
