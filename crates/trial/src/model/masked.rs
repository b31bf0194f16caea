//! The settings of a model without a decoder: `[model.masked]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model.masked]` section. The defaults are BERT's (Devlin et al. 2019, and its released code).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskedConfig {
    /// Whether the sums of embeddings and positions are normalised before their dropout, in the way of `norm_kind`.
    pub embedding_norm: bool,
    /// Layers between the states of the encoder and the matrix before the softmax.
    pub head: Head,
    /// Number of rows of a table of segments. Every token adds the first row to its embedding; with `next_sentence` those of
    /// the second text add the second row, where there is one. 0 has no table. BERT has 2.
    pub segments: i64,
    /// Whether the model also learns if one text follows another, as BERT does: a block is cut in two, in half of the cases
    /// the second text is replaced by one of another block, and a map, tanh and a second map of the state of the first token
    /// say whether it was.
    pub next_sentence: bool,
}

/// Layers between the states of the encoder and the matrix before the softmax.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Head {
    /// A linear map to the width of the embeddings, the activation of the feed-forward sub-layers (of a gated one the
    /// function of its gate), and a norm.
    Transform,
    /// Nothing.
    None,
}

impl Default for MaskedConfig {
    fn default() -> Self {
        MaskedConfig { embedding_norm: true, head: Head::Transform, segments: 2, next_sentence: false }
    }
}
