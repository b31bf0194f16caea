//! Updates on micro-batches that a test chooses, by the two functions that the trainer calls.

use ablate::data::collate::{Batch, micro_batch};
use ablate::data::store::Store;
use ablate::error::Result;
use ablate::model::Network;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::step::{StepStats, Updates};
use tch::Device;

/// The updates of a model on the pairs of a store.
pub struct StoreUpdates<'a> {
    pub model: &'a dyn Network,
    pub config: &'a TrainingConfig,
    pub store: &'a Store,
}

impl StoreUpdates<'_> {
    /// Makes update number `step`, from 1, on the pairs of `micro_batches`. The gradient norm is measured.
    pub fn step(&self, adam: &mut Adam, micro_batches: &[Vec<u32>], step: u64) -> Result<StepStats> {
        let batching = self.config.batching();
        let batches = micro_batches.iter().map(|pairs| micro_batch(batching, self.store, pairs, Device::Cpu));
        self.step_on(adam, &batches.collect::<Vec<_>>(), step)
    }

    /// Does the same on batches that are made already.
    pub fn step_on(&self, adam: &mut Adam, batches: &[Batch], step: u64) -> Result<StepStats> {
        let updates = Updates { model: self.model, config: self.config };
        let target_tokens = batches.iter().map(|batch| batch.target_tokens).sum();
        let sums = updates.accumulate(batches.iter().enumerate(), target_tokens, step);
        updates.finish(adam, sums, step, true)
    }
}
