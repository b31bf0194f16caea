//! The interface of a model for code outside of `model`: [`Network`] to train it, [`Generator`] and [`Stepper`] to
//! decode with it. [`build`] chooses the architecture: an encoder and a decoder, one of them alone, or neither.
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
    /// Returns the parts that every model has; most of the functions below use them.
    fn foundation(&self) -> &Foundation;

    fn weights(&self) -> &Weights {
        &self.foundation().weights
    }

    fn device(&self) -> Device {
        self.foundation().device
    }

    /// Returns the number format of the weights, in which everything except training is computed.
    fn kind(&self) -> Kind {
        self.foundation().kinds.weights
    }

    /// Returns the matrix before the softmax, [V, W].
    fn softmax_matrix(&self) -> &Tensor {
        self.foundation().embeddings.softmax()
    }

    /// Returns the bias of the softmax, [V]; `None` if there is none.
    fn softmax_bias(&self) -> Option<&Tensor> {
        self.foundation().embeddings.softmax_bias()
    }

    /// Returns the embedding matrix of the source, [V, D]; for a model without a source, that of its own tokens.
    fn source_embedding(&self) -> &Tensor {
        self.foundation().embeddings.source_matrix()
    }

    /// Computes the hidden states at `batch.positions`: padding is never projected to the vocabulary.
    ///
    /// # Shapes
    /// → [N, W], in the order of `batch.positions`.
    fn hidden(&self, batch: &Batch, mode: &Mode) -> Tensor;

    /// Computes the same, and the model's scores of the second texts of a batch.
    fn outputs(&self, batch: &Batch, mode: &Mode) -> Outputs {
        Outputs { hidden: self.hidden(batch, mode), second_texts: None }
    }

    /// Computes the scores of every row of the softmax matrix.
    ///
    /// # Shapes
    /// [.., W] → [.., V].
    fn logits(&self, hidden: &Tensor) -> Tensor {
        self.foundation().embeddings.scores(hidden)
    }

    /// Returns the width on which the learning rate depends (§5.3): that of the embeddings, D.
    fn width(&self) -> i64 {
        self.source_embedding().size()[1]
    }

    /// Returns the longest length of a sequence that the model takes, end of sentence included; `None` if unlimited.
    fn longest(&self) -> Option<i64>;

    /// Returns the most tokens that can be written for a source of `source` tokens, ends included in both; `None` if
    /// there is no limit, 0 if the source itself is too long.
    fn room(&self, source: usize) -> Option<usize> {
        let limit = usize::try_from(self.longest()?).unwrap_or(0);
        Some(if source > limit { 0 } else { limit })
    }

    /// Returns the vectors that are added to embeddings at positions 0 to `count` - 1, or as many as there are: [P, D]. They
    /// are those of the source; of the target if a recurrent part reads the source; `None` if positions are not added to
    /// embeddings.
    fn position_table(&self, count: i64) -> Option<Tensor>;

    /// Returns the attention weights when the model reads `source` and predicts the next token at each position of `target`.
    ///
    /// # Shapes
    /// Source ids [1, S] with `</s>`; target ids shifted right [1, T]. A model without an encoder reads both as one text,
    /// [1, S + T], and has only maps of this text to itself; for running text S is 0. A model without a decoder reads only
    /// the source, and T is 0; if the source is two texts, `segments` is 1 in the second text and 0 elsewhere, [1, S].
    fn attention_maps(&self, source: &Tensor, target: &Tensor, segments: Option<&Tensor>) -> AttentionMaps;

    /// The model's interface for decoding; `None` for a model that has no decoder.
    fn generator(&self) -> Option<&dyn Generator> {
        None
    }
}

/// The result of a pass over a batch.
#[derive(Debug)]
pub struct Outputs {
    /// Hidden states of [`Network::hidden`].
    pub hidden: Tensor,
    /// Scores of "it follows" and "it does not" for the second text of each row, [B, 2]; `None` if the model does not
    /// predict this.
    pub second_texts: Option<Tensor>,
}

/// A model that writes a sequence token by token.
pub trait Generator {
    /// Reads the sources and prepares for the first token, without a graph for a backward pass. For running text there
    /// is no source: S is 0, and so are the lengths.
    ///
    /// # Shapes
    /// Source ids [B, S] with each row's length without padding → a stepper of B rows.
    fn start<'a>(&'a self, source: &Tensor, lengths: &[i64]) -> Box<dyn Stepper + 'a>;
}

/// The state of decoding between two tokens. Only the model knows its content.
pub trait Stepper {
    /// Computes the hidden state behind the next token of each row.
    ///
    /// # Shapes
    /// Ids [R, 1] → [R, W].
    fn step(&mut self, ids: &Tensor) -> Tensor;

    /// Keeps the rows with these indices, in this order; an index may occur more than once.
    ///
    /// `same_sources`: the number of rows stays the same, and each new row has the source of the row that it replaces.
    fn select(&mut self, rows: &[i64], same_sources: bool);
}

/// Builds a model with fresh weights drawn from `seed`.
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
