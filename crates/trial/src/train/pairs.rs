//! Sentence pairs: the pairs of a store become micro-batches of a source and a target each.

use super::TrainingConfig;
use super::examples::Examples;
use crate::data::batch::{Batching, epoch_batches};
use crate::data::packing;
use crate::data::reading::PrefixLoss;
use crate::data::store::Store;
use crate::model::cost::BatchShape;

/// The pairs of a store as training takes them; an example is a pair.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    pub store: &'a Store,
    /// The seed of the order of the batches.
    pub seed: u64,
    pub batching: Batching,
    /// The predicted tokens, for a model without an encoder, to which source and target are one text; else `None`.
    pub prefix: Option<PrefixLoss>,
}

impl<'a> Pairs<'a> {
    pub fn of(store: &'a Store, config: &TrainingConfig) -> Self {
        Pairs { store, seed: config.seed, batching: config.batching(), prefix: None }
    }

    /// For a model without an encoder, which reads `<source> </s> <s> <target>`.
    pub fn as_prefixes(store: &'a Store, config: &TrainingConfig) -> Self {
        Pairs { prefix: Some(config.prefix_loss), ..Pairs::of(store, config) }
    }

    /// Number of predicted tokens of a source: all but the first one, and the end of the source.
    fn source_predictions(&self, length: usize) -> usize {
        match self.prefix {
            None | Some(PrefixLoss::Target) => 0,
            Some(PrefixLoss::Both) => length,
        }
    }
}

impl Examples for Pairs<'_> {
    fn epoch(&self, epoch: u64) -> Vec<Vec<u32>> {
        epoch_batches(self.store, self.seed, epoch, self.batching)
    }

    fn epoch_tokens(&self) -> u64 {
        let sources = match self.prefix {
            None | Some(PrefixLoss::Target) => 0,
            Some(PrefixLoss::Both) => self.store.source_tokens(),
        };
        self.store.epoch_tokens() + sources
    }

    fn target_tokens(&self, pairs: &[u32]) -> usize {
        let predicted = |&pair: &u32| {
            let (source, target) = self.store.lengths(pair);
            self.source_predictions(source) + target + 1
        };
        pairs.iter().map(predicted).sum()
    }

    fn shape(&self, pairs: &[u32]) -> BatchShape {
        let lengths = |pair| self.store.lengths(pair);
        if self.prefix.is_some() {
            let whole = pairs.iter().map(|&pair| lengths(pair)).map(|(source, target)| source + target + 2);
            return BatchShape {
                pairs: pairs.len() as u64,
                source: 0,
                target: whole.max().unwrap_or(0) as u64,
                scored: self.target_tokens(pairs) as u64,
            };
        }
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
