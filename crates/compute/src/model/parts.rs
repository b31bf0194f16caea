//! The two parts of which a model is assembled, and what one sees of the other.
//!
//! [`EncoderDecoder`](super::EncoderDecoder) embeds tokens, asks an [`EncoderPart`] for states of the source and a
//! [`DecoderPart`] for the hidden states behind the next tokens; [`DecoderOnly`](super::DecoderOnly) asks a decoder alone,
//! [`EncoderOnly`](super::EncoderOnly) an encoder alone.
//! Every encoder works with every decoder, so a new kind of part is a file with its implementation and an arm of
//! [`encoder`] or [`decoder`].

use super::convolutional::{ConvolutionalDecoder, ConvolutionalEncoder};
use super::decoder::Decoder;
use super::encoder::Encoder;
use super::mode::Mode;
use super::recurrent::{RecurrentDecoder, RecurrentEncoder, State};
use super::weights::Scope;
use super::{DecoderKind, EncoderKind, ModelConfig};
use std::fmt::Debug;
use tch::{Device, Kind, Tensor};

/// The encoder's view of a batch of sources: all that a decoder sees of them.
#[derive(Debug)]
pub struct Encoded {
    /// States, [B, S, E]; [B, S, D] where a model has mapped them to the width that its decoder reads.
    pub output: Tensor,
    /// The embedded source, which the encoder has read, [B, S, D].
    pub embedded: Tensor,
    /// The mask that is added to attention scores, [B, 1, 1, S]. Where rows hold several sentences, it is the encoder's
    /// own, of any shape.
    pub mask: Tensor,
    /// Real tokens of each source, [B]; empty where rows hold several sentences.
    pub lengths: Vec<i64>,
    /// The last state of each layer of a recurrent encoder; none of others.
    pub(super) last: Vec<State>,
}

/// How sources stand in the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub enum SourceRows<'a> {
    /// One in each row, with its real length (≥ 1).
    Single(&'a [i64]),
    /// Several in a row: the numbers of the sentences, [B, S], from 1; 0 is padding.
    Packed(&'a Tensor),
}

/// How targets stand in the rows of a batch.
#[derive(Debug, Clone, Copy)]
pub enum TargetRows<'a> {
    /// One in each row.
    Single,
    /// Several in a row: the numbers of the sentences of the targets [B, T] and, where there is an encoder, of their
    /// sources [B, S].
    Packed { sentences: &'a Tensor, sources: Option<&'a Tensor> },
}

/// What the rows of a batch are when decoding begins.
#[derive(Debug, Clone, Copy)]
pub struct FirstRows<'a> {
    pub count: i64,
    /// The kind of the embedded tokens.
    pub kind: Kind,
    pub device: Device,
    /// The encoder's output, with a source for each row; it is absent where there is no encoder.
    pub encoded: Option<&'a Encoded>,
}

impl<'a> FirstRows<'a> {
    /// Returns a row for each source that the encoder has read.
    pub fn of_sources(encoded: &'a Encoded) -> Self {
        let states = &encoded.output;
        let (count, kind, device) = (states.size()[0], states.kind(), states.device());
        FirstRows { count, kind, device, encoded: Some(encoded) }
    }
}

/// The half of a model that reads the source.
pub trait EncoderPart: Debug {
    /// The states of all positions.
    ///
    /// # Shapes
    /// Embedded source [B, S, D] → states [B, S, E].
    fn encode(&self, x: Tensor, rows: SourceRows, mode: &Mode) -> Encoded;

    /// [`encode`](Self::encode) for decoding: without dropout, and by kernels that keep no graph where there are any.
    fn read_source(&self, x: Tensor, lengths: &[i64]) -> Encoded {
        self.encode(x, SourceRows::Single(lengths), &Mode::evaluation())
    }

    /// Whether rows may hold several sentences. If not, each sentence gets a row of its own.
    fn takes_packed_rows(&self) -> bool {
        false
    }

    /// The longest source that the encoder takes; none: any.
    fn longest(&self) -> Option<i64> {
        None
    }
}

/// The half of a model that says what comes next in the target. Whether there is an encoder is decided when it is built:
/// it is then given what that has read in every call, or in none.
pub trait DecoderPart: Debug {
    /// The hidden states of a known target, all positions at once.
    ///
    /// # Shapes
    /// Embedded target shifted right [B, T, D] → [B, T, W].
    fn decode(&self, x: Tensor, rows: TargetRows, encoded: Option<&Encoded>, mode: &Mode) -> Tensor;

    /// Gets ready for decoding token by token.
    fn start<'a>(&'a self, rows: FirstRows) -> Box<dyn DecodingState + 'a>;

    /// The attention weights that a pass of this part has recorded, by what they attend to: unless a part says otherwise,
    /// all of them attend to the source.
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
    /// Number of tokens so far, which is the position of the next one.
    fn length(&self) -> i64;

    /// The hidden state behind the next token of each row.
    ///
    /// # Shapes
    /// Embedded tokens [R, 1, D] → [R, 1, W].
    fn step(&mut self, x: Tensor) -> Tensor;

    /// Keeps the rows that `rows` names, in that order; a row may be named more than once.
    ///
    /// `same_sources`: as many rows as before, and each has the source of the one whose place it takes.
    fn select(&mut self, rows: &[i64], same_sources: bool);
}

/// The encoder that the configuration chooses, its weights below `scope`.
///
/// # Panics
/// If it chooses none.
pub fn encoder(scope: &Scope, config: &ModelConfig) -> Box<dyn EncoderPart> {
    match config.encoder {
        EncoderKind::Convolutional => Box::new(ConvolutionalEncoder::build(scope, config)),
        EncoderKind::SelfAttention => Box::new(Encoder::build(scope, config)),
        EncoderKind::Recurrent => Box::new(RecurrentEncoder::build(scope, config)),
        EncoderKind::None => panic!("a model without an encoder is a DecoderOnly"),
    }
}

/// The decoder that the configuration chooses, its weights below `scope`.
///
/// # Panics
/// If it chooses none.
pub fn decoder(scope: &Scope, config: &ModelConfig) -> Box<dyn DecoderPart> {
    match config.decoder {
        DecoderKind::Convolutional => Box::new(ConvolutionalDecoder::build(scope, config)),
        DecoderKind::SelfAttention => Box::new(Decoder::build(scope, config)),
        DecoderKind::Recurrent => Box::new(RecurrentDecoder::build(scope, config)),
        DecoderKind::None => panic!("a model without a decoder is an EncoderOnly"),
    }
}
