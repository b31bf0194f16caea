//! The Transformer of Vaswani et al. 2017 and its variants, one concept a file.
//!
//! Configuration section `[model]`. Shape letters: B batch, S source length, T target
//! length, H heads, D d_model, K d_k, V embedding rows.

pub mod attention;
pub mod attention_map;
mod cache;
pub mod cost;
pub mod decoder;
pub mod dropout;
pub mod embedding;
pub mod encoder;
pub mod feed_forward;
pub mod fused_attention;
pub mod implementations;
pub mod init;
pub mod kinds;
pub mod linear;
pub mod mask;
pub mod mode;
pub mod network;
pub mod norm;
pub mod position;
pub mod residual;
pub mod transformer;
pub mod weights;

pub use kinds::Kinds;
pub use network::{Generator, Network, Stepper, build};
pub use transformer::{Encoded, PackedRows, Transformer};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model]` section. The defaults are the paper's base model (§3, Table 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Layers of the encoder, and of the decoder: the paper's N.
    pub layers: usize,
    /// Width of the residual stream.
    pub d_model: i64,
    /// Width of the feed-forward layers inside.
    pub d_ff: i64,
    /// Attention heads: the paper's h.
    pub heads: i64,
    /// Width of a head's queries and keys; absent: d_model / heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_k: Option<i64>,
    /// Width of a head's values; absent: d_model / heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_v: Option<i64>,
    /// Dropout on sub-layer outputs and on the sums of embeddings and positions: P_drop (§5.4).
    pub dropout: f64,
    /// Dropout on attention weights. The paper lists none; tensor2tensor added 0.1 later.
    pub attention_dropout: f64,
    /// Dropout after the feed-forward activation. As for attention weights.
    pub activation_dropout: f64,
    /// How word order enters (§3.5).
    pub position: Position,
    /// Rows of each learned position table; unused by other encodings.
    pub learned_positions: i64,
    /// Which of the matrices of embeddings and softmax are one (§3.4).
    pub tying: Tying,
    /// Where normalisation stands (§3.1).
    pub norm: Norm,
    /// What normalisation computes.
    pub norm_kind: NormKind,
    /// Added to the variance, or to the mean square, before its root is taken. tensor2tensor's 1e-6; libtorch's own
    /// default is 1e-5.
    pub layer_norm_epsilon: f64,
    /// Biases of the attention projections. Not printed in the paper, but its parameter counts need them.
    pub attention_biases: bool,
    /// How weights start.
    pub initialisation: Initialisation,
    /// Rows of the embedding matrices, at least the vocabulary's size; absent: exactly that.
    /// The rows above the vocabulary take part in the softmax and are never decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_rows: Option<i64>,
    /// Instead of `embedding_rows`: the vocabulary's size, raised to a multiple of this, as fast matrix products like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_multiple: Option<i64>,
}

/// How word order enters (§3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The paper's formula: sine in even columns, cosine in odd ones.
    Sinusoidal,
    /// tensor2tensor's: sines in the first half, cosines in the second, exponent i / (d/2 - 1).
    SinusoidalHalves,
    /// A trained vector for each position.
    Learned,
    /// None: attention sees a bag of words.
    None,
}

/// Which of the three matrices of embeddings and softmax are one (§3.4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tying {
    /// Source embedding = target embedding = softmax: the paper's.
    All,
    /// Target embedding = softmax.
    Decoder,
    /// Three matrices.
    None,
}

/// Where normalisation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// LayerNorm(x + Dropout(Sublayer(x))): the paper's (§3.1).
    Post,
    /// x + Dropout(Sublayer(LayerNorm(x))), and one more norm after each stack.
    Pre,
}

/// What normalisation computes of a vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// (x - mean) / √(variance + epsilon) · scale + offset: the paper's (Ba et al. 2016).
    Layer,
    /// x / √(mean square + epsilon) · scale (Zhang and Sennrich 2019).
    Rms,
}

/// How weights start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initialisation {
    /// The released code's: Glorot uniform with projections that it fuses (self-attention's
    /// query, key, value; cross-attention's key, value) counted as one matrix.
    Tensor2tensor,
    /// Glorot uniform for each projection by itself.
    Glorot,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            layers: 6,
            d_model: 512,
            d_ff: 2048,
            heads: 8,
            d_k: None,
            d_v: None,
            dropout: 0.1,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            position: Position::Sinusoidal,
            learned_positions: 1024,
            tying: Tying::All,
            norm: Norm::Post,
            norm_kind: NormKind::Layer,
            layer_norm_epsilon: 1e-6,
            attention_biases: true,
            initialisation: Initialisation::Tensor2tensor,
            embedding_rows: None,
            embedding_multiple: None,
        }
    }
}

/// Numbers of tokens of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VocabularySizes {
    pub source: usize,
    pub target: usize,
}

impl From<usize> for VocabularySizes {
    /// The same tokens on both sides.
    fn from(size: usize) -> Self {
        VocabularySizes { source: size, target: size }
    }
}

impl From<(usize, usize)> for VocabularySizes {
    /// Source and target.
    fn from((source, target): (usize, usize)) -> Self {
        VocabularySizes { source, target }
    }
}

impl ModelConfig {
    /// Width of a head's queries and keys.
    pub fn d_k(&self) -> i64 {
        self.d_k.unwrap_or(self.d_model / self.heads)
    }

    /// Width of a head's values.
    pub fn d_v(&self) -> i64 {
        self.d_v.unwrap_or(self.d_model / self.heads)
    }

    /// The same model with both widths of a head stated. Also accepts a configuration that was not checked: with 0 heads
    /// the widths stay as they are.
    pub fn with_head_widths_stated(&self) -> Self {
        let default = self.d_model.checked_div(self.heads);
        ModelConfig { d_k: self.d_k.or(default), d_v: self.d_v.or(default), ..self.clone() }
    }

    /// The same model without a stated width of a head that is the default, d_model / heads.
    pub fn with_default_head_widths_omitted(&self) -> Self {
        let default = self.d_model.checked_div(self.heads);
        let unless_default = |width: Option<i64>| width.filter(|&width| Some(width) != default);
        ModelConfig { d_k: unless_default(self.d_k), d_v: unless_default(self.d_v), ..self.clone() }
    }

    /// Rows of the embedding matrices for a vocabulary of this size.
    pub fn rows(&self, vocabulary: usize) -> i64 {
        let multiple = self.embedding_multiple.unwrap_or(1) as usize;
        self.embedding_rows.unwrap_or_else(|| vocabulary.next_multiple_of(multiple) as i64)
    }
}
