//! The one gate of fast paths: it decides which other implementations compute a configuration.
//!
//! The definition is libtorch's plain operations, layer by layer. A variant must not reach an implementation that does
//! not support it only because its tensors have the right shape. So the choice is made here, from the configuration: a
//! new setting of [`ModelConfig`], or a new value of one of its choices, does not compile before it is decided.

use super::init::Attends;
use super::recurrent::DropoutMasks;
use super::{
    Activation, AttentionConfig, CausalSpan, DecoderKind, EncoderKind, Head, MaskedConfig, ModelConfig, Norm,
    NormKind, Position, Projections, RecurrentConfig, Score, Span, Tying,
};

/// Whether an implementation supports a model: `Ok`, or the setting that it does not support.
pub type Serves = Result<(), Unknown>;

/// A setting that an implementation does not support.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown {
    /// The setting as a user writes it.
    pub setting: &'static str,
    /// The behaviour of the implementation instead.
    pub known: &'static str,
}

/// Support of a configuration by each implementation other than the definition.
///
/// Sizes that an implementation does not support, such as wide heads, are not decided here: it refuses them itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Implementations {
    /// libtorch's fused attention on a GPU ([`fused`](super::attention::fused)).
    pub fused_attention: Serves,
    /// The kernels of decoding on a CPU ([`decoding`](crate::shim::decoding)).
    pub decoding_kernels: Serves,
    /// A `MarianMTModel` of Hugging Face transformers.
    pub marian: Serves,
    /// A `TransformerSpec` of CTranslate2.
    pub ctranslate2: Serves,
    /// An `OpenAIGPTLMHeadModel` of Hugging Face transformers.
    pub openai_gpt: Serves,
    /// A `BertForMaskedLM` of Hugging Face transformers.
    pub bert: Serves,
    /// The models in Python torch for which `ablate bench --export` writes (`scripts/bench/torch_models.py`).
    pub torch_peer: Serves,
}

impl Implementations {
    /// Support by every implementation.
    const ALL: Self = Implementations {
        fused_attention: Ok(()),
        decoding_kernels: Ok(()),
        marian: Ok(()),
        ctranslate2: Ok(()),
        openai_gpt: Ok(()),
        bert: Ok(()),
        torch_peer: Ok(()),
    };

    pub fn of(config: &ModelConfig) -> Self {
        let ModelConfig {
            encoder,
            decoder,
            softmax_bias,
            embedding_scale,
            activation,
            feed_forward,
            residual,
            position,
            tying,
            norm,
            norm_kind,
            // Absent biases are written as zeros.
            attention_biases: _,
            // Sizes.
            layers: _,
            d_model: _,
            d_ff: _,
            heads: _,
            d_k: _,
            d_v: _,
            learned_positions: _,
            embedding_rows: _,
            embedding_multiple: _,
            // A number that each implementation takes or refuses itself.
            layer_norm_epsilon: _,
            // These affect only initial values.
            initialisation: _,
            embedding_deviation: _,
            // These affect only training by the definition; the fused kernel draws its own masks of attention.
            dropout: _,
            attention_dropout: _,
            activation_dropout: _,
            // These belong to parts that no other implementation supports.
            convolutional: _,
            recurrent: RecurrentConfig { dropout_masks, .. },
            masked,
            attention: AttentionConfig { score, cross_score: _, projections, span, decoder_span: _ },
        } = config;
        of_encoder(*encoder)
            .and(of_decoder(*decoder))
            .and(of_both(*encoder, *decoder))
            .and(of_masked(masked))
            .and(of_dropout_masks(*dropout_masks))
            .and(of_softmax_bias(*softmax_bias))
            .and(of_embedding_scale(*embedding_scale))
            .and(of_feed_forward(*feed_forward))
            .and(of_activation(*activation))
            .and(of_residual(*residual))
            .and(of_position(*position))
            .and(of_tying(*tying))
            .and(of_norm(*norm))
            .and(of_norm_kind(*norm_kind))
            .and(of_score(*score, "model.attention.score = \"additive\""))
            .and(of_score(config.attention.cross_score(), "model.attention.cross_score = \"additive\""))
            .and(of_projections(*projections))
            .and(of_span(*span))
            .and(of_decoder_span(config.attention.decoder_span()))
    }

