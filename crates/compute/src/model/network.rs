//! What everything outside of `model` sees of a model: [`Network`] to train it, [`Generator`] and [`Stepper`] to decode
//! with it. [`build`] chooses the architecture: an encoder and a decoder, one of them alone, or neither.
//! [`parts`](super::parts) chooses the encoder and the decoder.

use super::attention::maps::AttentionMaps;
use super::decoder_only::DecoderOnly;
use super::encoder_decoder::EncoderDecoder;
use super::encoder_only::EncoderOnly;
use super::foundation::Foundation;
use super::mode::Mode;
use super::weights::Weights;
use super::word_vectors::WordVectors;
use super::{DecoderKind, EncoderKind, Kinds, ModelConfig, VocabularySizes};
use crate::data::collate::Batch;
use std::fmt::Debug;
use tch::{Device, Kind, Tensor};

/// A model in training or in use.
pub trait Network: Debug {
    /// What every model has, whatever its parts: most of the functions below ask it.
    fn foundation(&self) -> &Foundation;

    fn weights(&self) -> &Weights {
        &self.foundation().weights
    }

    fn device(&self) -> Device {
        self.foundation().device
    }

    /// The number format of the weights, in which everything but training computes.
    fn kind(&self) -> Kind {
        self.foundation().kinds.weights
    }

    /// The matrix before the softmax, [V, W].
    fn softmax_matrix(&self) -> &Tensor {
        self.foundation().embeddings.softmax()
    }

    /// The bias that is added to its scores, [V]; `None` if there is none.
    fn softmax_bias(&self) -> Option<&Tensor> {
        self.foundation().embeddings.softmax_bias()
    }

    /// The embedding matrix of the source, [V, D]; of a model that reads no source, that of its own tokens.
    fn source_embedding(&self) -> &Tensor {
        self.foundation().embeddings.source_matrix()
    }

    /// The hidden states at the scored positions of a batch: padding is never projected.
    ///
    /// # Shapes
    /// → [N, W], in the order of `batch.positions`.
    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor;

    /// Gives the same, and what the model tells of the second texts of a batch.
    fn outputs(&self, batch: &Batch, mode: &Mode) -> Outputs {
        Outputs { hidden: self.hidden(batch, mode), second_texts: None }
    }

    /// Scores of every row of the softmax matrix.
    ///
    /// # Shapes
    /// [.., W] → [.., V].
    fn logits(&self, hidden: &Tensor) -> Tensor {
        self.foundation().embeddings.scores(hidden)
    }

    /// The width that the learning rate follows (§5.3): that of the embeddings, D.
    fn width(&self) -> i64 {
        self.source_embedding().size()[1]
    }

    /// The longest sequence that the model takes, end of sentence counted; `None` if there is no limit.
    fn longest(&self) -> Option<i64>;

    /// The most tokens that can be written for a source of `source` tokens, its end counted in both; `None` if there is no
    /// limit, 0 where the source itself is too long.
    fn room(&self, source: usize) -> Option<usize> {
        let limit = usize::try_from(self.longest()?).unwrap_or(0);
        Some(if source > limit { 0 } else { limit })
    }

    /// Returns the vectors that are added to embeddings at positions 0 to `count` - 1, or as many as there are: [P, D]. They
    /// are those of the source; of the target if a recurrent part reads the source; `None` if positions are not added to
    /// embeddings.
    fn position_table(&self, count: i64) -> Option<Tensor>;

    /// The weights with which the model reads `source` and, at each position of `target`, predicts the next token.
    ///
    /// # Shapes
    /// Source ids [1, S] with `</s>`; target ids shifted right [1, T]. A model without an encoder reads both as one text,
    /// [1, S + T], and so has maps of that to itself alone; of running text S is 0. A model without a decoder reads the source
    /// alone, and T is 0; if that is two texts, `segments` is 1 where the second stands and 0 elsewhere, [1, S].
    fn attention_maps(&self, source: &Tensor, target: &Tensor, segments: Option<&Tensor>) -> AttentionMaps;

    /// The model's interface for decoding; `None` for a model that has no decoder.
    fn generator(&self) -> Option<&dyn Generator> {
        None
    }
}

/// What a pass over a batch gives.
#[derive(Debug)]
pub struct Outputs {
    /// As [`Network::hidden`].
    pub hidden: Tensor,
    /// The scores of "it follows" and "it does not" for the second text of each row, [B, 2]; none of a model that does not
    /// tell that.
    pub second_texts: Option<Tensor>,
}

/// A model that writes a sequence token by token.
pub trait Generator {
    /// Reads the sources and gets ready for the first token; nothing is kept for a pass backward. Of running text there are
    /// none: S is 0, and so are the lengths.
    ///
    /// # Shapes
    /// Source ids [B, S] with the real length of each row → a stepper of B rows.
    fn start<'a>(&'a self, source: &Tensor, lengths: &[i64]) -> Box<dyn Stepper + 'a>;
}

/// The state that decoding keeps between two tokens. Only the model knows what it holds.
pub trait Stepper {
    /// The hidden state behind the next token of each row.
    ///
    /// # Shapes
    /// Ids [R, 1] → [R, W].
    fn step(&mut self, ids: &Tensor) -> Tensor;

    /// Keeps the rows that `rows` names, in that order; a row may be named more than once.
    ///
    /// `same_sources`: as many rows as before, and each new row has the same source sentence as the row that it replaces.
    fn select(&mut self, rows: &[i64], same_sources: bool);
}

/// A model with fresh weights drawn from `seed`.
pub fn build(
    config: &ModelConfig,
    vocabulary: impl Into<VocabularySizes>,
    seed: u64,
    kinds: impl Into<Kinds>,
    device: Device,
) -> Box<dyn Network> {
    match (config.encoder, config.decoder) {
        (EncoderKind::None, DecoderKind::None) => {
            Box::new(WordVectors::build(config, vocabulary, seed, kinds, device))
        }
        (EncoderKind::None, _) => Box::new(DecoderOnly::build(config, vocabulary, seed, kinds, device)),
        (_, DecoderKind::None) => Box::new(EncoderOnly::build(config, vocabulary, seed, kinds, device)),
        (EncoderKind::Convolutional | EncoderKind::SelfAttention | EncoderKind::Recurrent, _) => {
            Box::new(EncoderDecoder::build(config, vocabulary, seed, kinds, device))
        }
    }
}
