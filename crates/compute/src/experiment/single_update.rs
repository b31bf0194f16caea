//! One update outside a training run: for the probe of a plan, for `ablate doctor` and for benchmarks.

use crate::data::collate::Batch;
use crate::error::Result;
use crate::train::adam::Adam;
use crate::train::step::{StepStats, Updates};

/// Does update number `step`, from 1, on these batches, by the same functions as the trainer, in one process.
///
/// # Errors
/// The errors of [`Updates::finish`].
pub fn single_update(updates: &Updates, adam: &mut Adam, batches: &[Batch], step: u64) -> Result<StepStats> {
    let target_tokens = batches.iter().map(|batch| batch.target_tokens).sum();
    let sums = updates.accumulate(batches.iter().enumerate(), target_tokens, step);
    updates.finish(adam, sums, step, false)
}