    /// Returns the support of one attention layer, whatever the score of the other kind of layer is.
    pub fn of_layer(config: &ModelConfig, attends: Attends) -> Self {
        let score = match attends {
            Attends::Itself => config.attention.score,
            Attends::Encoder => config.attention.cross_score(),
        };
        let attention = AttentionConfig { score, cross_score: None, ..config.attention.clone() };
        Self::of(&ModelConfig { attention, ..config.clone() })
    }

    /// Returns the support of both; of two unsupported settings, the first is reported.
    fn and(self, other: Self) -> Self {
        Implementations {
            fused_attention: self.fused_attention.and(other.fused_attention),
            decoding_kernels: self.decoding_kernels.and(other.decoding_kernels),
            marian: self.marian.and(other.marian),
            ctranslate2: self.ctranslate2.and(other.ctranslate2),
            openai_gpt: self.openai_gpt.and(other.openai_gpt),
            bert: self.bert.and(other.bert),
            torch_peer: self.torch_peer.and(other.torch_peer),
        }
    }
}

const NO_ENCODER: &str = "it has no encoder";
const NO_DECODER: &str = "it has no decoder";
const OF_SELF_ATTENTION: &str = "its layers are of self-attention";

/// Fused attention and the kernels of decoding support the self-attention layers, whatever the other part is.
fn of_encoder(encoder: EncoderKind) -> Implementations {
    let other = |setting| Implementations {
        openai_gpt: Err(Unknown { setting, known: NO_ENCODER }),
        bert: Err(Unknown { setting, known: OF_SELF_ATTENTION }),
        ..without_parts(setting)
    };
    match encoder {
        EncoderKind::Convolutional => other("model.encoder = \"convolutional\""),
        EncoderKind::SelfAttention => {
            let unknown = Unknown { setting: "model.encoder = \"self_attention\"", known: NO_ENCODER };
            Implementations { openai_gpt: Err(unknown), ..Implementations::ALL }
        }
        EncoderKind::Recurrent => other("model.encoder = \"recurrent\""),
        EncoderKind::None => {
            let setting = "model.encoder = \"none\"";
            Implementations {
                openai_gpt: Ok(()),
                bert: Err(Unknown { setting, known: "it is an encoder" }),
                ..without_toolkits(setting, "it has an encoder, to which its decoder attends")
            }
        }
    }
}

/// Like [`of_encoder`].
fn of_decoder(decoder: DecoderKind) -> Implementations {
    let other = |setting| Implementations {
        openai_gpt: Err(Unknown { setting, known: OF_SELF_ATTENTION }),
        bert: Err(Unknown { setting, known: NO_DECODER }),
        ..without_parts(setting)
    };
    match decoder {
        DecoderKind::Convolutional => other("model.decoder = \"convolutional\""),
        DecoderKind::SelfAttention => {
            let unknown = Unknown { setting: "model.decoder = \"self_attention\"", known: NO_DECODER };
            Implementations { bert: Err(unknown), ..Implementations::ALL }
        }
        DecoderKind::Recurrent => other("model.decoder = \"recurrent\""),
        DecoderKind::None => {
            let setting = "model.decoder = \"none\"";
            Implementations {
                openai_gpt: Err(Unknown { setting, known: "it is a decoder" }),
                bert: Ok(()),
                ..without_toolkits(setting, "it has a decoder, which writes")
            }
        }
    }
}

