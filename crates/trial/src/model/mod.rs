//! The settings of a model and its cost.
//!
//! Configuration section `[model]`. Shape letters: B batch, S source length, T target
//! length, H heads, D d_model, K d_k, V embedding rows.

pub mod attention;
pub mod convolutional;
pub mod cost;
mod forward_flops;
pub(crate) mod left_out;
pub mod masked;
pub mod recurrent;
mod span_work;
mod stated_in_full;
mod vocabulary_sizes;
mod word_cost;

pub use attention::{AttentionConfig, CausalSpan, Projections, Score, Span};
pub use convolutional::ConvolutionalConfig;
pub use masked::{Head, MaskedConfig};
pub use recurrent::RecurrentConfig;
pub use span_work::{big_bird_slots, local_sides, local_window};
pub use vocabulary_sizes::VocabularySizes;

use crate::left_out::{is_default, is_true};
use left_out::beyond_defaults;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model]` section. The defaults are the paper's base model (§3, Table 3).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ModelConfig {
    /// Part of the model that reads the source; `self_attention` if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub encoder: EncoderKind,
    /// Part of the model that writes the target; `self_attention` if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub decoder: DecoderKind,
    /// Number of layers of the encoder, if there is one, and of the decoder: the paper's N.
    pub layers: usize,
    /// Width of the embeddings and of the output of every sub-layer: the paper's d_model.
    pub d_model: i64,
    /// Inner width of the feed-forward sub-layers: the paper's d_ff. With a gated activation it is the width of the
    /// sub-layer without a gate that has as many parameters: the inner width is then 2/3 of this number, rounded to the
    /// nearest integer.
    pub d_ff: i64,
    /// The activation of the feed-forward sub-layers (§3.3); `relu` if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub activation: Activation,
    /// Whether layers have a feed-forward sub-layer (§3.3). If false, its connection and its normalisation are absent as
    /// well, so that a layer consists of its attention sub-layers. True if absent.
    #[serde(skip_serializing_if = "is_true")]
    pub feed_forward: bool,
    /// Number of attention heads: the paper's h.
    pub heads: i64,
    /// Width of the queries and keys of a head: the paper's d_k. If absent, d_model / heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_k: Option<i64>,
    /// Width of the values of a head: the paper's d_v. If absent, d_model / heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub d_v: Option<i64>,
    /// Dropout on sub-layer outputs and on the sums of embeddings and positions: P_drop (§5.4).
    pub dropout: f64,
    /// Dropout on attention weights. The paper lists none; tensor2tensor added 0.1 later.
    pub attention_dropout: f64,
    /// Dropout after the activation of the feed-forward sub-layers. The paper lists none; tensor2tensor added 0.1
    /// later.
    pub activation_dropout: f64,
    /// How the model encodes word order (§3.5).
    pub position: Position,
    /// Number of positions of each learned position table, and columns of the matrices of
    /// `attention.span = { linformer = k }`. Other position encodings and spans ignore it.
    pub learned_positions: i64,
    /// Which of the two embedding matrices and the matrix before the softmax are shared (§3.4).
    pub tying: Tying,
    /// Whether the input of every sub-layer is added to its output (§3.1). If false, the output alone is passed on:
    /// LayerNorm(Dropout(Sublayer(x))), or Dropout(Sublayer(LayerNorm(x))) with `norm = "pre"`. True if absent.
    #[serde(skip_serializing_if = "is_true")]
    pub residual: bool,
    /// Where normalisation is applied (§3.1).
    pub norm: Norm,
    /// The kind of normalisation.
    pub norm_kind: NormKind,
    /// Number that normalisation adds to the variance, or to the mean square, before it takes the root. The default is
    /// tensor2tensor's 1e-6; libtorch's own default is 1e-5. Without normalisation it has no effect.
    pub layer_norm_epsilon: f64,
    /// Whether the attention projections have biases. The paper does not mention them, but its parameter counts include
    /// them.
    pub attention_biases: bool,
    /// How weights are initialised.
    pub initialisation: Initialisation,
    /// Number of rows of the embedding matrices, at least the size of the vocabulary. If absent, exactly the size of
    /// the vocabulary. Rows beyond the vocabulary take part in the softmax and are never decoded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_rows: Option<i64>,
    /// Alternative to `embedding_rows`: the size of the vocabulary is rounded up to a multiple of this number, which
    /// makes matrix products faster on GPUs. If absent, it is not rounded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_multiple: Option<i64>,
    /// Standard deviation of the first values of embeddings, of a separate matrix before the softmax, of learned positions, of
    /// T5's biases and of the table of segments; 0.1 in Gehring et al. 2017. If absent, `initialisation` decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embedding_deviation: Option<f64>,
    /// Whether embeddings are multiplied by √d_model (§3.4). True if absent.
    #[serde(skip_serializing_if = "is_true")]
    pub embedding_scale: bool,
    /// Whether each row of the matrix before the softmax has a bias. The paper's has none. False if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub softmax_bias: bool,
    /// How attention scores keys, which projections it has, and how far it sees. If absent, as in the paper (§3.2).
    #[serde(skip_serializing_if = "is_default")]
    pub attention: AttentionConfig,
    /// Convolutional encoders and decoders; read where one is chosen. If absent, ConvS2S with eight layers on each side.
    /// Its gated layers have no norms and need small inputs: state `embedding_scale = false`, `embedding_deviation = 0.1` and
    /// `position = "learned"` beside them.
    #[serde(skip_serializing_if = "is_default", serialize_with = "beyond_defaults")]
    pub convolutional: ConvolutionalConfig,
    /// Recurrent encoders and decoders; read where one is chosen. If absent, the baseline of Britz et al. 2017.
    #[serde(skip_serializing_if = "is_default", serialize_with = "beyond_defaults")]
    pub recurrent: RecurrentConfig,
    /// A model without a decoder; read where `decoder` is `none`. If absent, as in BERT.
    #[serde(skip_serializing_if = "is_default", serialize_with = "beyond_defaults")]
    pub masked: MaskedConfig,
}

/// Part of the model that reads the source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum EncoderKind {
    /// Layers of convolutions; see `[model.convolutional]`.
    Convolutional,
    /// Layers of self-attention and feed-forward networks, as in the paper (§3.1).
    #[default]
    SelfAttention,
    /// Layers of LSTM or GRU cells; see `[model.recurrent]`.
    Recurrent,
    /// There is none, and the decoder has no attention to one: a language model, which predicts each token of a text from
    /// those before it (Radford et al. 2018, §3.1). Without a decoder as well: word vectors (Mikolov et al. 2013); see
    /// `[training.words]`.
    None,
}

/// Part of the model that writes the target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DecoderKind {
    /// Layers of convolutions, each of which attends to the source; see `[model.convolutional]`.
    Convolutional,
    /// Layers of self-attention, attention to the source and feed-forward networks, as in the paper (§3.1).
    #[default]
    SelfAttention,
    /// Layers of LSTM or GRU cells with one attention to the source; see `[model.recurrent]`.
    Recurrent,
    /// There is none: a masked language model, which finds hidden tokens of a text by those around them (Devlin et al. 2019,
    /// §3.1); see `[model.masked]` and `[training.masking]`. Without an encoder as well: word vectors.
    None,
}

/// How the model encodes word order (§3.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Position {
    /// The paper's formula: sine in even columns, cosine in odd ones.
    Sinusoidal,
    /// tensor2tensor's formula: sines in the first half of the columns, cosines in the second, exponent i / (d/2 - 1).
    SinusoidalHalves,
    /// A trained vector for each position.
    Learned,
    /// Trained vectors for the distances from -k to k between two tokens, to which larger ones are clipped: one is added
    /// to each key and one to each value of self-attention. Each layer has its own, which its heads share (Shaw et al.
    /// 2018). Written `{ relative = k }`.
    Relative(i64),
    /// Queries and keys of self-attention are turned by angles that grow with the position (Su et al. 2021).
    Rotary,
    /// Scores of self-attention are lowered by the distance, for each head at its own rate (Press et al. 2022).
    Alibi,
    /// A trained bias on the scores of self-attention for each head and each of 32 buckets of distances; the layers of a
    /// stack share it (Raffel et al. 2020). Scores stay divided by √d_k, which T5 does not do.
    T5,
    /// No position encoding: attention does not know the order of the words.
    None,
}

impl Position {
    /// Whether self-attention itself encodes positions, and not the embeddings.
    pub fn acts_in_self_attention(self) -> bool {
        match self {
            Position::Relative(_) | Position::Rotary | Position::Alibi | Position::T5 => true,
            Position::Sinusoidal | Position::SinusoidalHalves | Position::Learned | Position::None => false,
        }
    }
}

/// Which of the two embedding matrices and the matrix before the softmax are shared (§3.4). Without an encoder or without a
/// decoder there are two matrices, which `all` and `decoder` share alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tying {
    /// Source embedding, target embedding and softmax share one matrix, as in the paper.
    All,
    /// Target embedding and softmax share one matrix; the source embedding has its own.
    Decoder,
    /// All three matrices are separate.
    None,
}

/// The activation of the feed-forward sub-layers. Those with a gate multiply two linear maps of the input, one of them
/// behind an activation, (f(x W + b) ⊗ (x V + c)) W₂ + d (Shazeer 2020); all of them have biases, as the paper's
/// sub-layer does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// max(0, x), as in the paper (§3.3).
    #[default]
    Relu,
    /// x Φ(x), where Φ is the distribution function of the normal distribution: the exact form and not the approximation
    /// by tanh (Hendrycks and Gimpel 2016).
    Gelu,
    /// The approximation of GELU by tanh, 0.5 x (1 + tanh(√(2/π) (x + 0.044715 x³))), which GPT and BERT have (Hendrycks and
    /// Gimpel 2016, §2).
    GeluTanh,
    /// x σ(x) with the logistic function σ, also called SiLU (Ramachandran et al. 2017, with β = 1).
    Swish,
    /// Gated by σ (Dauphin et al. 2017; Shazeer 2020, eq. 4).
    Glu,
    /// Gated by Swish (Shazeer 2020, eq. 6).
    Swiglu,
    /// Gated by the exact GELU (Shazeer 2020, eq. 6).
    Geglu,
}

/// Where normalisation is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Norm {
    /// Normalisation after each sub-layer, LayerNorm(x + Dropout(Sublayer(x))), as in the paper (§3.1).
    Post,
    /// Normalisation before each sub-layer, x + Dropout(Sublayer(LayerNorm(x))), and one more after each stack.
    Pre,
}

/// The kind of normalisation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NormKind {
    /// Layer normalisation, (x - mean) / √(variance + epsilon) · scale + offset, as in the paper (Ba et al. 2016).
    Layer,
    /// Root-mean-square normalisation, x / √(mean square + epsilon) · scale (Zhang and Sennrich 2019).
    Rms,
    /// Batch normalisation, (x - mean) / √(variance + epsilon) · scale + offset with the mean and the variance of each
    /// channel over the real tokens of a micro-batch, and with running ones outside of training (Ioffe and Szegedy 2015).
    Batch,
    /// No normalisation.
    None,
}

/// How weights are initialised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Initialisation {
    /// Initialisation of the released code: Glorot uniform, where projections that the code fuses (query, key and value
    /// of self-attention; key and value of cross-attention) count as one matrix.
    Tensor2tensor,
    /// Glorot uniform, where every projection is a matrix of its own.
    Glorot,
    /// Normal with deviation 0.02 for matrices, embeddings and positions, as in GPT (Radford et al. 2018, §4.1). With every
    /// choice, these are Glorot uniform: vectors of relative positions, the mixtures of `linformer`, the matrices and vectors of
    /// multiplicative and additive scores, and the map from the encoder's states to the decoder's width. The layers of
    /// recurrent and convolutional parts have first values of their own, too.
    Normal,
    /// As `normal`, but 0.02 / √(2 layers) for the last matrix of every sub-layer, as in GPT-2 (Radford et al. 2019, §2.3).
    NormalScaled,
}

impl Default for ModelConfig {
    fn default() -> Self {
        ModelConfig {
            encoder: EncoderKind::default(),
            decoder: DecoderKind::default(),
            layers: 6,
            d_model: 512,
            d_ff: 2048,
            activation: Activation::Relu,
            feed_forward: true,
            heads: 8,
            d_k: None,
            d_v: None,
            dropout: 0.1,
            attention_dropout: 0.0,
            activation_dropout: 0.0,
            position: Position::Sinusoidal,
            learned_positions: 1024,
            tying: Tying::All,
            residual: true,
            norm: Norm::Post,
            norm_kind: NormKind::Layer,
            layer_norm_epsilon: 1e-6,
            attention_biases: true,
            initialisation: Initialisation::Tensor2tensor,
            embedding_rows: None,
            embedding_multiple: None,
            embedding_deviation: None,
            embedding_scale: true,
            softmax_bias: false,
            attention: AttentionConfig::default(),
            convolutional: ConvolutionalConfig::default(),
            recurrent: RecurrentConfig::default(),
            masked: MaskedConfig::default(),
        }
    }
}

impl Initialisation {
    /// Whether the choice makes a difference in the projections of attention alone.
    pub fn is_of_projections(self) -> bool {
        match self {
            Initialisation::Tensor2tensor | Initialisation::Glorot => true,
            Initialisation::Normal | Initialisation::NormalScaled => false,
        }
    }
}

impl Activation {
    /// Whether the activation multiplies a second map of the input.
    pub fn is_gated(self) -> bool {
        match self {
            Activation::Relu | Activation::Gelu | Activation::GeluTanh | Activation::Swish => false,
            Activation::Glu | Activation::Swiglu | Activation::Geglu => true,
        }
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

    /// The model with both widths of a head stated. Accepts a configuration that was not checked: with 0 heads the
    /// widths stay unchanged.
    pub fn with_head_widths_stated(&self) -> Self {
        let default = self.d_model.checked_div(self.heads);
        ModelConfig { d_k: self.d_k.or(default), d_v: self.d_v.or(default), ..self.clone() }
    }

    /// The model without stated head widths that equal the default, d_model / heads.
    pub fn with_default_head_widths_omitted(&self) -> Self {
        let default = self.d_model.checked_div(self.heads);
        let unless_default = |width: Option<i64>| width.filter(|&width| Some(width) != default);
        ModelConfig { d_k: unless_default(self.d_k), d_v: unless_default(self.d_v), ..self.clone() }
    }

    /// Whether there is an encoder.
    pub fn has_encoder(&self) -> bool {
        match self.encoder {
            EncoderKind::Convolutional | EncoderKind::SelfAttention | EncoderKind::Recurrent => true,
            EncoderKind::None => false,
        }
    }

    /// Whether there is a decoder.
    pub fn has_decoder(&self) -> bool {
        match self.decoder {
            DecoderKind::Convolutional | DecoderKind::SelfAttention | DecoderKind::Recurrent => true,
            DecoderKind::None => false,
        }
    }

    /// Whether there are an encoder and a decoder, and so a source and a target.
    pub fn has_both_parts(&self) -> bool {
        self.has_encoder() && self.has_decoder()
    }

    /// Whether there is neither an encoder nor a decoder: word vectors, which consist of two matrices.
    pub fn is_word_vectors(&self) -> bool {
        !self.has_encoder() && !self.has_decoder()
    }

    /// Whether there is an encoder alone: a masked language model.
    pub fn is_masked(&self) -> bool {
        self.has_encoder() && !self.has_decoder()
    }

    /// Whether a linear map, an activation and a norm come before the matrix of the softmax; see [`Head`].
    pub fn has_transform(&self) -> bool {
        self.is_masked() && self.masked.head == Head::Transform
    }

    /// Whether the sums of embeddings and positions are normalised.
    pub fn normalises_embeddings(&self) -> bool {
        self.is_masked() && self.masked.embedding_norm
    }

    /// Whether the model also predicts if one text follows another.
    pub fn tells_next_sentence(&self) -> bool {
        self.is_masked() && self.masked.next_sentence
    }

    /// Whether any part reads the activation: a feed-forward sub-layer, or the transform before the softmax.
    pub fn reads_activation(&self) -> bool {
        (self.has_self_attention() && self.feed_forward) || self.has_transform()
    }

    /// Width of the encoder's states: E; 0 without an encoder.
    pub fn encoder_width(&self) -> i64 {
        match self.encoder {
            EncoderKind::Convolutional | EncoderKind::SelfAttention => self.d_model,
            EncoderKind::Recurrent => self.recurrent.encoder_width(),
            EncoderKind::None => 0,
        }
    }

    /// Width of the hidden states that the softmax matrix multiplies: W.
    pub fn softmax_width(&self) -> i64 {
        match self.decoder {
            DecoderKind::Convolutional | DecoderKind::SelfAttention => self.d_model,
            DecoderKind::Recurrent => self.recurrent.readout_width(self.d_model, self.encoder_width()),
            DecoderKind::None if self.is_word_vectors() => self.d_model,
            DecoderKind::None => match self.masked.head {
                Head::Transform => self.d_model,
                Head::None => self.encoder_width(),
            },
        }
    }

    /// Whether either part is a stack of self-attention.
    pub fn has_self_attention(&self) -> bool {
        self.encoder == EncoderKind::SelfAttention || self.decoder == DecoderKind::SelfAttention
    }

    /// Whether either part is convolutional.
    pub fn has_convolution(&self) -> bool {
        self.encoder == EncoderKind::Convolutional || self.decoder == DecoderKind::Convolutional
    }

    /// Whether layers of convolutions have their own norms, which exist for any `norm_kind`.
    pub fn has_bottlenecks(&self) -> bool {
        self.has_convolution() && self.convolutional.block == convolutional::Block::Bottleneck
    }

    /// Whether either part reads positions; recurrent parts do not.
    pub fn reads_positions(&self) -> bool {
        self.has_self_attention() || self.has_convolution()
    }

    /// Whether a linear map stands between the encoder's states and the decoder: if their widths differ and the decoder
    /// is not recurrent.
    pub fn maps_encoder_states(&self) -> bool {
        let reads_own_width = match self.decoder {
            DecoderKind::Convolutional | DecoderKind::SelfAttention => true,
            DecoderKind::Recurrent | DecoderKind::None => false,
        };
        self.has_encoder() && reads_own_width && self.encoder_width() != self.d_model
    }

    /// Returns the number of decoder layers that attend to the source.
    pub fn attending_layers(&self) -> usize {
        match self.decoder {
            _ if !self.has_encoder() => 0,
            DecoderKind::Convolutional => self.convolutional.attending().len(),
            DecoderKind::SelfAttention => self.layers,
            DecoderKind::Recurrent => usize::from(self.recurrent.attention != recurrent::Alignment::None),
            DecoderKind::None => 0,
        }
    }

    /// Whether the number of learned positions has any effect.
    pub fn has_learned_positions(&self) -> bool {
        self.position == Position::Learned || matches!(self.attention.span, Span::Linformer(_))
    }

    /// Rows of the embedding matrices for a vocabulary of this size.
    pub fn rows(&self, vocabulary: usize) -> i64 {
        let multiple = self.embedding_multiple.unwrap_or(1) as usize;
        self.embedding_rows.unwrap_or_else(|| vocabulary.next_multiple_of(multiple) as i64)
    }

    /// Inner width of a feed-forward sub-layer, 0 without one: d_ff, or with a gate 2/3 of it to the nearest integer.
    /// Three matrices of that width have as many parameters as two of d_ff (Shazeer 2020, §3).
    pub fn inner_width(&self) -> i64 {
        match (self.feed_forward, self.activation.is_gated()) {
            (false, _) => 0,
            (true, false) => self.d_ff,
            (true, true) => (2 * self.d_ff + 1) / 3,
        }
    }
}
