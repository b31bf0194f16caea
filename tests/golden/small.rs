//! Small texts and models, the same in every call.

use crate::common::data::stored;
use crate::common::variants::{choices, convolutional, has_recurrence};
use ablate::data::store::Store;
use ablate::model::{
    self, ConvolutionalConfig, Initialisation, Kinds, ModelConfig, Network, Norm, Position, RecurrentConfig,
    Tying,
};
use tch::Device;

/// Number of token ids, the three special ones counted.
pub const VOCABULARY: usize = 13;

/// A multiplicative generator of these tests alone: numbers below a bound.
pub fn draws(seed: u64) -> impl FnMut(u64) -> u64 {
    let mut state = seed.wrapping_mul(2) + 1;
    move |below| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    }
}

/// A store of `count` pairs of 1 to `longest` tokens a side; the folder is removed with it.
pub fn store(count: usize, longest: u64, seed: u64) -> (tempfile::TempDir, Store) {
    written(count, seed, |draw| 1 + draw(longest))
}

/// A store of `count` pairs whose sides have as many tokens as `length` draws.
pub fn written(
    count: usize,
    seed: u64,
    length: impl Fn(&mut dyn FnMut(u64) -> u64) -> u64,
) -> (tempfile::TempDir, Store) {
    let mut draw = draws(seed);
    let mut side =
        || -> Vec<u32> { (0..length(&mut draw)).map(|_| 3 + draw(VOCABULARY as u64 - 3) as u32).collect() };
    let pairs: Vec<_> = (0..count).map(|_| (side(), side())).collect();
    stored(VOCABULARY, &pairs)
}

/// Returns a small model with every kind of dropout, models that differ from it, and each choice of `[model]` that none
/// of these makes.
pub fn models() -> Vec<(String, ModelConfig)> {
    let base = ModelConfig {
        layers: 2,
        d_model: 16,
        d_ff: 24,
        heads: 2,
        dropout: 0.1,
        attention_dropout: 0.1,
        activation_dropout: 0.1,
        learned_positions: 24,
        convolutional: ConvolutionalConfig {
            channels: 12,
            encoder_layers: 2,
            decoder_layers: 2,
            ..Default::default()
        },
        recurrent: RecurrentConfig { hidden: 12, ..Default::default() },
        ..Default::default()
    };
    let mut models: Vec<(String, ModelConfig)> = [
        ("post-norm", base.clone()),
        ("pre-norm", ModelConfig { norm: Norm::Pre, ..base.clone() }),
        ("learned positions", ModelConfig { position: Position::Learned, ..base.clone() }),
        ("sines in halves", ModelConfig { position: Position::SinusoidalHalves, ..base.clone() }),
        ("no positions", ModelConfig { position: Position::None, ..base.clone() }),
        ("untied embeddings", ModelConfig { tying: Tying::None, ..base.clone() }),
        ("tied decoder", ModelConfig { tying: Tying::Decoder, ..base.clone() }),
        ("no attention biases", ModelConfig { attention_biases: false, ..base.clone() }),
        ("Glorot for each", ModelConfig { initialisation: Initialisation::Glorot, ..base.clone() }),
        ("three heads of other widths", ModelConfig { heads: 3, d_k: Some(4), d_v: Some(6), ..base.clone() }),
        ("padded embeddings", ModelConfig { embedding_rows: Some(17), ..base.clone() }),
        ("stated deviation of embeddings", ModelConfig { embedding_deviation: Some(0.1), ..base.clone() }),
        ("convolutional", convolutional(&base)),
    ]
    .map(|(name, config)| (name.to_string(), config))
    .into();
    let kinds =
        |config: &ModelConfig| (has_recurrence(config), config.has_convolution(), config.has_decoder());
    for choice in choices() {
        let config = choice.effective_in(&base);
        if !models.iter().any(|(_, made)| kinds(made) == kinds(&config) && choice.is_made_in(made)) {
            models.push((choice.to_string(), config));
        }
    }
    models
}

pub fn build(config: &ModelConfig, seed: u64, kinds: impl Into<Kinds>) -> Box<dyn Network> {
    tch::set_num_threads(1);
    model::build(config, VOCABULARY, seed, kinds, Device::Cpu)
}
