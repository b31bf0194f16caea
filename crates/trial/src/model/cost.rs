//! The cost of a model, by its configuration alone: parameters, operations, and the numbers that autograd keeps.
//!
//! Only operations of matrix products count, a multiplication and its addition as two operations, as torch's
//! `FlopCounterMode` counts them. Softmax, norms, dropout, the optimizer and all other elementwise operations are left
//! out; `scripts/check_flops.py` compares the formulas with torch.

pub use super::forward_flops::{BatchShape, ForwardFlops};

use super::attention::cost::{
    Attention, attentions, projection_parameters, relative_vectors, score_parameters,
};
use super::convolutional::cost as convolutional;
use super::recurrent::cost as recurrent;
use super::word_cost as words;
use super::{
    Activation, DecoderKind, EncoderKind, ModelConfig, Norm, NormKind, Position, Span, Tying, VocabularySizes,
};

/// Number of buckets of T5's distances, each with a trained bias for every head (Raffel et al. 2020, §2.1).
pub const T5_BUCKETS: i64 = 32;

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

    pub fn vocabulary(&self) -> VocabularySizes {
        self.vocabulary
    }

    /// Number of parameters; shared matrices count once. `tests/models/model_variables.rs` compares the sum with built
    /// models, for every choice of the settings.
    pub fn parameters(&self) -> u64 {
        let config = self.config;
        if config.is_word_vectors() {
            return words::parameters(config, self.vocabulary);
        }
        let d_model = config.d_model;
        let VocabularySizes { source, target } = self.vocabulary;
        let [source_rows, target_rows] = [source, target].map(|size| config.rows(size));
        let shared_rows = config.rows(source.max(target));
        let softmax = target_rows * config.softmax_width();
        let (embeddings, softmax_rows) = match (config.has_both_parts(), config.tying) {
            (true, Tying::All) => (shared_rows * d_model, shared_rows),
            (true, Tying::Decoder) => ((source_rows + target_rows) * d_model, target_rows),
            (true, Tying::None) => ((source_rows + target_rows) * d_model + softmax, target_rows),
            (false, Tying::All | Tying::Decoder) => (target_rows * d_model, target_rows),
            (false, Tying::None) => (target_rows * d_model + softmax, target_rows),
        };
        let bias = if config.softmax_bias { softmax_rows } else { 0 };
        let between = match config.maps_encoder_states() {
            true => config.encoder_width() * d_model + d_model,
            false => 0,
        };
        let [of_encoder, of_decoder] = self_attention_parameters(config);
        let encoder = match config.encoder {
            EncoderKind::Convolutional => {
                convolutional::encoder_parameters(config) + learned_positions(config)
            }
            EncoderKind::SelfAttention => of_encoder,
            EncoderKind::Recurrent => recurrent::encoder_parameters(config),
            EncoderKind::None => 0,
        };
        let decoder = match config.decoder {
            DecoderKind::Convolutional => {
                convolutional::decoder_parameters(config) + learned_positions(config)
            }
            DecoderKind::SelfAttention => of_decoder,
            DecoderKind::Recurrent => recurrent::decoder_parameters(config),
            DecoderKind::None => masked_parameters(config),
        };
        (embeddings + bias + encoder + between + decoder) as u64
    }

    /// Number of rows of the matrix before the softmax: V.
    pub fn softmax_rows(&self) -> i64 {
        self.config.rows(self.vocabulary.target)
    }

    /// Number of columns of the matrix before the softmax: W.
    pub fn width(&self) -> i64 {
        self.config.softmax_width()
    }

    /// Whether hidden states are scored against all rows of the matrix before the softmax.
    pub fn has_softmax(&self) -> bool {
        !self.config.is_word_vectors()
    }

    /// Whether either part is convolutional.
    pub fn has_convolution(&self) -> bool {
        self.config.has_convolution()
    }

    /// Operations of one pass forward of a batch. Padding counts, because it is computed, and so do positions that the
    /// causal mask hides.
    pub fn forward(&self, shape: &BatchShape) -> ForwardFlops {
        let config = self.config;
        if config.is_word_vectors() {
            return words::forward(config, shape);
        }
        let shape = &read(config, shape);
        let [_, of_decoder] = self_attention_forward(config, shape);
        let encoder = self.encoder_forward(shape);
        let decoder = match config.decoder {
            DecoderKind::Convolutional => convolutional::decoder_forward(config, shape),
            DecoderKind::SelfAttention => of_decoder,
            DecoderKind::Recurrent => recurrent::decoder_forward(config, shape),
            DecoderKind::None => ForwardFlops::default(),
        };
        let [pairs, source, scored] = [shape.pairs, shape.source, shape.scored].map(|n| n as f64);
        let between = match config.maps_encoder_states() {
            true => 2.0 * config.encoder_width() as f64 * config.d_model as f64 * pairs * source,
            false => 0.0,
        };
        // For the scored positions alone.
        let transform = match config.has_transform() {
            true => 2.0 * config.encoder_width() as f64 * config.d_model as f64 * scored,
            false => 0.0,
        };
        // For the first token of each row alone.
        let of_next = match config.tells_next_sentence() {
            true => 2.0 * (config.encoder_width() as f64 + 2.0) * config.d_model as f64 * pairs,
            false => 0.0,
        };
        ForwardFlops {
            projections: encoder.projections + decoder.projections + between + transform + of_next,
            attention: encoder.attention + decoder.attention,
            feed_forward: encoder.feed_forward + decoder.feed_forward,
            convolutional: encoder.convolutional + decoder.convolutional,
            recurrent: encoder.recurrent + decoder.recurrent,
            logits: 2.0 * config.softmax_width() as f64 * self.softmax_rows() as f64 * scored,
        }
    }

    /// Operations of one pass forward of the encoder alone.
    pub fn encoder_forward(&self, shape: &BatchShape) -> ForwardFlops {
        let config = self.config;
        let [of_encoder, _] = self_attention_forward(config, shape);
        match config.encoder {
            EncoderKind::Convolutional => convolutional::encoder_forward(config, shape),
            EncoderKind::SelfAttention => of_encoder,
            EncoderKind::Recurrent => recurrent::encoder_forward(config, shape),
            EncoderKind::None => ForwardFlops::default(),
        }
    }

    /// Numbers that autograd keeps for a micro-batch from the pass forward to the pass backward.
    pub fn kept(&self, shape: &BatchShape) -> f64 {
        let model = self.config;
        if model.is_word_vectors() {
            return words::kept(model, shape);
        }
        let shape = &read(model, shape);
        let [pairs, source, target, scored] =
            [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
        let (sources, targets) = (pairs * source, pairs * target);
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
        let [itself, own, cross] = attentions(model, shape);
        let layers = model.layers as f64;
        let encoder = match model.encoder {
            EncoderKind::Convolutional => convolutional::encoder_kept(model, shape),
            EncoderKind::SelfAttention => {
                layers * (itself.kept(model) + sources * (residual + last_residual + feed_forward))
            }
            EncoderKind::Recurrent => recurrent::encoder_kept(model, shape),
            EncoderKind::None => 0.0,
        };
        let decoder = match model.decoder {
            DecoderKind::Convolutional => convolutional::decoder_kept(model, shape),
            DecoderKind::SelfAttention => {
                let of_attentions = if model.has_encoder() { 2.0 } else { 1.0 };
                let others = targets * (of_attentions * residual + last_residual + feed_forward);
                layers * (own.kept(model) + cross.kept(model) + others)
            }
            DecoderKind::Recurrent => recurrent::decoder_kept(model, shape),
            DecoderKind::None => masked_kept(model, shape, normed),
        };
        let embedded = (sources + targets) * d_model * (1.0 + if_dropped(model.dropout, 1.0));
        // Hidden states of the scored positions, and their gradient in pieces and whole.
        encoder + decoder + embedded + 3.0 * scored * model.softmax_width() as f64
    }

    /// Numbers that the largest layer needs in addition to the kept ones, only while it computes.
    pub fn passing(&self, shape: &BatchShape) -> f64 {
        let model = self.config;
        if model.is_word_vectors() {
            return words::passing(model, self.softmax_rows(), shape);
        }
        let shape = &read(model, shape);
        let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
        let longer = source.max(target);
        let others = pairs * longer * (2.0 * (model.inner_width() as f64) + 4.0 * model.d_model as f64);
        let [itself, own, cross] = attentions(model, shape).map(|attention| attention.passing(model));
        let encoder = match model.encoder {
            EncoderKind::Convolutional => convolutional::encoder_passing(model, shape),
            EncoderKind::SelfAttention => others + itself,
            EncoderKind::Recurrent => recurrent::encoder_passing(model, shape),
            EncoderKind::None => 0.0,
        };
        encoder.max(match model.decoder {
            DecoderKind::Convolutional => convolutional::decoder_passing(model, shape),
            DecoderKind::SelfAttention => others + own.max(cross),
            DecoderKind::Recurrent => recurrent::decoder_passing(model, shape),
            DecoderKind::None => 0.0,
        })
    }
}

