//! Convolutional encoders and decoders: gated layers with multi-step attention (ConvS2S), or blocks of ByteNet whose decoder
//! stands on the encoder.
//!
//! Configuration section `[model.convolutional]`, read where `model.encoder` or `model.decoder` is `convolutional`. Shape
//! letters beside the usual ones: I and C width of what a layer reads and gives, K taps of its kernel.

mod attention;
mod decoder;
mod encoder;
mod layer;
mod map;

pub use ablate_trial::model::convolutional::*;
pub use decoder::ConvolutionalDecoder;
pub use encoder::ConvolutionalEncoder;

/// Sums of two vectors of one variance are multiplied by it, so that the variance stays.
///
/// # Source
/// Gehring et al. 2017, §3.5.
const HALF_ROOT: f64 = std::f64::consts::FRAC_1_SQRT_2;
