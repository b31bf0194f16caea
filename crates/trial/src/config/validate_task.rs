//! Checks that text and model suit each other, and of settings for running text.

use super::experiment::Experiment;
use super::validate::{Checked, Checks, all};
use crate::data::masking::MaskingConfig;
use crate::data::words::WordsConfig;
use crate::data::{DataConfig, Vocabulary};
use crate::decode::DecodingConfig;
use crate::model::convolutional::LayerShape;
use crate::model::{EncoderKind, ModelConfig, Span, local_sides};
use crate::score::Tokenization;
use crate::train::masked_blocks::around;
use crate::train::{TaskKind, TrainingConfig};

/// Most words on one side of a word, and most noise words of a prediction: far more than any real training uses.
const WIDEST_WINDOW: usize = 1_000;
const MOST_NEGATIVES: usize = 1_000;

impl Checks<'_> {
    /// Running text is for a model without an encoder or without a decoder, sentence pairs for one with a decoder.
    pub(super) fn task(&self, experiment: &Experiment) -> Checked {
        let Experiment { data, model, training, .. } = experiment;
        let name = &data.recipe.name;
        match (experiment.task(), model.has_encoder()) {
            (TaskKind::Translation | TaskKind::Parsing, _) if model.is_word_vectors() => {
                let message = format!(
                    "model.encoder = \"none\" and model.decoder = \"none\" make word vectors, which are trained on running \
                     text, and data.recipe: {name} is a corpus of sentence pairs"
                );
                let help =
                    "choose a recipe of running text (format = \"running\"), or an encoder or a decoder";
                Err(self.mistake("model.decoder", message, help))
            }
            (TaskKind::MaskedLanguageModelling, _) => all([
                self.language_model(data, training),
                self.require(
                    data.max_length >= 2 || !model.tells_next_sentence(),
                    "data.max_length",
                    data.max_length,
                    "2 or more with model.masked.next_sentence = true: a token alone cannot be cut in two texts",
                ),
            ]),
            (TaskKind::WordVectors, _) => all([
                self.language_model(data, training),
                self.require(
                    data.max_length >= 2,
                    "data.max_length",
                    data.max_length,
                    "2 or more: a word alone in its block has no context",
                ),
            ]),
            (TaskKind::Translation | TaskKind::Parsing, true) if !model.has_decoder() => {
                let message = format!(
                    "model.decoder = \"none\" writes no target, and data.recipe: {name} is a corpus of sentence pairs"
                );
                let help = "choose a decoder, or a recipe of running text (format = \"running\"), of which a masked \
                            language model learns to find hidden tokens";
                Err(self.mistake("model.decoder", message, help))
            }
            (TaskKind::Translation, true) => Ok(()),
            (TaskKind::Parsing, true) => self.parser(experiment),
            (TaskKind::Parsing, false) => {
                self.parser(experiment).and_then(|()| self.prefixes(data, training))
            }
            (TaskKind::LanguageModelling, false) => self.language_model(data, training),
            (TaskKind::LanguageModelling, true) => {
                let message = format!(
                    "data.recipe: {name} is running text for a language model, but this model has an encoder and translates"
                );
                let help = "choose a recipe of sentence pairs, or set model.encoder = \"none\", or model.decoder = \"none\" for a \
                            masked language model, or both for word vectors";
                Err(self.mistake("data.recipe", message, help))
            }
            (TaskKind::Translation, false) => self.prefixes(data, training),
        }
    }

    /// Refuses settings that only translations have, for a parser.
    fn parser(&self, experiment: &Experiment) -> Checked {
        let DecodingConfig { length_buckets, tokenize, .. } = &experiment.decoding;
        let refuse = |key: &str, is_stated: bool, what: &str| {
            let recipe = &experiment.data.recipe.name;
            let message = format!("{key} {what}, but data.recipe: {recipe} is of trees, and a parser has F1");
            if is_stated { Err(self.mistake(key, message, "leave it out")) } else { Ok(()) }
        };
        all([
            refuse("decoding.length_buckets", !length_buckets.is_empty(), "states classes of BLEU"),
            refuse("decoding.tokenize", *tokenize != Tokenization::default(), "is for BLEU"),
        ])
    }

    /// Checks the settings of a model without an encoder, which reads the source of a pair before the target.
    fn prefixes(&self, data: &DataConfig, training: &TrainingConfig) -> Checked {
        let refuse = |key: &str, value: String, why: &str| {
            let message = format!(
                "{key} = {value}, but with model.encoder = \"none\" source and target are one text: {why}"
            );
            Err(self.mistake(key, message, "leave it out, or choose an encoder"))
        };
        if data.vocabulary == Vocabulary::Separate {
            return refuse("data.vocabulary", "\"separate\"".into(), "it has one vocabulary");
        }
        match training.packed_length {
            Some(length) => refuse("training.packed_length", length.to_string(), "a row holds one pair"),
            None => Ok(()),
        }
    }

    /// Refuses settings that only sentence pairs have, for a language model.
    fn language_model(&self, data: &DataConfig, training: &TrainingConfig) -> Checked {
        let refuse = |holds: bool, key: &str, value: String, why: &str| {
            if holds {
                return Ok(());
            }
            let message =
                format!("{key} = {value}, but data.recipe: {} is running text: {why}", data.recipe.name);
            Err(self.mistake(key, message, "leave it out"))
        };
        let number = |value: Option<usize>| value.map(|value| value.to_string()).unwrap_or_default();
        all([
            refuse(
                data.vocabulary == Vocabulary::Shared,
                "data.vocabulary",
                "\"separate\"".into(),
                "it has one side alone",
            ),
            refuse(
                data.max_train_length.is_none(),
                "data.max_train_length",
                number(data.max_train_length),
                "its blocks have one length, data.max_length",
            ),
            refuse(
                training.packed_length.is_none(),
                "training.packed_length",
                number(training.packed_length),
                "its blocks fill their rows already",
            ),
            refuse(
                training.dev_bleu_interval_steps == 0,
                "training.dev_bleu_interval_steps",
                training.dev_bleu_interval_steps.to_string(),
                "a language model writes nothing that has a reference; training.dev_interval_steps measures its loss",
            ),
        ])
    }

    /// Checks the shares of tokens and the number of masks.
    pub(super) fn masking(&self, training: &TrainingConfig) -> Checked {
        let MaskingConfig { rate, hidden, random, copies } = training.masking;
        let share = |key: &str, value: f64| {
            let accepted = "a number from 0 to 1";
            self.require((0.0..=1.0).contains(&value), &format!("training.masking.{key}"), value, accepted)
        };
        all([
            self.require(
                rate > 0.0 && rate <= 1.0,
                "training.masking.rate",
                rate,
                "a number above 0, at most 1",
            ),
            share("hidden", hidden),
            share("random", random),
            copies.map_or(Ok(()), |copies| self.at_least_one("training.masking.copies", copies.into())),
        ])?;
        if hidden + random <= 1.0 {
            return Ok(());
        }
        let message = format!(
            "training.masking.hidden = {hidden} and training.masking.random = {random} are more than 1 together"
        );
        Err(self.mistake(
            "training.masking.hidden",
            message,
            "lower one of them; the rest of the tokens stay as they are",
        ))
    }

    /// Checks the numbers of words and how often they are drawn.
    pub(super) fn words(&self, training: &TrainingConfig) -> Checked {
        let WordsConfig { model: _, window, negatives, noise_exponent, subsampling } = training.words;
        all([
            self.one_to("training.words.window", window, WIDEST_WINDOW),
            self.one_to("training.words.negatives", negatives, MOST_NEGATIVES),
            self.require(
                (-1.0..=1.0).contains(&noise_exponent),
                "training.words.noise_exponent",
                noise_exponent,
                "a number from -1 to 1",
            ),
            self.require(
                (0.0..=1.0).contains(&subsampling),
                "training.words.subsampling",
                subsampling,
                "a number from 0 (no word is left out) to 1",
            ),
        ])
    }

    /// Checks that every token that is read of a block of running text has a learned position.
    pub(super) fn blocks(&self, model: &ModelConfig, length: usize) -> Checked {
        let positions = model.learned_positions;
        let around = around(model.tells_next_sentence());
        let needed = length.saturating_add(around);
        if usize::try_from(positions).is_ok_and(|positions| positions >= needed) {
            return Ok(());
        }
        let beside = match around {
            0 => String::new(),
            _ => format!(", around whose two texts model.masked.next_sentence = true puts {around} more"),
        };
        let message = format!(
            "model.learned_positions = {positions} is too few for blocks of data.max_length = {length} tokens{beside}"
        );
        let help = format!("use {needed} or more, or lower data.max_length");
        Err(self.mistake("model.learned_positions", message, help))
    }

    /// Checks that the state of the first token depends on all tokens of a block, if it has to predict the next sentence.
    pub(super) fn second_texts(&self, experiment: &Experiment) -> Checked {
        let Experiment { data, model, .. } = experiment;
        if !model.tells_next_sentence() {
            return Ok(());
        }
        let Some(Reach { layers, tokens, help }) = Reach::of(model) else { return Ok(()) };
        // The tokens of the block, and the end tokens of both texts.
        let length = data.max_length;
        let needed = length.saturating_add(around(true) - 1);
        if usize::try_from(tokens).is_ok_and(|tokens| tokens >= needed) {
            return Ok(());
        }
        let message = format!(
            "model.masked.next_sentence = true tells by the state of the first token whether one text follows another, but \
             with {layers} this state has read the next {tokens} tokens alone, and behind the first token of a block of \
             data.max_length = {length} tokens stand {needed}"
        );
        Err(self.mistake("model.masked.next_sentence", message, help))
    }

    /// Checks that a block fits into a row of a batch.
    pub(super) fn rows_of_blocks(&self, training: &TrainingConfig, data: &DataConfig) -> Checked {
        let (tokens, length) = (training.micro_batch_tokens, data.max_length);
        if tokens >= length {
            return Ok(());
        }
        let message = format!(
            "training.micro_batch_tokens = {tokens} is less than the {length} tokens of a block (data.max_length)"
        );
        let help = format!("use {length} or more, or lower data.max_length");
        Err(self.mistake("training.micro_batch_tokens", message, help))
    }
}