/// Returns the support of pairs of an encoder and a decoder.
fn of_both(encoder: EncoderKind, decoder: DecoderKind) -> Implementations {
    let torch_peer = match (encoder, decoder) {
        (EncoderKind::None, DecoderKind::None) => Err(Unknown {
            setting: "model.encoder = \"none\" with model.decoder = \"none\"",
            known: "they have no word vectors",
        }),
        (EncoderKind::None, DecoderKind::Convolutional) => Err(Unknown {
            setting: "model.encoder = \"none\"",
            known: "their convolutional decoder has an encoder",
        }),
        (EncoderKind::Convolutional, DecoderKind::None) => Err(Unknown {
            setting: "model.encoder = \"convolutional\"",
            known: "the encoder of a masked language model is of self-attention or of recurrent cells",
        }),
        _ => Ok(()),
    };
    Implementations { torch_peer, ..Implementations::ALL }
}

fn without_parts(setting: &'static str) -> Implementations {
    without_toolkits(setting, "both of its parts are stacks of self-attention")
}

fn of_dropout_masks(masks: DropoutMasks) -> Implementations {
    match masks {
        DropoutMasks::PerStep => Implementations::ALL,
        DropoutMasks::PerSequence => Implementations {
            torch_peer: Err(Unknown {
                setting: "model.recurrent.dropout_masks = \"per_sequence\"",
                known: "nn.Dropout draws a mask for each step",
            }),
            ..Implementations::ALL
        },
    }
}

/// Returns the support of `[model.masked]`, a section that models with a decoder do not use.
fn of_masked(masked: &MaskedConfig) -> Implementations {
    // A table of several segments, or of none, is written as a table of which the first row is used.
    let MaskedConfig { embedding_norm, head, segments: _, next_sentence } = masked;
    let unknown =
        |setting, known| Implementations { bert: Err(Unknown { setting, known }), ..Implementations::ALL };
    let of_norm = match embedding_norm {
        true => Implementations::ALL,
        false => unknown("model.masked.embedding_norm = false", "it normalises the embeddings"),
    };
    let setting = "model.masked.next_sentence = true";
    let known = "their masked language model predicts tokens alone";
    let torch_peer = if *next_sentence { Err(Unknown { setting, known }) } else { Ok(()) };
    let of_next = Implementations { torch_peer, ..Implementations::ALL };
    of_norm.and(of_next).and(match head {
        Head::Transform => Implementations::ALL,
        Head::None => {
            let known = "a linear map, an activation and a norm stand before its softmax";
            unknown("model.masked.head = \"none\"", known)
        }
    })
}

fn of_softmax_bias(softmax_bias: bool) -> Implementations {
    match softmax_bias {
        false => Implementations::ALL,
        true => {
            let setting = "model.softmax_bias = true";
            Implementations {
                openai_gpt: Err(Unknown { setting, known: "its softmax has no bias" }),
                bert: Ok(()),
                ..without_toolkits(setting, "this program writes no bias of the softmax into it")
            }
        }
    }
}

fn of_embedding_scale(embedding_scale: bool) -> Implementations {
    match embedding_scale {
        true => Implementations::ALL,
        false => Implementations {
            // Written with scaled or unscaled embeddings.
            openai_gpt: Ok(()),
            bert: Ok(()),
            ..without_toolkits(
                "model.embedding_scale = false",
                "this program writes embeddings that are multiplied by √d_model into it",
            )
        },
    }
}

/// The kernels compute only attention: libtorch's operations compute everything between attention layers.
fn of_feed_forward(feed_forward: bool) -> Implementations {
    match feed_forward {
        true => Implementations::ALL,
        false => {
            without_toolkits("model.feed_forward = false", "each of its layers has a feed-forward sub-layer")
        }
    }
}

fn of_activation(activation: Activation) -> Implementations {
    let gated = |setting| {
        let unknown = Err(Unknown { setting, known: "its feed-forward sub-layers have no gates" });
        Implementations { marian: unknown, openai_gpt: unknown, bert: unknown, ..Implementations::ALL }
    };
    match activation {
        // All toolkits have them.
        Activation::Relu | Activation::GeluTanh | Activation::Swish => Implementations::ALL,
        Activation::Gelu => {
            let known = "its GELU is the approximation by tanh, which is \"gelu_tanh\"";
            let unknown = Unknown { setting: "model.activation = \"gelu\"", known };
            Implementations { openai_gpt: Err(unknown), ..Implementations::ALL }
        }
        Activation::Glu => gated("model.activation = \"glu\""),
        Activation::Swiglu => gated("model.activation = \"swiglu\""),
        Activation::Geglu => gated("model.activation = \"geglu\""),
    }
}

