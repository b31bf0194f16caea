//! Recurrent encoders and decoders: LSTM and GRU layers, and a decoder's attention to the source.
//!
//! Configuration section `[model.recurrent]`, read where `model.encoder` or `model.decoder` is `recurrent`. Shape letters
//! beside the usual ones: I width of a layer's input, N `hidden`, E width of the encoder's states, A width in which
//! attention compares, W width of a decoder's hidden states.

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