/// Number of parameters that a model without a decoder has beside its encoder: the table of segments, the norm of the
/// embeddings, the transform before the softmax, and the maps that predict whether one text follows another.
fn masked_parameters(config: &ModelConfig) -> i64 {
    let d_model = config.d_model;
    let norms = [config.normalises_embeddings(), config.has_transform()].into_iter().filter(|has| *has);
    let map = if config.has_transform() { (config.encoder_width() + 1) * d_model } else { 0 };
    // Two linear maps with their biases: to the width of the embeddings, and to the two scores.
    let of_next = if config.tells_next_sentence() {
        (config.encoder_width() + 1) * d_model + 2 * d_model + 2
    } else {
        0
    };
    config.masked.segments * d_model + norms.count() as i64 * norm_parameters(config) + map + of_next
}

/// Number of parameters of one norm.
fn norm_parameters(config: &ModelConfig) -> i64 {
    match config.norm_kind {
        NormKind::Layer | NormKind::Batch => 2 * config.d_model,
        NormKind::Rms => config.d_model,
        NormKind::None => 0,
    }
}

/// Number of parameters of the learned positions on the embeddings of one side.
fn learned_positions(config: &ModelConfig) -> i64 {
    if config.position == Position::Learned { config.learned_positions * config.d_model } else { 0 }
}

