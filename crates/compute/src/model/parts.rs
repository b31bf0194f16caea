//! The two parts of a model, and the interface between them.
//!
//! [`EncoderDecoder`](super::EncoderDecoder) embeds tokens, asks an [`EncoderPart`] for states of the source and a
//! [`DecoderPart`] for the hidden states behind the next tokens. [`DecoderOnly`](super::DecoderOnly) uses only a
//! decoder, [`EncoderOnly`](super::EncoderOnly) only an encoder. Every encoder works with every decoder, so a new kind
//! of part is one file with its implementation and one arm of [`encoder`] or [`decoder`].

use super::convolutional::{ConvolutionalDecoder, ConvolutionalEncoder};
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::mode::Mode;
use super::recurrent::{RecurrentDecoder, RecurrentEncoder, State};
use super::weights::Scope;
use super::{DecoderKind, EncoderKind, ModelConfig};
use std::fmt::Debug;
use tch::{Device, Kind, Tensor};

/// The encoder's result for a batch of sources: all that a decoder sees of them.
#[derive(Debug)]
pub struct Encoded {
    /// States, [B, S, E], or [B, S, D] if a model has mapped them to the decoder's input width.
    pub output: Tensor,
    /// The embedded source, the encoder's input, [B, S, D].
    pub embedded: Tensor,
    /// The mask that is added to attention scores, [B, 1, 1, S]. If rows hold several sentences, it is the encoder's
    /// own mask, of any shape.
    pub mask: Tensor,
    /// Number of real tokens in each source, [B]; empty if rows hold several sentences.
    pub lengths: Vec<i64>,
    /// The last state of each layer of a recurrent encoder; empty for other encoders.
    pub(super) last: Vec<State>,
}

/// The arrangement of sources in the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub enum SourceRows<'a> {
    /// One source in each row, with its length without padding (≥ 1).
    Single(&'a [i64]),
    /// Several sources in a row: the number of each position's sentence, [B, S], from 1; 0 is padding.
    Packed(&'a Tensor),
}

/// The arrangement of targets in the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub enum TargetRows<'a> {
    /// One target in each row.
    Single,
    /// Several targets in a row: the number of each position's sentence in the targets [B, T] and, with an encoder, in
    /// their sources [B, S].
    Packed { sentences: &'a Tensor, sources: Option<&'a Tensor> },
}

/// The rows of a batch at the beginning of decoding.
#[derive(Debug, Clone, Copy)]
pub struct FirstRows<'a> {
    pub count: i64,
    /// The kind of the embedded tokens.
    pub kind: Kind,
    pub device: Device,
    /// The encoder's output, with a source for each row; absent without an encoder.
    pub encoded: Option<&'a Encoded>,
}

impl<'a> FirstRows<'a> {
    /// Returns one row for each source that the encoder has read.
    pub fn of_sources(encoded: &'a Encoded) -> Self {
        let states = &encoded.output;
        let (count, kind, device) = (states.size()[0], states.kind(), states.device());
        FirstRows { count, kind, device, encoded: Some(encoded) }
    }
}

/// The half of a model that reads the source.
pub trait EncoderPart: Debug {
    /// Computes the states of all positions.
    ///
    /// # Shapes
    /// Embedded source [B, S, D] → states [B, S, E].
    fn encode(&self, x: Tensor, rows: SourceRows, mode: &Mode) -> Encoded;

    /// Does the same as [`encode`](Self::encode) for decoding: without dropout, and without a graph if kernels allow it.
    fn read_source(&self, x: Tensor, lengths: &[i64]) -> Encoded {
        self.encode(x, SourceRows::Single(lengths), &Mode::evaluation())
    }

    /// Whether rows may hold several sentences. If not, each sentence gets a row of its own.
    fn takes_packed_rows(&self) -> bool {
        false
    }

    /// Returns the length of the longest source that the encoder takes; `None` if there is no limit.
    fn longest(&self) -> Option<i64> {
        None
    }
}

/// The half of a model that predicts the next token of the target. When it is built, the configuration decides whether
/// there is an encoder: then every call gets the encoder's result, otherwise none does.
pub trait DecoderPart: Debug {
    /// Computes the hidden states of a known target, all positions at once.
    ///
    /// # Shapes
    /// Embedded target shifted right [B, T, D] → [B, T, W].
    fn decode(&self, x: Tensor, rows: TargetRows, encoded: Option<&Encoded>, mode: &Mode) -> Tensor;

    /// Prepares for decoding token by token.
    fn start<'a>(&'a self, rows: FirstRows) -> Box<dyn DecodingState + 'a>;

    /// Sorts the attention weights that a pass of this part has recorded: by default, all of them belong to attention
    /// to the source.
    fn maps(&self, recorded: Vec<Tensor>) -> DecoderMaps {
        DecoderMaps { own: Vec::new(), cross: recorded }
    }

    /// Whether rows may hold several sentences. If not, each sentence gets a row of its own.
    fn takes_packed_rows(&self) -> bool {
        false
    }
}

/// Attention weights of a decoder, layer by layer.
#[derive(Debug, Default)]
pub struct DecoderMaps {
    /// The weights from the target's positions to the target, [B, H, T, T] each.
    pub own: Vec<Tensor>,
    /// The weights from the target's positions to the source, [B, H, T, S] each.
    pub cross: Vec<Tensor>,
}

/// The state that a decoder keeps between two tokens.
pub trait DecodingState {
    /// Returns the number of tokens so far, which is the position of the next one.
    fn length(&self) -> i64;

    /// Computes the hidden state behind the next token of each row.
    ///
    /// # Shapes
    /// Embedded tokens [R, 1, D] → [R, 1, W].
    fn step(&mut self, x: Tensor) -> Tensor;

    /// Keeps the rows with these indices, in this order; an index may occur more than once.
    ///
    /// `same_sources`: the number of rows stays the same, and each new row has the source of the row that it replaces.
    fn select(&mut self, rows: &[i64], same_sources: bool);
}

/// Builds the configuration's encoder, with its weights below `scope`.
///
/// # Panics
/// If the configuration has no encoder.
pub fn encoder(scope: &Scope, config: &ModelConfig) -> Box<dyn EncoderPart> {
    match config.encoder {
        EncoderKind::Convolutional => Box::new(ConvolutionalEncoder::build(scope, config)),
        EncoderKind::SelfAttention => Box::new(Encoder::build(scope, config)),
        EncoderKind::Recurrent => Box::new(RecurrentEncoder::build(scope, config)),
        EncoderKind::None => panic!("a model without an encoder is a DecoderOnly"),
    }
}

/// Builds the configuration's decoder, with its weights below `scope`.
///
/// # Panics
/// If the configuration has no decoder.
pub fn decoder(scope: &Scope, config: &ModelConfig) -> Box<dyn DecoderPart> {
    match config.decoder {
        DecoderKind::Convolutional => Box::new(ConvolutionalDecoder::build(scope, config)),
        DecoderKind::SelfAttention => Box::new(Decoder::build(scope, config)),
        DecoderKind::Recurrent => Box::new(RecurrentDecoder::build(scope, config)),
        DecoderKind::None => panic!("a model without a decoder is an EncoderOnly"),
    }
}
