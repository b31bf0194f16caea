//! The training examples as far as no tensors are needed. The task decides what an example is.

use crate::model::cost::BatchShape;
use std::fmt::Debug;

/// The examples of a training text, and the micro-batches that they make.
pub trait Examples: Debug + Sync {
    /// The micro-batches of an epoch, from 0, in order, as the numbers of their examples. A pure function of the epoch, so
    /// that a place in it can be returned to.
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>>;

    /// The [budget](Self::budget_tokens) of an epoch; 0: there are no examples.
    fn epoch_tokens(&self) -> u64;

    /// Target tokens of a micro-batch, those that the loss counts.
    fn target_tokens(&self, examples: &[u32]) -> usize;

    /// Tokens by which an update is full (`training.batch_tokens`): the target tokens, unless a model reads more than it
    /// predicts.
    fn budget_tokens(&self, examples: &[u32]) -> usize {
        self.target_tokens(examples)
    }

    /// The size of a micro-batch, without making it.
    fn shape(&self, examples: &[u32]) -> BatchShape;
}
