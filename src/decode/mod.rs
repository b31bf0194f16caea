//! From a trained model to translations: greedy and beam search.
//!
//! Configuration section `[decoding]`.

pub mod beam;
pub mod greedy;
pub mod length_penalty;
pub mod search;
pub mod translate;

pub use length_penalty::LengthPenaltyForm;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The `[decoding]` section. The defaults are the paper's (§6.1).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DecodingConfig {
    /// Hypotheses kept a step; 1 is greedy search.
    pub beam: usize,
    /// Alpha, the exponent of the length penalty; 0 ranks by the log-probability alone.
    pub length_penalty: f64,
    /// What the exponent is applied to.
    pub length_penalty_form: LengthPenaltyForm,
    /// fairseq's, transformers' and CTranslate2's rule: a hypothesis that ends is finished if it is among the `beam`
    /// best of its step, and a sentence's search is over as soon as as many are finished as the beam is wide. Else, as
    /// the paper's code has it, among the 2·`beam` best, and over only when no other can win any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub early_stopping: bool,
    /// Output may be longer than the input by this many tokens, its end of sentence among them.
    pub max_extra_length: usize,
    /// Padded source tokens times beam that are decoded at once.
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
            batch_tokens: 8_192,
        }
    }
}

impl DecodingConfig {
    /// What hypotheses are ranked by: `log_probability` (nats) over the penalty of `length` tokens,
    /// `</s>` counted if it was produced.
    pub fn score(&self, log_probability: f64, length: usize) -> f64 {
        log_probability / self.length_penalty_form.penalty(length, self.length_penalty)
    }
}
