//! Running text whose blocks are examples several times, each time under another number: example m · B + b of a text of B
//! blocks is block b for the m-th time. Epoch e takes every block for the time e mod M. All draws for an example depend on
//! its number and the seed alone, so that a resumed training, and every process of a parallel training, draws the same.

use crate::data::batch::{block_batches, block_batches_in_order};
use crate::data::store::Store;

/// The blocks of a store, each with several numbers.
#[derive(Debug, Clone, Copy)]
pub struct NumberedBlocks<'a> {
    pub store: &'a Store,
    /// The seed of the order of the batches.
    seed: u64,
    /// Tokens of a micro-batch at most.
    tokens: usize,
    /// M: the number of times that a block is an example before its numbers start again.
    times: u32,
}

impl<'a> NumberedBlocks<'a> {
    /// Without `times`, or if `times` is too high, it is the largest value for which numbers fit into 32 bits.
    pub fn new(store: &'a Store, seed: u64, tokens: usize, times: Option<u32>) -> Self {
        let most = (u32::MAX / (store.len() as u32).max(1)).max(1);
        NumberedBlocks { store, seed, tokens, times: times.unwrap_or(most).clamp(1, most) }
    }

    /// The blocks for evaluation: each is an example once.
    pub fn once(store: &'a Store, tokens: usize) -> Self {
        Self::new(store, 0, tokens, Some(1))
    }

    /// The block of an example.
    pub fn block(&self, example: u32) -> usize {
        example as usize % self.store.len()
    }

    /// The tokens of an example's block.
    pub fn ids(&self, example: u32) -> Vec<u32> {
        self.store.target(self.block(example))
    }

    /// The number of tokens of an example's block.
    pub fn length(&self, example: u32) -> usize {
        self.store.target_length(self.block(example))
    }

    /// The numbers of all blocks in the batches of an epoch.
    pub fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        let first = (epoch % u64::from(self.times)) as u32 * self.store.len() as u32;
        let mut batches = block_batches(self.store, self.seed, epoch, self.tokens);
        batches.iter_mut().flatten().for_each(|number| *number += first);
        batches
    }

    /// The batches of all blocks in the order of the text.
    pub fn in_order(&self) -> Vec<Vec<u32>> {
        block_batches_in_order(self.store, self.tokens)
    }
}