/// Number of parameters of a stack of self-attention with its positions: as an encoder, and as a decoder.
fn self_attention_parameters(config: &ModelConfig) -> [i64; 2] {
    let &ModelConfig { d_model, heads, .. } = config;
    let positions = learned_positions(config);
    // A bias for each bucket and head of the scores.
    let biases_of_buckets = if config.position == Position::T5 { T5_BUCKETS * heads } else { 0 };
    // Vectors for keys and for values, shared by the heads, in the self-attention of each layer.
    let relative = relative_vectors(config) as i64 * (config.d_k() + config.d_v());
    let settings = &config.attention;
    let projections = projection_parameters(config);
    let itself = projections + score_parameters(settings.score, config);
    let cross = projections + score_parameters(settings.cross_score(), config);
    // Mixtures of keys and of values in the self-attention of each layer of the encoder.
    let mixtures = match settings.span {
        Span::Linformer(count) => 2 * count * config.learned_positions,
        Span::Full | Span::Local(_) | Span::BigBird { .. } => 0,
    };
    let feed_forward = match (config.feed_forward, config.inner_width()) {
        (false, _) => 0,
        // The gate is one more matrix of the same shape, with biases of its own.
        (true, width) if config.activation.is_gated() => 3 * d_model * width + 2 * width + d_model,
        (true, width) => 2 * d_model * width + width + d_model,
    };
    let one_norm = norm_parameters(config);
    let end = match config.norm {
        Norm::Post => 0,
        Norm::Pre => one_norm,
    };
    // Each sub-layer has one norm. A layer of the encoder has one attention, a layer of the decoder two, or one without
    // an encoder.
    let others = if config.feed_forward { 1 } else { 0 };
    let of_decoder = if config.has_encoder() { (itself + cross, 2) } else { (itself, 1) };
    [(itself + mixtures, 1), of_decoder].map(|(attention, sublayers)| {
        let layer = attention + feed_forward + (sublayers + others) * one_norm + relative;
        positions + biases_of_buckets + config.layers as i64 * layer + end
    })
}

/// The part of a batch that a model reads: no source without an encoder, no target without a decoder.
fn read(config: &ModelConfig, shape: &BatchShape) -> BatchShape {
    BatchShape {
        source: if config.has_encoder() { shape.source } else { 0 },
        target: if config.has_decoder() { shape.target } else { 0 },
        ..*shape
    }
}

/// Operations of one pass forward of a stack of self-attention: as an encoder, and as a decoder.
fn self_attention_forward(config: &ModelConfig, shape: &BatchShape) -> [ForwardFlops; 2] {
    let [pairs, source, target] = [shape.pairs, shape.source, shape.target].map(|n| n as f64);
    let (layers, d_model) = (config.layers as f64, config.d_model as f64);
    let matrices = if config.activation.is_gated() { 3.0 } else { 2.0 };
    let of = |attentions: &[Attention], words: f64| {
        let sum = |of: fn(&Attention, &ModelConfig) -> f64| -> f64 {
            attentions.iter().map(|attention| of(attention, config)).sum()
        };
        ForwardFlops {
            projections: layers * sum(Attention::projections),
            attention: layers * sum(Attention::products),
            feed_forward: layers * 2.0 * matrices * d_model * config.inner_width() as f64 * words,
            ..Default::default()
        }
    };
    let attentions = attentions(config, shape);
    [of(&attentions[..1], pairs * source), of(&attentions[1..], pairs * target)]
}

