//! An encoder without a decoder (`model.decoder = "none"`): a masked language model, which predicts hidden tokens of a text
//! from the tokens around them (Devlin et al. 2019, §3.1). It reads only the source of a batch. Section `[model.masked]`.
//!
//! The kinds of encoders: [`super::parts`].

use super::attention::maps::{AttentionMaps, of_one_sentence};
use super::embedding::Embeddings;
use super::feed_forward::activate;
use super::foundation::Foundation;
use super::input::Input;
use super::linear::Linear;
use super::mode::Mode;
use super::network::{Network, Outputs};
use super::norm::Normalisation;
use super::parts::{self, Encoded, EncoderPart, SourceRows};
use super::position::Places;
use super::weights::Scope;
use super::{Activation, Kinds, ModelConfig, NormKind, VocabularySizes, init};
use crate::data::collate::Batch;
use tch::{Device, Kind, Tensor};

/// A model that reads a text and writes no text.
#[derive(Debug)]
pub struct EncoderOnly {
    foundation: Foundation,
    /// The table of segments, [G, D]; absent without segments.
    segments: Option<Tensor>,
    input: Input,
    encoder: Box<dyn EncoderPart>,
    transform: Option<Transform>,
    next_sentence: Option<NextSentence>,
}

impl EncoderOnly {
    /// Builds a model with fresh weights drawn from `seed`; its vocabulary is that of the target.
    pub fn build(
        config: &ModelConfig,
        vocabulary: impl Into<VocabularySizes>,
        seed: u64,
        kinds: impl Into<Kinds>,
        device: Device,
    ) -> Self {
        let kinds = kinds.into();
        let root = Scope::seeded(seed, kinds.weights, device);
        let embeddings = Embeddings::build(&root.child("embedding"), config, vocabulary.into());
        let rows = config.masked.segments;
        let table =
            || root.child("segment").variable("weight", &[rows, config.d_model], init::embedding(config));
        EncoderOnly {
            segments: (rows > 0).then(table),
            input: Input::source(&root, config, kinds, device),
            encoder: parts::encoder(&root.child("encoder"), config),
            transform: config.has_transform().then(|| Transform::build(&root.child("transform"), config)),
            next_sentence: config
                .tells_next_sentence()
                .then(|| NextSentence::build(&root.child("next_sentence"), config)),
            foundation: Foundation::finish(root, embeddings, kinds, device),
        }
    }

    /// Computes the states of a text. `segments` has a row of the table of segments for each token; absent: the first row.
    ///
    /// # Shapes
    /// Ids [B, S] with each row's length without padding (≥ 1), and segments [B, S] → states [B, S, E].
    pub fn encode(&self, ids: &Tensor, lengths: &[i64], segments: Option<&Tensor>, mode: &Mode) -> Encoded {
        let embedded = self.foundation.embeddings.source(ids);
        let x = match (&self.segments, segments) {
            (Some(table), Some(segments)) => {
                // A table of one row gives both texts the same.
                let rows = segments.clamp_max(table.size()[0] - 1);
                embedded + Tensor::embedding(table, &rows, -1, false, false)
            }
            (Some(table), None) => embedded + table.get(0),
            (None, _) => embedded,
        };
        let x = self.input.forward(ids, x, Places::From(0), mode);
        self.encoder.encode(x, SourceRows::Single(lengths), mode)
    }
}

impl Network for EncoderOnly {
    fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor {
        self.outputs(batch, mode).hidden
    }

    /// Computes the transform only at the positions to predict.
    fn outputs(&self, batch: &Batch, mode: &Mode) -> Outputs {
        let segments = batch.second_texts.as_ref().map(|texts| &texts.segments);
        let states = self.encode(&batch.source, &batch.source_lengths, segments, mode).output;
        let scored = states.flatten(0, 1).index_select(0, &batch.positions);
        Outputs {
            hidden: match &self.transform {
                Some(transform) => transform.forward(&scored, mode),
                None => scored,
            },
            second_texts: self.next_sentence.as_ref().map(|next| next.forward(&states)),
        }
    }

    fn longest(&self) -> Option<i64> {
        self.input.position.limit().into_iter().chain(self.encoder.longest()).min()
    }

    fn position_table(&self, count: i64) -> Option<Tensor> {
        self.input.table(count)
    }

    /// Returns the attention of the text to itself; ignores `target`.
    fn attention_maps(&self, source: &Tensor, _target: &Tensor, segments: Option<&Tensor>) -> AttentionMaps {
        let mode = Mode::recording_attention();
        tch::no_grad(|| _ = self.encode(source, &[source.size()[1]], segments, &mode));
        AttentionMaps { encoder: of_one_sentence(mode.into_attention()), ..Default::default() }
    }
}

/// The layer before the softmax with `model.masked.head = "transform"`: norm(f(x W + b)).
///
/// # Source
/// `get_masked_lm_output` of the released code of BERT (Devlin et al. 2019).
#[derive(Debug)]
struct Transform {
    linear: Linear,
    activation: Activation,
    norm: Normalisation,
    norms_over_batch: bool,
}

impl Transform {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (inputs, outputs) = (config.encoder_width(), config.d_model);
        Transform {
            linear: Linear::build(scope, inputs, outputs, init::matrix(config, inputs, outputs), true),
            activation: config.activation,
            norm: Normalisation::build(&scope.child("norm"), config),
            norms_over_batch: config.norm_kind == NormKind::Batch,
        }
    }

    /// # Shapes
    /// [N, E] → [N, D].
    fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        if self.norms_over_batch && mode.is_training() {
            // Every position to predict is a real token.
            mode.enter_stack(Tensor::ones([x.size()[0]], (Kind::Bool, x.device())));
        }
        self.norm.forward(&activate(self.activation, &self.linear.forward(x)), mode)
    }
}

/// The head of next-sentence prediction: from the state x of the first token it computes two scores, tanh(x W + b) V +
/// c, for whether the second text of a row follows the first.
///
/// # Source
/// `pooler` and `get_next_sentence_output` of the released code of BERT (Devlin et al. 2019).
#[derive(Debug)]
struct NextSentence {
    pooler: Linear,
    scores: Linear,
}

impl NextSentence {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let map = |name: &str, inputs, outputs| {
            Linear::build(&scope.child(name), inputs, outputs, init::matrix(config, inputs, outputs), true)
        };
        NextSentence {
            pooler: map("pooler", config.encoder_width(), config.d_model),
            scores: map("scores", config.d_model, 2),
        }
    }

    /// # Shapes
    /// States [B, S, E] → [B, 2], the score of "it follows" first.
    fn forward(&self, states: &Tensor) -> Tensor {
        self.scores.forward(&self.pooler.forward(&states.select(1, 0)).tanh())
    }
}
