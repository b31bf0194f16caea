//! Convolutional encoders and decoders: gated layers with multi-step attention (ConvS2S), or ByteNet's blocks, where
//! each position of the decoder reads the encoder's state at its own position.
//!
//! Configuration section `[model.convolutional]`, used if `model.encoder` or `model.decoder` is `convolutional`.
//! Additional shape letters: I and C are the widths of a layer's input and output, K the taps of its kernel.

mod attention;
mod decoder;
mod encoder;
mod layer;
mod map;

pub use ablate_trial::model::convolutional::*;
pub use decoder::ConvolutionalDecoder;
pub use encoder::ConvolutionalEncoder;

/// Factor of the sum of two vectors with equal variance, which keeps the variance.
///
/// # Source
/// Gehring et al. 2017, §3.5.
const HALF_ROOT: f64 = std::f64::consts::FRAC_1_SQRT_2;
