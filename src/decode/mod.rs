//! From a trained model to translations: greedy and beam search.
//!
//! Configuration section `[decoding]`.

pub mod beam;
pub mod greedy;
pub mod search;
pub mod translate;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[decoding]` section. The defaults are the paper's (§6.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecodingConfig {
    /// Hypotheses kept a step; 1 is greedy search.
    pub beam: usize,
    /// Alpha of the GNMT length penalty ((5 + length) / 6)^alpha (Wu et al. 2016, eq. 14).
    pub length_penalty: f64,
    /// Output may be longer than the input by this many tokens.
    pub max_extra_length: usize,
    /// Padded source tokens times beam that are decoded at once.
    pub batch_tokens: usize,
}

impl Default for DecodingConfig {
    fn default() -> Self {
        DecodingConfig { beam: 4, length_penalty: 0.6, max_extra_length: 50, batch_tokens: 8_192 }
    }
}
