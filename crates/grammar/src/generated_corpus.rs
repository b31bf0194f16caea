//! A generated corpus as a recipe states it: `recipe.corpus.generated`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A generated corpus: its sizes in sentence pairs, and its seed. No source sentence is in two splits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratedCorpus {
    /// Number of training pairs.
    pub train: usize,
    /// Number of dev pairs.
    pub dev: usize,
    /// Number of test pairs.
    pub test: usize,
    /// Seed of the generated sentences.
    pub seed: u64,
}
