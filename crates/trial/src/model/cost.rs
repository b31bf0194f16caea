//! What a model costs, by its configuration alone: trained numbers, operations, and what autograd keeps.
//!
//! Of operations, counted are matrix products alone, a multiplication and its addition as two operations: what torch's
//! `FlopCounterMode` counts. Softmax, norms, dropout, the optimizer and everything else that is done number
//! by number is left out; `scripts/check_flops.py` holds the formulas against torch.

use super::span_work::SpanWork;
use super::{
    Activation, ModelConfig, Norm, NormKind, Position, Projections, Score, Span, Tying, VocabularySizes,
};
use serde::{Deserialize, Serialize};

/// Buckets of T5's distances, each with a trained bias for every head (Raffel et al. 2020, §2.1).
pub const T5_BUCKETS: i64 = 32;

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
        parameters(self.config, self.vocabulary)
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

/// `tests/model_properties.rs` holds the sum against models that are built, for every choice of the settings.
fn parameters(config: &ModelConfig, vocabulary: VocabularySizes) -> u64 {
    let &ModelConfig { d_model, heads, learned_positions, .. } = config;
    let VocabularySizes { source, target } = vocabulary;
    let encoders = i64::from(config.has_encoder());
    let stacks = 1 + encoders;
    let rows = match (config.has_encoder(), config.tying) {
        (true, Tying::All) => config.rows(source.max(target)),
        (true, Tying::Decoder) => config.rows(source) + config.rows(target),
        (true, Tying::None) => config.rows(source) + 2 * config.rows(target),
        (false, Tying::All | Tying::Decoder) => config.rows(target),
        (false, Tying::None) => 2 * config.rows(target),
    };
    let positions = match config.position {
        // A table for each side.
        Position::Learned => stacks * learned_positions,
        Position::Sinusoidal
        | Position::SinusoidalHalves
        | Position::Relative(_)
        | Position::Rotary
        | Position::Alibi
        | Position::T5
        | Position::None => 0,
    };
    // A bias for each bucket and head of the encoder's scores and of the decoder's.
    let biases_of_buckets = if config.position == Position::T5 { stacks * T5_BUCKETS * heads } else { 0 };
    // Of self-attention, in each layer of encoder and decoder: vectors for keys and for values, which the heads share.
    let relative = stacks * relative_vectors(config) as i64 * (config.d_k() + config.d_v());
    let settings = &config.attention;
    let scores = stacks * score_parameters(settings.score, config)
        + encoders * score_parameters(settings.cross_score(), config);
    // Of self-attention in each layer of the encoder: mixtures of keys and of values.
    let mixtures = match settings.span {
        Span::Linformer(count) => 2 * count * learned_positions,
        Span::Full | Span::Local(_) | Span::BigBird { .. } => 0,
    };
    // A layer of a stack has one attention to itself, and one of the decoder, where there is an encoder, one to that.
    let attention = (stacks + encoders) * projection_parameters(config) + scores + encoders * mixtures;
    let feed_forward = match (config.feed_forward, config.inner_width()) {
        (false, _) => 0,
        // The gate is one more matrix of the same shape, with biases of its own.
        (true, width) if config.activation.is_gated() => 3 * d_model * width + 2 * width + d_model,
        (true, width) => 2 * d_model * width + width + d_model,
    };
    let one_norm = match config.norm_kind {
        NormKind::Layer | NormKind::Batch => 2 * d_model,
        NormKind::Rms => d_model,
        NormKind::None => 0,
    };
    let end = match config.norm {
        Norm::Post => 0,
        Norm::Pre => one_norm,
    };
    // Each sub-layer has one.
    let norms = stacks + encoders + if config.feed_forward { stacks } else { 0 };
    let layer = attention + stacks * feed_forward + norms * one_norm + relative;
    ((rows + positions) * d_model + biases_of_buckets + config.layers as i64 * layer + stacks * end) as u64
}

