//! How a model without an encoder reads: in which direction a text, and what it predicts of a pair.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// In which direction a language model reads its text.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// From the first token of a block to the last: each is predicted from those before it.
    #[default]
    Forward,
    /// From the last token of a block to the first: each is predicted from those behind it, as by the second of ELMo's two
    /// language models (Peters et al. 2018, §3.1).
    Backward,
}

impl Direction {
    pub fn is_default(&self) -> bool {
        *self == Direction::default()
    }

    /// Tokens of a text in the order in which the model reads them, or tokens in that order as the text has them.
    pub fn turned<T>(self, mut ids: Vec<T>) -> Vec<T> {
        if self == Direction::Backward {
            ids.reverse();
        }
        ids
    }
}

/// Which tokens a model that translates without an encoder is trained to predict. It reads `<source> </s> <s> <target>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrefixLoss {
    /// Those of the target, as a model with an encoder.
    #[default]
    Target,
    /// Those of the source too, but for its first one. What is measured on dev and test is the target alone.
    Both,
}

impl PrefixLoss {
    pub fn is_default(&self) -> bool {
        *self == PrefixLoss::default()
    }
}
