//! Settings of recurrent encoders and decoders, which combine freely with the other parts.
//!
//! Configuration section `[model.recurrent]`, read where `model.encoder` or `model.decoder` is `recurrent`. Shape
//! letters beside the usual ones: I width of a layer's input, N `hidden`, E width of the encoder's states, A width in
//! which attention compares, W width of a decoder's hidden states.

pub mod cost;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model.recurrent]` section: recurrent encoders and decoders. The defaults are the baseline of Britz et al. 2017.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RecurrentConfig {
    /// The kind of cell.
    pub cell: Cell,
    /// Width of the state of a layer, of each direction in the encoder.
    pub hidden: i64,
    /// Number of layers of a recurrent encoder.
    pub encoder_layers: usize,
    /// Number of layers of a recurrent decoder.
    pub decoder_layers: usize,
    /// Which layers of the encoder read the source in both directions; their output is both states side by side.
    pub bidirectional: Bidirectional,
    /// Number of the first layer, counted from 1, whose input is added to its output; 2 or more. If absent, none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub residual_from: Option<usize>,
    /// How the decoder compares its state with the states of the source; the softmax of the scores weighs these states,
    /// and their weighted sum is the context.
    pub attention: Alignment,
    /// Width in which additive attention compares. If absent, `hidden`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_width: Option<i64>,
    /// Which state of the decoder asks for the context.
    pub attend: Attend,
    /// Input of the decoder's first layer beside the embedded token.
    pub input_feeding: InputFeeding,
    /// Input of the softmax.
    pub readout: Readout,
    /// How the states of the decoder start.
    pub bridge: Bridge,
    /// Which masks `model.dropout` draws for the embedded tokens and for the inputs of further layers.
    pub dropout_masks: DropoutMasks,
    /// Whether the products with the previous state have biases of their own, as in torch. Papers and TensorFlow have one
    /// bias for both products.
    pub recurrent_biases: bool,
    /// First value of the biases of the forget gates of LSTM cells: 1 in TensorFlow, 0 in torch (Jozefowicz et al. 2015).
    pub forget_bias: f64,
}

/// The kind of cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// Gated recurrent unit (Cho et al. 2014), with the reset gate behind the product as in torch and cuDNN:
    /// n = tanh(W x + r (U h + b)), h' = (1 - z) n + z h.
    Gru,
    /// Long short-term memory (Hochreiter and Schmidhuber 1997; Gers et al. 2000), without peepholes.
    Lstm,
}

/// Which layers of the encoder read in both directions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bidirectional {
    /// Every layer; each reads both directions of the layer below.
    All,
    /// The first one alone (Wu et al. 2016).
    First,
    /// None: the source is read from its first word to its last.
    None,
}

/// How the decoder compares its state s with a state h of the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Alignment {
    /// v · tanh(W s + U h + b) (Bahdanau et al. 2015).
    Additive,
    /// s · h (Luong et al. 2015); both need one width.
    Dot,
    /// s · W h (Luong et al. 2015).
    General,
    /// No attention: the context is the same for all words, the last state of the encoder (Sutskever et al. 2014,
    /// Cho et al. 2014). Of an encoder that is not recurrent, the mean of its states.
    None,
}

/// Which state of the decoder asks for the context.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Attend {
    /// The new state: the context serves the readout of this step and the input of the next one (Luong et al. 2015).
    AfterStep,
    /// The state before the step: the context serves the input and the readout of this step (Bahdanau et al. 2015).
    BeforeStep,
}

/// Input of the decoder's first layer beside the embedded token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum InputFeeding {
    /// Nothing.
    None,
    /// The context; with `attend = "after_step"` that of the previous step, zeros in the first one.
    Context,
    /// The readout of the previous step, zeros in the first one: "input feeding" of Luong et al. 2015.
    Readout,
}

/// Input of the softmax, made of the decoder's state s, the context c and the embedded token y.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Readout {
    /// tanh(W [c; s] + b), d_model wide (Luong et al. 2015).
    Attentional,
    /// [y; c; s], as wide as the three together.
    Concatenated,
    /// s alone.
    State,
}

/// How the states of the decoder start, by the last states of the encoder: of both directions side by side, each where it
/// has read the whole source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Bridge {
    /// Zeros.
    Zeros,
    /// Each layer starts with the last state of the encoder's layer of its number.
    Copy,
    /// Every state is an affine map of the last state of the encoder's last layer. Of an encoder that is not recurrent,
    /// of the mean of its states.
    Linear,
    /// As `linear`, with tanh of the map (Bahdanau et al. 2015).
    Tanh,
}

/// Which masks dropout draws.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DropoutMasks {
    /// A mask for each word (Zaremba et al. 2014).
    PerStep,
    /// One mask for all words of a sentence, "variational dropout" (Gal and Ghahramani 2016), of inputs and not of states.
    PerSequence,
}

impl Default for RecurrentConfig {
    fn default() -> Self {
        RecurrentConfig {
            cell: Cell::Gru,
            hidden: 512,
            encoder_layers: 1,
            decoder_layers: 2,
            bidirectional: Bidirectional::All,
            residual_from: None,
            attention: Alignment::Additive,
            attention_width: None,
            attend: Attend::AfterStep,
            input_feeding: InputFeeding::Context,
            readout: Readout::Attentional,
            bridge: Bridge::Zeros,
            dropout_masks: DropoutMasks::PerStep,
            recurrent_biases: true,
            forget_bias: 1.0,
        }
    }
}

impl Cell {
    /// Number of gates of a cell, the candidate counted.
    pub fn gates(self) -> i64 {
        match self {
            Cell::Gru => 3,
            Cell::Lstm => 4,
        }
    }

    /// Number of vectors that a layer passes from one step to the next.
    pub fn states(self) -> i64 {
        match self {
            Cell::Gru => 1,
            Cell::Lstm => 2,
        }
    }
}

impl RecurrentConfig {
    pub fn attention_width(&self) -> i64 {
        self.attention_width.unwrap_or(self.hidden)
    }

    /// Whether layer `index` of the encoder, from 0, reads in both directions.
    pub fn reads_both_ways(&self, index: usize) -> bool {
        match self.bidirectional {
            Bidirectional::All => true,
            Bidirectional::First => index == 0,
            Bidirectional::None => false,
        }
    }

    /// Width of the input of the encoder's layer `index`, from 0, with embedded tokens `d_model` wide: I.
    pub fn encoder_layer_inputs(&self, index: usize, d_model: i64) -> i64 {
        match index.checked_sub(1) {
            None => d_model,
            Some(below) => self.encoder_layer_width(below),
        }
    }

    /// Width of the output of the encoder's layer `index`, from 0.
    pub fn encoder_layer_width(&self, index: usize) -> i64 {
        if self.reads_both_ways(index) { 2 * self.hidden } else { self.hidden }
    }

    /// Width of the encoder's states: E.
    pub fn encoder_width(&self) -> i64 {
        self.encoder_layer_width(self.encoder_layers.saturating_sub(1))
    }

    /// Whether layer `index`, from 0, adds its input to its output.
    pub fn adds_input(&self, index: usize) -> bool {
        self.residual_from.is_some_and(|first| index + 1 >= first)
    }

    /// Whether any part of the decoder reads the context.
    pub fn reads_context(&self) -> bool {
        self.input_feeding == InputFeeding::Context || self.readout != Readout::State
    }

    /// Whether a step of the decoder needs an output of the previous step in addition to the states of its layers.
    pub fn is_stepwise(&self) -> bool {
        let attends = self.attention != Alignment::None && self.reads_context();
        let feeds_context = attends && self.input_feeding == InputFeeding::Context;
        self.input_feeding == InputFeeding::Readout
            || feeds_context
            || (attends && self.attend == Attend::BeforeStep)
    }

    /// Width of the input of the decoder's layer `index`, from 0: I. Embedded tokens are `d_model` wide, and the encoder's
    /// states `states`.
    pub fn decoder_layer_inputs(&self, index: usize, d_model: i64, states: i64) -> i64 {
        if index > 0 {
            return self.hidden;
        }
        let fed = match self.input_feeding {
            InputFeeding::None => 0,
            InputFeeding::Context => states,
            InputFeeding::Readout => self.readout_width(d_model, states),
        };
        d_model + fed
    }

    /// Width of the first states of all layers of the decoder together, which a trained bridge computes at once.
    pub fn bridge_width(&self) -> i64 {
        self.decoder_layers as i64 * self.cell.states() * self.hidden
    }

    /// Width of a recurrent decoder's hidden states: W. The arguments are those of
    /// [`decoder_layer_inputs`](Self::decoder_layer_inputs).
    pub fn readout_width(&self, d_model: i64, states: i64) -> i64 {
        match self.readout {
            Readout::Attentional => d_model,
            Readout::Concatenated => d_model + states + self.hidden,
            Readout::State => self.hidden,
        }
    }
}
