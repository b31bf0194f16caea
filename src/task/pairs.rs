//! Sentence pairs: how those of a store become micro-batches of a source and a target each.

use crate::data::batch::{Batching, epoch_batches, sorted_batches};
use crate::data::collate::{Batch, collate, micro_batch};
use crate::data::packing;
use crate::data::store::Store;
use crate::error::{Error, Result};
use crate::model::Network;
use crate::model::cost::BatchShape;
use crate::train::TrainingConfig;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::{self, Likelihood};
use tch::Device;

/// The pairs of a store as training takes them; an example is a pair.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    pub store: &'a Store,
    /// Of the order of the batches.
    pub seed: u64,
    pub batching: Batching,
}

impl<'a> Pairs<'a> {
    pub fn of(store: &'a Store, config: &TrainingConfig) -> Self {
        Pairs { store, seed: config.seed, batching: config.batching() }
    }
}

impl BatchSource for Pairs<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        epoch_batches(self.store, self.seed, epoch, self.batching)
    }

    /// The end of each sentence is a token, too.
    fn epoch_tokens(&self) -> u64 {
        self.store.target_tokens() + self.store.len() as u64
    }

    fn target_tokens(&self, pairs: &[u32]) -> usize {
        pairs.iter().map(|&pair| self.store.target_length(pair as usize) + 1).sum()
    }

    fn shape(&self, pairs: &[u32]) -> BatchShape {
        let lengths = |pair| self.store.lengths(pair);
        let (rows, widths) = match self.batching.packed_length {
            Some(row_length) => {
                let rows = packing::rows(pairs, lengths, row_length);
                (rows.len(), packing::shape(rows.iter().map(Vec::as_slice), lengths))
            }
            None => (pairs.len(), packing::shape(pairs.chunks(1), lengths)),
        };
        BatchShape {
            pairs: rows as u64,
            source: widths.source as u64,
            target: widths.target as u64,
            scored: self.target_tokens(pairs) as u64,
        }
    }

    fn collate(&self, pairs: &[u32], device: Device) -> Result<Batch> {
        micro_batch(self.batching, self.store, pairs, device)
    }
}

/// Tokens of the longest sentence of either side, without its end.
pub fn longest_sentence(store: &Store) -> usize {
    let longer = |pair| {
        let (source, target) = store.lengths(pair);
        source.max(target)
    };
    (0..store.len() as u32).map(longer).max().unwrap_or(0)
}

/// Teacher-forced likelihood of every target of `store`, without dropout, in batches of at most
/// `batch_tokens` padded tokens a side.
///
/// # Errors
/// A user error if a sentence is longer than a learned position table.
pub fn likelihood(model: &dyn Network, store: &Store, batch_tokens: usize) -> Result<Likelihood> {
    let lengths: Vec<(usize, usize)> = (0..store.len() as u32).map(|pair| store.lengths(pair)).collect();
    // Training drops long pairs; what a model is judged by is never dropped.
    let longest = longest_sentence(store);
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