/// Numbers that autograd keeps of a model without a decoder beyond its encoder: the states of the scored positions; the
/// input, output and normalised output of the transform. A norm keeps `normed` numbers for each that it reads.
fn masked_kept(model: &ModelConfig, shape: &BatchShape, normed: f64) -> f64 {
    let [pairs, source, scored] = [shape.pairs, shape.source, shape.scored].map(|n| n as f64);
    let (sources, d_model) = (pairs * source, model.d_model as f64);
    let transformed = kept_of_activation(model.activation) + normed;
    let of_transform = if model.has_transform() { transformed * d_model } else { 0.0 };
    let of_embeddings = if model.normalises_embeddings() { sources * d_model * normed } else { 0.0 };
    // The state of the first token, the output of tanh, and the probabilities.
    let of_next =
        if model.tells_next_sentence() { model.encoder_width() as f64 + d_model + 2.0 } else { 0.0 };
    scored * (model.encoder_width() as f64 + of_transform) + of_embeddings + pairs * of_next
}

/// Numbers that autograd keeps for each number of a feed-forward sub-layer's inner width.
fn kept_of_activation(activation: Activation) -> f64 {
    match activation {
        // Its output serves both its own derivative and the next product.
        Activation::Relu => 1.0,
        // Input and output.
        Activation::Gelu | Activation::GeluTanh | Activation::Swish => 2.0,
        // σ's output, the other factor and their product.
        Activation::Glu => 3.0,
        // Input and output of the activation, the other factor and the product.
        Activation::Swiglu | Activation::Geglu => 4.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::MaskedConfig;

    #[test]
    fn the_base_model_costs_about_six_operations_a_weight_and_token() {
        let shape = BatchShape { pairs: 1000, source: 25, target: 25, scored: 25_000 };
        let flops = Cost::of(&ModelConfig::default(), 37_000).forward(&shape);
        // Encoder weights meet source tokens; decoder and softmax weights target tokens.
        let weights = 44_140_000.0 + 37_000.0 * 512.0;
        let rule = 6.0 * weights * 25_000.0;
        assert!((flops.training() / rule - 1.0).abs() < 0.03, "{} and {rule}", flops.training());
    }

    #[test]
    fn attention_grows_with_the_square_of_the_lengths_and_nothing_else_does() {
        let config = ModelConfig::default();
        let short =
            Cost::of(&config, 100).forward(&BatchShape { pairs: 2, source: 10, target: 10, scored: 20 });
        let long =
            Cost::of(&config, 100).forward(&BatchShape { pairs: 1, source: 20, target: 20, scored: 20 });
        assert_eq!(long.attention, 2.0 * short.attention);
        assert_eq!(ForwardFlops { attention: 0.0, ..long }, ForwardFlops { attention: 0.0, ..short });
    }

    /// L(12 d² + 13 d) + (V + T) d with L 12, d 768, V 40,478 and T 512: the parameter count of Hugging Face's
    /// `OpenAIGPTLMHeadModel` for Radford et al. 2018, and the sum of the released weights' shapes.
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

    /// The parameter count of Hugging Face's `BertForMaskedLM` with the sizes of Devlin et al. 2019 (BASE): with V
    /// 30,522, T 512 and two segments, L(12 d² + 13 d) + (V + T + 2) d + 2 d, a transform of d² + 3 d, and V biases.
    #[test]
    fn bert_has_its_number_of_parameters() {
        let bert = ModelConfig {
            decoder: DecoderKind::None,
            layers: 12,
            d_model: 768,
            d_ff: 3_072,
            heads: 12,
            position: Position::Learned,
            learned_positions: 512,
            softmax_bias: true,
            ..Default::default()
        };
        assert_eq!(Cost::of(&bert, 30_522).parameters(), 109_514_298);
        // `BertForPreTraining` has a map of the first state and two scores beside it.
        let masked = MaskedConfig { next_sentence: true, ..bert.masked.clone() };
        let telling = ModelConfig { masked, ..bert.clone() };
        assert_eq!(Cost::of(&telling, 30_522).parameters(), 110_106_428);
        // The encoder reads all positions; the transform and the softmax read the predicted ones.
        let shape = BatchShape { pairs: 8, source: 128, target: 0, scored: 8 * 19 };
        let read = 8.0 * 128.0 * (12.0 * 12.0 * 768.0 * 768.0 * 2.0 + 12.0 * 4.0 * 128.0 * 768.0);
        let predicted = 8.0 * 19.0 * 2.0 * (768.0 * 768.0 + 30_522.0 * 768.0);
        assert_eq!(Cost::of(&bert, 30_522).forward(&shape).total(), read + predicted);
    }

    /// The numbers kept for a batch do not depend on sources that nothing reads.
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

    /// The base model has 2 · 512 · 2048 + 2048 + 512 parameters in each of its twelve feed-forward sub-layers.
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
