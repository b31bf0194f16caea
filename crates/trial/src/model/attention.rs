//! The `[model.attention]` section, and what of it goes with what.

use crate::model::{ModelConfig, Position};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model.attention]` section: how attention scores keys, which projections it has, and how far it sees. The
/// defaults are the paper's (§3.2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct AttentionConfig {
    /// How a query and a key of a head are compared: the number that the softmax turns into a weight (§3.2.1).
    pub score: Score,
    /// The same for the decoder's attention to the encoder alone. If absent, as `score`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cross_score: Option<Score>,
    /// Which of the matrices for queries, keys, values and outputs attention has (§3.2.2).
    pub projections: Projections,
    /// How far self-attention sees. What the paper names restricted self-attention (§4, Table 1) is `local`. `linformer`
    /// and `big_bird` look at what follows a position, too, so they are for the encoder; the decoder then sees all.
    pub span: Span,
    /// The same for the decoder's self-attention alone. If absent, as `span` where a decoder can have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decoder_span: Option<CausalSpan>,
}

/// How a query q and a key k of a head are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Score {
    /// q · k / √d_k, as in the paper (§3.2.1).
    ScaledDot,
    /// q · k: the paper's score without its scale (Luong et al. 2015).
    Dot,
    /// v · tanh(q + k) with a trained vector v for each head (Bahdanau et al. 2015).
    Additive,
    /// q W k with a trained matrix W for each head, without a scale (Luong et al. 2015, "general").
    Multiplicative,
}

/// Which of its four matrices attention has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Projections {
    /// Queries, keys, values and outputs each have their own, as in the paper (§3.2.2).
    Separate,
    /// Queries and keys share one matrix (Kitaev et al. 2020).
    SharedQueryKey,
    /// Queries and keys are the input itself, split into heads; values and outputs have their matrices.
    ValuesOnly,
    /// Queries, keys and values are the input itself, split into heads, and the heads side by side are the output.
    None,
}

/// How far self-attention sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Span {
    /// All positions, as in the paper.
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

impl Default for AttentionConfig {
    fn default() -> Self {
        AttentionConfig {
            score: Score::ScaledDot,
            cross_score: None,
            projections: Projections::Separate,
            span: Span::Full,
            decoder_span: None,
        }
    }
}

/// Settings that contradict each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// The key to point at.
    pub key: &'static str,
    pub message: String,
    pub help: &'static str,
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

    /// The same settings without those that only repeat others.
    pub fn without_repetitions(&self) -> Self {
        AttentionConfig {
            cross_score: self.cross_score.filter(|&cross| cross != self.score),
            decoder_span: self.decoder_span.filter(|&span| span != self.span.causal()),
            ..self.clone()
        }
    }
}

impl Span {
    /// The decoder's where nothing else is stated.
    fn causal(self) -> CausalSpan {
        match self {
            Span::Local(width) => CausalSpan::Local(width),
            Span::Full | Span::Linformer(_) | Span::BigBird { .. } => CausalSpan::Full,
        }
    }

    /// Whether rows of several sentences can be computed: each sentence sees what it would see in a row of its own.
    pub fn packs(self) -> bool {
        match self {
            Span::Full | Span::Local(_) => true,
            Span::Linformer(_) | Span::BigBird { .. } => false,
        }
    }
}

/// The first settings of attention that no model can have together.
pub fn conflict(config: &ModelConfig) -> Option<Conflict> {
    let AttentionConfig { score, projections, span, .. } = config.attention;
    let unprojected: &[(&str, i64)] = match projections {
        Projections::Separate | Projections::SharedQueryKey => &[],
        Projections::ValuesOnly => &[("d_k", config.d_k())],
        Projections::None => &[("d_k", config.d_k()), ("d_v", config.d_v())],
    };
    for (name, width) in unprojected {
        if config.heads.checked_mul(*width) != Some(config.d_model) {
            let (d_model, heads) = (config.d_model, config.heads);
            return Some(Conflict {
                key: "model.attention.projections",
                message: format!(
                    "model.attention.projections = {} splits the input into heads, but model.heads = {heads} heads of \
                     {name} = {width} are not model.d_model = {d_model} numbers wide",
                    name_of(&projections)
                ),
                help: "leave model.d_k and model.d_v out and choose heads that divide d_model, or choose other projections",
            });
        }
    }
    let position = config.position;
    // What positions do to queries and keys, or to products with them, that the score must be made of.
    let on_products = match position {
        Position::Rotary => {
            Some("turns queries and keys so that their product tells how far apart they stand")
        }
        Position::Relative(_) => {
            Some("adds to the product of a query and a key that with the vector of their distance")
        }
        Position::Sinusoidal
        | Position::SinusoidalHalves
        | Position::Learned
        | Position::Alibi
        | Position::T5
        | Position::None => None,
    };
    if let (Score::Additive, Some(what)) = (score, on_products) {
        return Some(Conflict {
            key: "model.attention.score",
            message: format!(
                "model.attention.score = \"additive\" has no product of queries and keys, and model.position = {} {what}",
                name_of(&position)
            ),
            help: "choose another score or another position encoding",
        });
    }
    let on_pairs = match position {
        Position::Relative(_) | Position::Rotary | Position::Alibi | Position::T5 => true,
        Position::Sinusoidal | Position::SinusoidalHalves | Position::Learned | Position::None => false,
    };
    if matches!(span, Span::Linformer(_)) && on_pairs {
        return Some(Conflict {
            key: "model.attention.span",
            message: format!(
                "model.attention.span = {{ linformer = … }} mixes the keys of all positions, and model.position = {} needs to \
                 know where each key stands",
                name_of(&position)
            ),
            help: "choose another span, or a position encoding on the embeddings",
        });
    }
    let pattern = match (span, config.attention.decoder_span()) {
        (Span::BigBird { .. }, _) => Some(("model.attention.span", "big_bird")),
        (Span::Local(_), _) => Some(("model.attention.span", "local")),
        (Span::Full | Span::Linformer(_), CausalSpan::Local(_)) => {
            Some(("model.attention.decoder_span", "local"))
        }
        (Span::Full | Span::Linformer(_), CausalSpan::Full) => None,
    };
    if let (Position::Relative(_), Some((key, name))) = (position, pattern) {
        return Some(Conflict {
            key,
            message: format!(
                "{key} = {{ {name} = … }} is computed in blocks, and model.position = {} needs the scores of all pairs of \
                 positions",
                name_of(&position)
            ),
            help: "choose the span \"full\", or another position encoding",
        });
    }
    None
}

/// A choice as a file states it.
fn name_of(choice: &impl Serialize) -> String {
    serde_json::to_string(choice).unwrap_or_default()
}
