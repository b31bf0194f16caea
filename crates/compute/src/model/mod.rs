//! The Transformer of Vaswani et al. 2017 and its variants, one concept per file.
//!
//! Configuration section `[model]`, whose settings and costs are in `crates/trial`. Shape letters: B batch, S source
//! length, T target length, P positions, N rows of any number (such as the scored tokens of a batch), R rows of a decoding
//! step (unfinished hypotheses), H heads, D d_model, K d_k, E width of the encoder's states, W width of the hidden states
//! before the softmax, V embedding rows.

pub mod attention;
pub mod convolutional;
pub mod decoder;
pub mod decoder_only;
pub mod dropout;
pub mod embedding;
pub mod encoder;
pub mod encoder_decoder;
pub mod encoder_only;
pub mod feed_forward;
pub mod foundation;
pub mod implementations;
pub mod init;
pub mod input;
pub mod keys_and_values;
pub mod kinds;
pub mod linear;
pub mod mask;
pub mod matrix;
pub mod mode;
pub mod network;
pub mod norm;
pub mod parts;
pub mod position;
pub mod recurrent;
pub mod residual;
pub mod statistics;
mod unpack;
pub mod weights;
pub mod word_vectors;

pub use ablate_trial::model::*;
pub use decoder_only::DecoderOnly;
pub use encoder_decoder::EncoderDecoder;
pub use encoder_only::EncoderOnly;
pub use kinds::Kinds;
pub use network::{Generator, Network, Stepper, build};
pub use parts::Encoded;
pub use unpack::PackedRows;
pub use word_vectors::WordVectors;
