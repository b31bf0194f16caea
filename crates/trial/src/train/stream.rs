//! The examples that each update sees: epochs of micro-batches, taken up to the token budget.

use super::TrainingConfig;
use super::examples::Examples;
use super::run_state::Progress;
use crate::error::{Diagnostic, Error, Result};

/// An endless sequence of updates, a pure function of the examples and the place.
#[derive(Debug)]
pub struct BatchStream<'a> {
    examples: &'a dyn Examples,
    batch_tokens: usize,
    epoch: u64,
    next: usize,
    batches: Vec<Vec<u32>>,
}

impl<'a> BatchStream<'a> {
    /// Starts at `progress`, the beginning or a checkpoint's.
    ///
    /// # Errors
    /// If there is no example, or an update would never end; see [`check_budget`].
    pub fn start(examples: &'a dyn Examples, config: &TrainingConfig, progress: &Progress) -> Result<Self> {
        let epoch_tokens = examples.epoch_tokens();
        if epoch_tokens == 0 {
            return Err(Error::user(EMPTY));
        }
        check_budget(epoch_tokens, config)?;
        Ok(BatchStream {
            examples,
            batch_tokens: config.batch_tokens,
            epoch: progress.epoch,
            next: progress.micro_batch,
            batches: examples.epoch(progress.epoch),
        })
    }

    /// Returns the micro-batches of the next update: at least one, and as many as bring its tokens nearest to the
    /// budget ([`Examples::budget_tokens`]).
    pub fn next_update(&mut self) -> Vec<Vec<u32>> {
        let (mut update, mut tokens) = (Vec::new(), 0);
        loop {
            if self.next == self.batches.len() {
                self.epoch += 1;
                self.next = 0;
                self.batches = self.examples.epoch(self.epoch);
            }
            let batch = &self.batches[self.next];
            let more = self.examples.budget_tokens(batch);
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

    /// Number of micro-batches of the epoch that no update has taken yet.
    pub fn left(&self) -> usize {
        self.batches.len() - self.next
    }

    /// The place where the next update begins: (epoch, micro-batch).
    pub fn place(&self) -> (u64, usize) {
        (self.epoch, self.next)
    }
}

/// The message of the error for a text without examples.
pub const EMPTY: &str = "the training text is empty: there is nothing to train on";

/// Most epochs that an update may take. An update may go through a small corpus several times; more than this is a
/// mistake, and would keep one update running for hours.
const MOST_EPOCHS: u64 = 100;

/// Checks that an update does not take too many epochs of `epoch` tokens each.
///
/// # Errors
/// A user error with the tokens of an epoch.
pub fn check_budget(epoch: u64, config: &TrainingConfig) -> Result<()> {
    let asked = config.batch_tokens as u64;
    let most = epoch.saturating_mul(MOST_EPOCHS);
    if epoch == 0 || asked <= most {
        return Ok(());
    }
    let message = format!(
        "training.batch_tokens = {asked} is out of range: an epoch of the training text has {epoch} tokens that count, and an update takes {MOST_EPOCHS} epochs at most"
    );
    let help = format!("use {most} or less; {epoch} make an update of every epoch");
    Err(Diagnostic::new(message).help(help).into())
}