/// Of one attention layer: query, key and value, and the output.
fn projection_parameters(config: &ModelConfig) -> i64 {
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

/// Of the score of one attention layer.
fn score_parameters(score: Score, config: &ModelConfig) -> i64 {
    match score {
        Score::ScaledDot | Score::Dot => 0,
        Score::Additive => config.heads * config.d_k(),
        Score::Multiplicative => config.heads * config.d_k() * config.d_k(),
    }
}

/// Tokens of the sources, of the targets and of the scored positions; without an encoder no source is read.
fn tokens(config: &ModelConfig, shape: &BatchShape) -> [f64; 3] {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    [if config.has_encoder() { pairs * source } else { 0.0 }, pairs * target, scored]
}

fn forward(config: &ModelConfig, rows: i64, shape: &BatchShape) -> ForwardFlops {
    let [sources, targets, scored] = tokens(config, shape);
    let (layers, d_model) = (config.layers as f64, config.d_model as f64);
    let matrices = if config.activation.is_gated() { 3.0 } else { 2.0 };
    let sum = |of: fn(&Attention, &ModelConfig) -> f64| -> f64 {
        attentions(config, shape).iter().map(|attention| of(attention, config)).sum()
    };
    ForwardFlops {
        projections: layers * sum(Attention::projections),
        attention: layers * sum(Attention::products),
        feed_forward: layers * 2.0 * matrices * d_model * config.inner_width() as f64 * (sources + targets),
        logits: 2.0 * d_model * rows as f64 * scored,
    }
}

/// One attention layer at work on a batch.
struct Attention {
    score: Score,
    /// Vectors of relative positions that each query meets.
    vectors: f64,
    /// Positions that attend, and positions attended to, of all rows.
    queries: f64,
    keys: f64,
    /// Of all rows and one head.
    work: SpanWork,
}

/// The attention layers of an encoder layer, if there is one, and a decoder layer.
fn attentions(config: &ModelConfig, shape: &BatchShape) -> Vec<Attention> {
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
    let decoder = itself(target, SpanWork::of_decoder(settings.decoder_span(), target));
    if !config.has_encoder() {
        return vec![decoder];
    }
    let encoder = itself(source, SpanWork::of_encoder(settings.span, source));
    let cross = Attention {
        score: settings.cross_score(),
        vectors: 0.0,
        queries: pairs * target,
        keys: pairs * source,
        work: SpanWork { scores: pairs * target * source, copied: 0.0, mixed: 0.0 },
    };
    vec![encoder, decoder, cross]
}

impl Attention {
    /// Operations: query and output for every position that attends, key and value for every one attended to; products of
    /// queries and of weights with the vectors of relative positions.
    fn projections(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let (query_key, value_output) = match config.attention.projections {
            // One matrix for both is used for both.
            Projections::Separate | Projections::SharedQueryKey => (d_k, d_v),
            Projections::ValuesOnly => (0.0, d_v),
            Projections::None => (0.0, 0.0),
        };
        2.0 * config.d_model as f64 * (query_key + value_output) * (self.queries + self.keys)
            + 2.0 * self.vectors * (d_k + d_v) * self.queries
    }

    /// Operations of scores and means, of mixtures of positions, and of a score's own matrix.
    fn products(&self, config: &ModelConfig) -> f64 {
        let [d_k, d_v] = widths(config);
        let turned = match self.score {
            Score::Multiplicative => 2.0 * d_k * config.d_k() as f64 * self.queries,
            Score::ScaledDot | Score::Dot | Score::Additive => 0.0,
        };
        2.0 * (d_k + d_v) * (self.work.scores + self.work.mixed) + turned
    }

    /// Numbers that autograd keeps: queries, keys, values and mixed values; the weights, and with dropout their mask and
    /// product; what a score computes between queries and keys; with relative positions the queries once more, and the
    /// weights summed up by distance.
    fn kept(&self, config: &ModelConfig) -> f64 {
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

    /// Numbers beside these while the layer computes, forward or backward: scores, what positions add to them (of all
    /// layers, or of one and looked up from the products with all vectors), and sums of queries and keys, or their
    /// gradients.
    fn passing(&self, config: &ModelConfig) -> f64 {
        let of_scores = match config.position {
            Position::Alibi | Position::T5 | Position::Relative(_) => 4.0,
            Position::Sinusoidal
            | Position::SinusoidalHalves
            | Position::Learned
            | Position::Rotary
            | Position::None => 3.0,
        };
        let sums = match self.score {
            Score::Additive => widths(config)[0] * self.work.scores,
            Score::ScaledDot | Score::Dot | Score::Multiplicative => 0.0,
        };
        config.heads as f64 * (of_scores * self.work.scores + self.vectors * self.queries) + sums
    }
}

/// Widths of queries and keys, and of values, of all heads together.
fn widths(config: &ModelConfig) -> [f64; 2] {
    [config.d_k(), config.d_v()].map(|width| (config.heads * width) as f64)
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
    let [sources, targets, scored] = tokens(model, shape);
    let d_model = model.d_model as f64;
    let if_dropped = |rate: f64, count: f64| if rate > 0.0 { count } else { 0.0 };
    // The norm's input, centred under batch normalisation, its output, and the mask.
    let normed = match model.norm_kind {
        NormKind::Layer | NormKind::Rms | NormKind::Batch => 2.0,
        NormKind::None => 1.0,
    };
    let residual = d_model * (normed + if_dropped(model.dropout, 1.0));
    let feed_forward = model.inner_width() as f64
        * (kept_of_activation(model.activation) + if_dropped(model.activation_dropout, 2.0));
    let last_residual = if model.feed_forward { residual } else { 0.0 };
    let attention: f64 = attentions(model, shape).iter().map(|attention| attention.kept(model)).sum();
    let of_attentions = if model.has_encoder() { 2.0 } else { 1.0 };
    let others = sources * (residual + last_residual + feed_forward)
        + targets * (of_attentions * residual + last_residual + feed_forward);
    let embedded = (sources + targets) * d_model * (1.0 + if_dropped(model.dropout, 1.0));
    // Hidden states of the scored positions, and their gradient in pieces and whole.
    model.layers as f64 * (attention + others) + embedded + 3.0 * scored * d_model
}

/// Numbers that autograd keeps for each number of a feed-forward sub-layer's inner width.
fn kept_of_activation(activation: Activation) -> f64 {
    match activation {
        // Its output serves both its own derivative and the next product.
        Activation::Relu => 1.0,
        // Input and output.
        Activation::Gelu | Activation::Swish => 2.0,
        // σ's output, the other factor and their product.
        Activation::Glu => 3.0,
        // Input and output of the activation, the other factor and the product.
        Activation::Swiglu | Activation::Geglu => 4.0,
    }
}

fn passing(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [sources, targets, _] = tokens(model, shape);
    let largest =
        attentions(model, shape).iter().map(|attention| attention.passing(model)).fold(0.0, f64::max);
    sources.max(targets) * (2.0 * (model.inner_width() as f64) + 4.0 * model.d_model as f64) + largest
}

#[cfg(test)]
mod tests {
    use super::super::EncoderKind;
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

    /// L(12 d² + 13 d) + (V + T) d with L 12, d 768, V 40,478 and T 512: the number that Hugging Face's
    /// `OpenAIGPTLMHeadModel` counts for Radford et al. 2018, and the shapes of the released weights add up to.
    #[test]
    fn gpt_has_its_number_of_parameters() {
        let gpt = ModelConfig {
            encoder: EncoderKind::None,
            layers: 12,
            d_model: 768,
            d_ff: 3_072,
            heads: 12,
            position: Position::Learned,
            learned_positions: 512,
            ..Default::default()
        };
        assert_eq!(Cost::of(&gpt, 40_478).parameters(), 116_534_784);
        let untied = ModelConfig { tying: Tying::None, ..gpt.clone() };
        assert_eq!(Cost::of(&untied, 40_478).parameters(), 116_534_784 + 40_478 * 768);
        // Training: 6 · 12 L d² + 12 L n d + 6 V d a token, where attention computes what its mask hides as well.
        let flops = Cost::of(&gpt, 40_478).forward(&BatchShape {
            pairs: 64,
            source: 0,
            target: 512,
            scored: 64 * 512,
        });
        let a_token =
            6.0 * 12.0 * 12.0 * 768.0 * 768.0 + 12.0 * 12.0 * 512.0 * 768.0 + 6.0 * 40_478.0 * 768.0;
        assert_eq!(flops.training(), a_token * 64.0 * 512.0);
    }

    /// What is kept of a batch does not depend on sources that nothing reads.
    #[test]
    fn without_an_encoder_no_source_costs_anything() {
        let config = ModelConfig { encoder: EncoderKind::None, ..Default::default() };
        let cost = Cost::of(&config, 100);
        let [with, without] = [9, 0].map(|source| BatchShape { pairs: 2, source, target: 10, scored: 20 });
        assert_eq!(cost.forward(&with), cost.forward(&without));
        assert_eq!((cost.kept(&with), cost.passing(&with)), (cost.kept(&without), cost.passing(&without)));
        let both = Cost::of(&ModelConfig::default(), 100).kept(&BatchShape { source: 10, ..with });
        assert!(cost.kept(&with) < both / 2.0);
    }

    fn base(activation: Activation) -> ModelConfig {
        ModelConfig { activation, ..Default::default() }
    }

    /// The base model has 2 · 512 · 2048 + 2048 + 512 numbers in each of its twelve sub-layers.
    #[test]
    fn a_gate_keeps_the_number_of_parameters() {
        let parameters = |activation| Cost::of(&base(activation), 1_000).parameters() as i64;
        let plain = parameters(Activation::Relu);
        for activation in [Activation::Gelu, Activation::Swish] {
            assert_eq!(parameters(activation), plain);
        }
        assert_eq!(base(Activation::Swiglu).inner_width(), 1_365);
        for activation in [Activation::Glu, Activation::Swiglu, Activation::Geglu] {
            assert_eq!(parameters(activation) - plain, 12 * 170, "{activation:?}");
        }
        let without = ModelConfig { feed_forward: false, ..Default::default() };
        // The sub-layer's norm is gone as well.
        let sublayer = 2 * 512 * 2_048 + 2_048 + 512 + 2 * 512;
        assert_eq!(plain - Cost::of(&without, 1_000).parameters() as i64, 12 * sublayer);
    }

    #[test]
    fn the_width_behind_a_gate_is_two_thirds_to_the_nearest_integer() {
        for d_ff in 1..200 {
            let gated = ModelConfig { d_ff, ..base(Activation::Geglu) }.inner_width();
            assert!(gated >= 1 && (gated as f64 - 2.0 * d_ff as f64 / 3.0).abs() < 0.5, "{d_ff}: {gated}");
        }
    }
}
