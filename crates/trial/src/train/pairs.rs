//! Sentence pairs: how those of a store become micro-batches of a source and a target each.

use super::TrainingConfig;
use super::examples::Examples;
use crate::data::batch::{Batching, epoch_batches};
use crate::data::packing;
use crate::data::store::Store;
use crate::model::cost::BatchShape;

/// The pairs of a store as training takes them; an example is a pair.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    pub store: &'a Store,
    /// The seed of the order of the batches.
    pub seed: u64,
    pub batching: Batching,
}

impl<'a> Pairs<'a> {
    pub fn of(store: &'a Store, config: &TrainingConfig) -> Self {
        Pairs { store, seed: config.seed, batching: config.batching() }
    }
}

impl Examples for Pairs<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        epoch_batches(self.store, self.seed, epoch, self.batching)
    }

    fn epoch_tokens(&self) -> u64 {
        self.store.epoch_tokens()
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
}
