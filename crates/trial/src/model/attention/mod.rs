//! The `[model.attention]` section; [`conflict`](crate::config::conflict) checks which of its settings exclude each other.

pub mod cost;

use crate::left_out::is_default;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model.attention]` section: how attention scores keys, which projections it has, and how far it sees. The
/// defaults are the paper's (§3.2).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionConfig {
    /// How a query and a key of a head are compared: the number that the softmax turns into a weight (§3.2.1).
    #[serde(skip_serializing_if = "is_default")]
    pub score: Score,
    /// Score of the decoder's attention to the encoder alone. If absent, it is `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_score: Option<Score>,
    /// Which of the matrices for queries, keys, values and outputs attention has (§3.2.2).
    #[serde(skip_serializing_if = "is_default")]
    pub projections: Projections,
    /// How far self-attention sees. What the paper names restricted self-attention (§4, Table 1) is `local`. `linformer`
    /// and `big_bird` look at what follows a position, too, so they are for the encoder; the decoder then sees all.
    #[serde(skip_serializing_if = "is_default")]
    pub span: Span,
    /// Span of the decoder's self-attention alone. If absent, it is `span` where a decoder can have that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_span: Option<CausalSpan>,
}

/// How a query q and a key k of a head are compared.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// q · k / √d_k, as in the paper (§3.2.1).
    #[default]
    ScaledDot,
    /// q · k: the paper's score without its scale (Luong et al. 2015).
    Dot,
    /// v · tanh(q + k) with a trained vector v for each head (Bahdanau et al. 2015).
    Additive,
    /// q W k with a trained matrix W for each head, without a scale (Luong et al. 2015, "general").
    Multiplicative,
}

/// Which of its four matrices attention has.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projections {
    /// Queries, keys, values and outputs each have their own, as in the paper (§3.2.2).
    #[default]
    Separate,
    /// Queries and keys share one matrix (Kitaev et al. 2020).
    SharedQueryKey,
    /// Queries and keys are the input itself, split into heads; values and outputs have their matrices.
    ValuesOnly,
    /// Queries, keys and values are the input itself, split into heads, and the heads side by side are the output.
    None,
}

/// How far self-attention sees.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Span {
    /// All positions, as in the paper.
    #[default]
    Full,
    /// A neighbourhood of this many positions: of an encoder's position, around it (of an even number the one more stands
    /// before), of a decoder's, the last ones up to itself.
    Local(i64),
    /// This many trained mixtures of all positions (Wang et al. 2020). Sentences have at most `model.learned_positions`
    /// tokens.
    Linformer(i64),
    /// Neighbouring, random and global blocks (Zaheer et al. 2020).
    BigBird {
        /// Tokens of a block.
        block: i64,
        /// Random blocks that each block sees.
        random: i64,
        /// Blocks at the beginning of a sentence that see all blocks and are seen by all.
        global: i64,
    },
}

/// How far the decoder's self-attention sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum CausalSpan {
    /// All positions up to its own, as in the paper.
    Full,
    /// The last positions, this many with its own.
    Local(i64),
}

impl AttentionConfig {
    /// The score of the decoder's attention to the encoder.
    pub fn cross_score(&self) -> Score {
        self.cross_score.unwrap_or(self.score)
    }

    /// The span of the decoder's self-attention.
    pub fn decoder_span(&self) -> CausalSpan {
        self.decoder_span.unwrap_or(self.span.causal())
    }

    /// Returns the settings without those that only repeat others.
    pub fn without_repetitions(&self) -> Self {
        AttentionConfig {
            cross_score: self.cross_score.filter(|&cross| cross != self.score),
            decoder_span: self.decoder_span.filter(|&span| span != self.span.causal()),
            ..self.clone()
        }
    }
}

impl Span {
    /// The decoder's span if no other one is stated.
    fn causal(self) -> CausalSpan {
        match self {
            Span::Local(width) => CausalSpan::Local(width),
            Span::Full | Span::Linformer(_) | Span::BigBird { .. } => CausalSpan::Full,
        }
    }

    /// Whether a row may hold several sentences: each sentence sees the same as in its own row.
    pub fn packs(self) -> bool {
        match self {
            Span::Full | Span::Local(_) => true,
            Span::Linformer(_) | Span::BigBird { .. } => false,
        }
    }
}
