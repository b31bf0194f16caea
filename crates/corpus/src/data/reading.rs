//! Inputs and targets of a model without an encoder: the direction of reading, the token before a block, and the part of
//! a pair that is predicted.

use super::store::Store;
use super::tokenizer::BOS;
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
    /// Turns tokens from the order of the text into the order of reading, or back.
    pub fn turned<T>(self, mut ids: Vec<T>) -> Vec<T> {
        if self == Direction::Backward {
            ids.reverse();
        }
        ids
    }
}

/// Input from which a language model predicts the first token of a block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FirstInput {
    /// From `<s>` alone, so that a block knows nothing of the text around it.
    #[default]
    Bos,
    /// From the token that stands before the block in the text (of a backward model: behind it), as in nanoGPT and
    /// fairseq. The first block of a text (of a backward model: the last one) still begins with `<s>`.
    PreviousToken,
}

/// Direction in which a language model reads the blocks of a text, and the input before each block.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct BlockReading {
    pub direction: Direction,
    pub first_input: FirstInput,
}

impl BlockReading {
    /// Returns the tokens that the model reads of a block, and the tokens that it predicts at their places; both are as
    /// long as the block.
    ///
    /// # Panics
    /// If `block` is not below [`Store::len`].
    pub fn inputs_and_targets(self, store: &Store, block: usize) -> (Vec<u32>, Vec<u32>) {
        let targets = self.direction.turned(store.target(block));
        let mut inputs = vec![self.token_before(store, block).unwrap_or(BOS)];
        inputs.extend_from_slice(&targets);
        inputs.truncate(targets.len());
        (inputs, targets)
    }

    /// Returns the token of the text from which the first token of a block is predicted, if there is one.
    fn token_before(self, store: &Store, block: usize) -> Option<u32> {
        match (self.first_input, self.direction) {
            (FirstInput::Bos, _) => None,
            (FirstInput::PreviousToken, Direction::Forward) => {
                store.target(block.checked_sub(1)?).last().copied()
            }
            (FirstInput::PreviousToken, Direction::Backward) => (block + 1 < store.len())
                .then(|| store.target(block + 1))
                .and_then(|ids| ids.first().copied()),
        }
    }
}

/// Which tokens a model that translates without an encoder is trained to predict. It reads `<source> </s> <s> <target>`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PrefixLoss {
    /// The tokens of the target, as with an encoder.
    #[default]
    Target,
    /// The tokens of the source, too, but for its first one. On dev and test the target alone is measured.
    Both,
}
