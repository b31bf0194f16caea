//! The settings of the search for translations.
//!
//! Configuration section `[decoding]`.

pub mod length_penalty;

use crate::left_out::is_default;
use crate::score::Tokenization;
pub use length_penalty::LengthPenaltyForm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[decoding]` section. The defaults are the paper's (§6.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecodingConfig {
    /// Number of hypotheses that the search keeps at each step. 1 is greedy search.
    pub beam: usize,
    /// Exponent alpha of the length penalty. With 0, hypotheses are ranked by log-probability alone.
    pub length_penalty: f64,
    /// Formula of the length penalty.
    pub length_penalty_form: LengthPenaltyForm,
    /// Which rule ends the search. If true, the rule of fairseq, transformers and CTranslate2: a hypothesis that ends
    /// is finished if it is among the best `beam` candidates of its step, and the search for a sentence ends as soon as
    /// `beam` hypotheses are finished. If false, the rule of the paper's code: a hypothesis that ends is finished if it
    /// is among the best 2·`beam` candidates, and the search ends when no unfinished hypothesis can become the best.
    #[serde(skip_serializing_if = "is_default")]
    pub early_stopping: bool,
    /// Number of tokens, including the end of sentence, by which a translation may be longer than its source.
    pub max_extra_length: usize,
    /// Longest sources of the classes of sentences by which scores of the test set are also recorded, in tokens:
    /// `[10, 20]` makes the classes of 1 to 10, of 11 to 20 and of more tokens. Each has its BLEU and the share of its
    /// translations that equal the reference (`test/bleu@11-20`, `test/exact_match@21+`), and both sets have
    /// that share as a whole. Empty: none of these scores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub length_buckets: Vec<usize>,
    /// Tokeniser of BLEU, which the signature names: 13a, the rules of WMT, also for dev BLEU during training. 13a does not
    /// segment languages that are written without blanks: `zh` is for Chinese, and `char` for the others.
    #[serde(skip_serializing_if = "is_default")]
    pub tokenize: Tokenization,
    /// Limit of a decoding batch: number of source tokens with padding, times `beam`.
    pub batch_tokens: usize,
}

impl Default for DecodingConfig {
    fn default() -> Self {
        DecodingConfig {
            beam: 4,
            length_penalty: 0.6,
            length_penalty_form: LengthPenaltyForm::Gnmt,
            early_stopping: false,
            max_extra_length: 50,
            length_buckets: Vec::new(),
            tokenize: Tokenization::Mteval13a,
            batch_tokens: 8_192,
        }
    }
}

impl DecodingConfig {
    /// Returns the score that ranks hypotheses: `log_probability` (nats) over the penalty of `length` tokens,
    /// `</s>` counted if it was produced.
    pub fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / self.length_penalty_form.penalty(length, self.length_penalty)
    }
}
