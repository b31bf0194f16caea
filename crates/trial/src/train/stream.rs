//! Which pairs each update sees: epochs of micro-batches, taken up to the token budget.

use super::TrainingConfig;
use super::run_state::Progress;
use crate::data::batch::{Batching, epoch_batches};
use crate::data::store::Store;
use crate::error::{Diagnostic, Error, Result};

/// An endless sequence of updates, a pure function of (seed, place).
#[derive(Debug)]
pub struct BatchStream<'a> {
    store: &'a Store,
    seed: u64,
    batching: Batching,
    batch_tokens: usize,
    epoch: u64,
    next: usize,
    batches: Vec<Vec<u32>>,
}

impl<'a> BatchStream<'a> {
    /// Starts at `progress`, the beginning or a checkpoint's.
    ///
    /// # Errors
    /// If there is no training pair, or an update would never end; see [`check_budget`].
    pub fn start(store: &'a Store, config: &TrainingConfig, progress: &Progress) -> Result<Self> {
        if store.is_empty() {
            return Err(Error::user("the training data has no sentence pairs"));
        }
        check_budget(store.len(), store.target_tokens() + store.len() as u64, config)?;
        let batches = epoch_batches(store, config.seed, progress.epoch, config.batching());
        Ok(BatchStream {
            store,
            seed: config.seed,
            batching: config.batching(),
            batch_tokens: config.batch_tokens,
            epoch: progress.epoch,
            next: progress.micro_batch,
            batches,
        })
    }

    /// The micro-batches of the next update: at least one, and as many as bring its target tokens
    /// nearest to the budget.
    pub fn next_update(&mut self) -> Vec<Vec<u32>> {
        let (mut update, mut tokens) = (Vec::new(), 0);
        loop {
            if self.next == self.batches.len() {
                self.epoch += 1;
                self.next = 0;
                self.batches = epoch_batches(self.store, self.seed, self.epoch, self.batching);
            }
            let batch = &self.batches[self.next];
            let more = target_tokens(self.store, batch);
            let (missing, excess) =
                (self.batch_tokens as i64 - tokens, tokens + more as i64 - self.batch_tokens as i64);
            if !update.is_empty() && excess > missing {
                return update;
            }
            update.push(batch.clone());
            tokens += more as i64;
            self.next += 1;
        }
    }

    /// How its micro-batches become tensors.
    pub fn batching(&self) -> Batching {
        self.batching
    }

    /// Where the pairs are.
    pub fn store(&self) -> &'a Store {
        self.store
    }

    /// Micro-batches of the epoch that no update took yet.
    pub fn left(&self) -> usize {
        self.batches.len() - self.next
    }

    /// Where the next update begins: (epoch, micro-batch).
    pub fn place(&self) -> (u64, usize) {
        (self.epoch, self.next)
    }
}

/// Epochs that an update may take at most. Small corpora are gone through several times an update; more than this is a
/// mistake, and would keep one update busy for as long as it likes.
const MOST_EPOCHS: u64 = 100;

/// Whether an update ends within a reasonable number of epochs of a text of so many pairs and target tokens, ends of
/// sentences counted.
///
/// # Errors
/// A user error with the tokens of an epoch.
pub fn check_budget(pairs: usize, epoch: u64, config: &TrainingConfig) -> Result<()> {
    let asked = config.batch_tokens as u64;
    let most = epoch.saturating_mul(MOST_EPOCHS);
    if pairs == 0 || asked <= most {
        return Ok(());
    }
    let message = format!(
        "training.batch_tokens = {asked} is out of range: an epoch of the training text has {epoch} target tokens, and an update takes {MOST_EPOCHS} epochs at most"
    );
    let help = format!("use {most} or less; {epoch} make an update of every epoch");
    Err(Diagnostic::new(message).help(help).into())
}

/// Target tokens of these pairs, end of sentence counted.
pub fn target_tokens(store: &Store, pairs: &[u32]) -> usize {
    pairs.iter().map(|&i| store.target_length(i as usize) + 1).sum()
}
