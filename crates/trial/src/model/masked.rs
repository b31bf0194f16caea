//! The settings of a model without a decoder: `[model.masked]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[model.masked]` section. The defaults are BERT's (Devlin et al. 2019, and its released code).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct MaskedConfig {
    /// Whether the sums of embeddings and positions are normalised before their dropout, in the way of `norm_kind`.
    pub embedding_norm: bool,
    /// What stands between the states of the encoder and the matrix before the softmax.
    pub head: Head,
    /// Number of rows of a table of segments, of which every token adds the first row to its embedding. 0 has no table. BERT
    /// has 2, for the two texts that it tells apart where it also learns which text follows which; only the first row is
    /// trained here, because a block is one text.
    pub segments: i64,
}

/// What stands between the states of the encoder and the matrix before the softmax.
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
        MaskedConfig { embedding_norm: true, head: Head::Transform, segments: 2 }
    }
}
