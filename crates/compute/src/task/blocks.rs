//! Blocks of running text: their tensors, and the likelihood of their tokens.

use crate::data::batch::block_batches_in_order;
use crate::data::collate::{Batch, collate_blocks};
use crate::data::store::Store;
use crate::error::{Error, Result};
use crate::model::Network;
use crate::train::BlockReading;
use crate::train::batch_source::BatchSource;
use crate::train::blocks::Blocks;
use crate::train::likelihood::{self, Likelihood};
use tch::Device;

impl BatchSource for Blocks<'_> {
    fn collate(&self, blocks: &[u32], device: Device) -> Batch {
        collate_blocks(self.store, blocks, self.reading, device)
    }
}

/// Computes the likelihood of every token of `store`, given the tokens that `reading` puts before it in its block,
/// without dropout, in batches of at most `batch_tokens` tokens.
///
/// # Errors
/// A user error if a block is longer than a learned position table.
pub fn likelihood(
    model: &dyn Network,
    store: &Store,
    reading: BlockReading,
    batch_tokens: usize,
) -> Result<Likelihood> {
    check_length(model, store.longest_sentence())?;
    let batches = block_batches_in_order(store, batch_tokens).into_iter();
    let collate = |blocks: Vec<u32>| collate_blocks(store, &blocks, reading, model.device());
    Ok(likelihood::likelihood(model, batches.map(collate)))
}

/// Checks that the model takes blocks of up to `longest` tokens.
///
/// # Errors
/// A user error if a block is longer than a learned position table.
pub fn check_length(model: &dyn Network, longest: usize) -> Result<()> {
    match model.longest() {
        Some(limit) if longest as i64 > limit => Err(Error::user(format!(
            "the blocks have {longest} tokens, more than model.learned_positions = {limit}; use {longest} or more"
        ))),
        _ => Ok(()),
    }
}