fn of_residual(residual: bool) -> Implementations {
    match residual {
        true => Implementations::ALL,
        false => {
            without_toolkits("model.residual = false", "it adds the input of each sub-layer to its output")
        }
    }
}

/// Returns the support of a setting that no toolkit of `ablate export` supports; `known` describes their behaviour
/// instead.
fn without_toolkits(setting: &'static str, known: &'static str) -> Implementations {
    let unknown = Err(Unknown { setting, known });
    Implementations {
        marian: unknown,
        ctranslate2: unknown,
        openai_gpt: unknown,
        bert: unknown,
        ..Implementations::ALL
    }
}

/// Description of the positions in all toolkits.
const ADDED_TO_EMBEDDINGS: &str = "it adds positions to the embeddings";

fn of_position(position: Position) -> Implementations {
    match position {
        // All of them are added to the embeddings, before any attention.
        Position::Sinusoidal | Position::SinusoidalHalves | Position::Learned | Position::None => {
            Implementations::ALL
        }
        // Queries and keys are rotated before any kernel sees them.
        Position::Rotary => without_toolkits("model.position = \"rotary\"", ADDED_TO_EMBEDDINGS),
        Position::Alibi => with_biases("model.position = \"alibi\""),
        Position::T5 => with_biases("model.position = \"t5\""),
        Position::Relative(_) => {
            let setting = "model.position = { relative = k }";
            let known = "it never forms the weights to which vectors for distances belong";
            Implementations { fused_attention: Err(Unknown { setting, known }), ..with_biases(setting) }
        }
    }
}

/// Fused attention takes biases on scores in the same way as masks; the other implementations have none.
fn with_biases(setting: &'static str) -> Implementations {
    let unknown = Err(Unknown { setting, known: "their scores are products alone" });
    Implementations { decoding_kernels: unknown, ..without_toolkits(setting, ADDED_TO_EMBEDDINGS) }
}

fn of_tying(tying: Tying) -> Implementations {
    match tying {
        Tying::All | Tying::Decoder | Tying::None => Implementations::ALL,
    }
}

fn of_norm(norm: Norm) -> Implementations {
    match norm {
        Norm::Post => Implementations::ALL,
        Norm::Pre => {
            let known = "it normalises after each sub-layer";
            let unknown = Err(Unknown { setting: "model.norm = \"pre\"", known });
            Implementations { marian: unknown, openai_gpt: unknown, bert: unknown, ..Implementations::ALL }
        }
    }
}

fn of_norm_kind(kind: NormKind) -> Implementations {
    match kind {
        NormKind::Layer => Implementations::ALL,
        NormKind::Rms => {
            without_toolkits("model.norm_kind = \"rms\"", "its norms subtract the mean and have an offset")
        }
        NormKind::Batch => without_toolkits(
            "model.norm_kind = \"batch\"",
            "its norms compute their statistics of each token by itself",
        ),
        NormKind::None => without_toolkits("model.norm_kind = \"none\"", "each of its sub-layers has a norm"),
    }
}

/// `additive` is the text of the setting that chooses an additive score.
fn of_score(score: Score, additive: &'static str) -> Implementations {
    match score {
        // Products of queries and keys: every implementation takes a scale, or queries that were scaled or multiplied
        // by a matrix before.
        Score::ScaledDot | Score::Dot | Score::Multiplicative => Implementations::ALL,
        Score::Additive => {
            let known = "its scores are products of queries and keys";
            let unknown = Err(Unknown { setting: additive, known });
            Implementations {
                fused_attention: unknown,
                decoding_kernels: unknown,
                ..without_toolkits(additive, known)
            }
        }
    }
}

