//! Recurrent encoders and decoders: LSTM and GRU layers, and a decoder's attention to the source.
//!
//! Configuration section `[model.recurrent]`, used if `model.encoder` or `model.decoder` is `recurrent`. Additional
//! shape letters: I width of a layer's input, N `hidden`, E width of the encoder's states, A width of additive
//! attention, W width of a decoder's hidden states.

mod alignment;
mod cell;
mod decoder;
mod dropout;
mod encoder;
mod state;

pub use ablate_trial::model::recurrent::*;
pub use decoder::RecurrentDecoder;
pub use dropout::SequenceDropout;
pub use encoder::RecurrentEncoder;
pub use state::State;