/// The reach of an encoder whose layers see only neighbours.
struct Reach {
    /// The settings that decide the reach, in words.
    layers: String,
    /// Number of tokens after a position that its state depends on, over all layers.
    tokens: i64,
    help: &'static str,
}

impl Reach {
    /// `None` if the first state may depend on any token.
    fn of(model: &ModelConfig) -> Option<Self> {
        match model.encoder {
            EncoderKind::Convolutional => Some(Reach {
                layers: "the kernels of model.encoder = \"convolutional\"".into(),
                tokens: model.convolutional.encoder_shapes().iter().map(LayerShape::behind).sum(),
                help: "use more layers, larger kernels or dilations in model.convolutional, lower data.max_length, or leave \
                       the key out",
            }),
            EncoderKind::SelfAttention => match model.attention.span {
                Span::Local(width) => {
                    let [_, after] = local_sides(width);
                    let layers = i64::try_from(model.layers).unwrap_or(i64::MAX);
                    Some(Reach {
                        layers: format!(
                            "model.attention.span = {{ local = {width} }} in model.layers = {layers} layers"
                        ),
                        tokens: layers.saturating_mul(after),
                        help: "use a wider span or more layers, lower data.max_length, or leave the key out",
                    })
                }
                Span::Full | Span::Linformer(_) | Span::BigBird { .. } => None,
            },
            EncoderKind::Recurrent | EncoderKind::None => None,
        }
    }
}