fn of_projections(projections: Projections) -> Implementations {
    match projections {
        // All of them see only projected vectors; a toolkit gets one matrix twice, or identity matrices.
        Projections::Separate | Projections::SharedQueryKey | Projections::ValuesOnly | Projections::None => {
            Implementations::ALL
        }
    }
}

fn of_span(span: Span) -> Implementations {
    match span {
        Span::Full => Implementations::ALL,
        Span::Local(_) => of_full_spans_alone("model.attention.span = { local = … }"),
        Span::Linformer(_) => of_full_spans_alone("model.attention.span = { linformer = … }"),
        Span::BigBird { .. } => of_full_spans_alone("model.attention.span = { big_bird = … }"),
    }
}

fn of_decoder_span(span: CausalSpan) -> Implementations {
    match span {
        CausalSpan::Full => Implementations::ALL,
        CausalSpan::Local(_) => of_full_spans_alone("model.attention.decoder_span = { local = … }"),
    }
}

fn of_full_spans_alone(setting: &'static str) -> Implementations {
    let known = "its attention sees all positions";
    // Fused attention computes a mask over all pairs, as for short sequences, or mixtures of positions; the blocks of a
    // longer sequence never use it.
    Implementations { decoding_kernels: Err(Unknown { setting, known }), ..without_toolkits(setting, known) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_one_setting_rules_out_the_others_do_not_bring_back() {
        let config = ModelConfig { norm: Norm::Pre, norm_kind: NormKind::Rms, ..Default::default() };
        let found = Implementations::of(&config);
        assert_eq!(found.marian.unwrap_err().setting, "model.norm = \"pre\"");
        assert_eq!(found.ctranslate2.unwrap_err().setting, "model.norm_kind = \"rms\"");
        assert_eq!((found.fused_attention, found.decoding_kernels), (Ok(()), Ok(())));
        let found = Implementations::of(&ModelConfig::default());
        let of_one_part =
            Implementations { openai_gpt: found.openai_gpt, bert: found.bert, ..Implementations::ALL };
        assert_eq!(found, of_one_part);
        assert_eq!(found.openai_gpt.unwrap_err().setting, "model.encoder = \"self_attention\"");
        assert_eq!(found.bert.unwrap_err().setting, "model.decoder = \"self_attention\"");
        let decoder_only = ModelConfig { encoder: EncoderKind::None, ..Default::default() };
        let found = Implementations::of(&decoder_only);
        assert_eq!((found.fused_attention, found.decoding_kernels), (Ok(()), Ok(())));
        assert_eq!(found.ctranslate2.unwrap_err().setting, "model.encoder = \"none\"");
        assert_eq!((found.openai_gpt, found.bert.unwrap_err().known), (Ok(()), "it is an encoder"));
        let encoder_only = ModelConfig { decoder: DecoderKind::None, ..Default::default() };
        let found = Implementations::of(&encoder_only);
        assert_eq!(found.openai_gpt.unwrap_err().setting, "model.encoder = \"self_attention\"");
        assert_eq!((found.bert, found.marian.unwrap_err().known), (Ok(()), "it has a decoder, which writes"));
        let alone = ModelConfig { decoder: DecoderKind::Convolutional, ..decoder_only };
        assert_eq!(Implementations::of(&alone).torch_peer.unwrap_err().setting, "model.encoder = \"none\"");
    }

    #[test]
    fn toolkits_take_no_recurrent_part_and_fast_paths_serve_the_other_one() {
        let hybrid = ModelConfig { decoder: DecoderKind::Recurrent, ..Default::default() };
        let found = Implementations::of(&hybrid);
        assert_eq!(found.marian.unwrap_err().setting, "model.decoder = \"recurrent\"");
        assert_eq!(found.ctranslate2.unwrap_err().setting, "model.decoder = \"recurrent\"");
        assert_eq!((found.fused_attention, found.decoding_kernels), (Ok(()), Ok(())));
        assert_eq!(found.torch_peer, Ok(()));
    }
}
