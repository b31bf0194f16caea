//! Sentence pairs as tensors, and how probable a model finds their targets.

use crate::data::batch::sorted_batches;
use crate::data::collate::{Batch, collate, micro_batch};
use crate::data::store::Store;
use crate::error::{Error, Result};
use crate::model::Network;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::{self, Likelihood};
use crate::train::pairs::Pairs;
use tch::Device;

impl BatchSource for Pairs<'_> {
    fn collate(&self, pairs: &[u32], device: Device) -> Result<Batch> {
        micro_batch(self.batching, self.store, pairs, device)
    }
}

/// Teacher-forced likelihood of every target of `store`, without dropout, in batches of at most
/// `batch_tokens` padded tokens a side.
///
/// # Errors
/// A user error if a sentence is longer than a learned position table.
pub fn likelihood(model: &dyn Network, store: &Store, batch_tokens: usize) -> Result<Likelihood> {
    let lengths: Vec<(usize, usize)> = (0..store.len() as u32).map(|pair| store.lengths(pair)).collect();
    // Training drops long pairs; what a model is judged by is never dropped.
    let longest = lengths.iter().map(|&(source, target)| source.max(target)).max().unwrap_or(0);
    if let Some(limit) = model.longest()
        && longest as i64 + 1 > limit
    {
        return Err(Error::user(format!(
            "the longest sentence has {longest} tokens, but model.learned_positions = {limit} leaves room for {}; use {} or more",
            limit - 1,
            longest + 1
        )));
    }
    let batches = sorted_batches(&lengths, batch_tokens).into_iter();
    likelihood::likelihood(model, batches.map(|pairs| collate(store, &pairs, model.device())))
}
