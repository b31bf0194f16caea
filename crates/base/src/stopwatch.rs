//! The time that each phase of training and decoding takes, for `ablate bench`.
//!
//! The measured code calls [`lap`] at the end of each phase. Only the bench starts a [`Stopwatch`]: in every other
//! command, and on every other thread, a lap costs one look at a thread-local.

use serde::{Deserialize, Serialize};
use std::cell::RefCell;
use std::time::{Duration, Instant};

/// A part of the work on an update or on a translation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Copying token ids to tensors on the device.
    Data,
    /// Embeddings, encoder and decoder, up to the hidden states from which the loss is computed.
    Forward,
    /// Projection to the vocabulary, softmax and cross-entropy, with their gradients.
    Loss,
    /// The gradients of everything before the loss.
    Backward,
    /// Clearing and clipping gradients, Adam.
    Optimizer,
    /// All reporting: gradient norm, `metrics.csv`, TensorBoard.
    Logging,
    /// The source side, and its keys and values for every decoder layer.
    Encoder,
    /// One decoder step for all open hypotheses.
    Decoder,
    /// Projection of hidden states to the most probable tokens.
    NextToken,
    /// Hypotheses: extending, ranking, finishing.
    Search,
    /// Changes of the decoder's cache: rows removed, kept or repeated.
    Cache,
}

impl Phase {
    /// Returns the name for reports.
    pub fn name(self) -> &'static str {
        match self {
            Phase::Data => "data",
            Phase::Forward => "forward",
            Phase::Loss => "loss",
            Phase::Backward => "backward",
            Phase::Optimizer => "optimizer",
            Phase::Logging => "logging",
            Phase::Encoder => "encoder",
            Phase::Decoder => "decoder",
            Phase::NextToken => "next token",
            Phase::Search => "search",
            Phase::Cache => "cache",
        }
    }
}

/// Seconds of each phase.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Split(Vec<(Phase, f64)>);

impl Split {
    pub fn seconds(&self, phase: Phase) -> f64 {
        self.0.iter().filter(|(other, _)| *other == phase).map(|(_, seconds)| seconds).sum()
    }

    pub fn total(&self) -> f64 {
        self.0.iter().map(|(_, seconds)| seconds).sum()
    }

    fn add(&mut self, phase: Phase, time: Duration) {
        let seconds = time.as_secs_f64();
        match self.0.iter_mut().find(|(other, _)| *other == phase) {
            Some((_, sum)) => *sum += seconds,
            None => self.0.push((phase, seconds)),
        }
    }
}

struct Running {
    /// Returns once the device has finished all work that was queued on it.
    settle: Box<dyn Fn()>,
    since: Instant,
    split: Split,
}

thread_local! {
    static RUNNING: RefCell<Option<Running>> = const { RefCell::new(None) };
}

/// A stopwatch that runs on this thread until it is dropped.
pub struct Stopwatch(());

impl Stopwatch {
    /// Starts a stopwatch. `settle` returns once the device has finished its queued work; otherwise a phase would be
    /// charged for work that an earlier one left to a GPU.
    pub fn start(settle: impl Fn() + 'static) -> Self {
        settle();
        let running = Running { settle: Box::new(settle), since: Instant::now(), split: Split::default() };
        RUNNING.set(Some(running));
        Stopwatch(())
    }

    /// Returns the seconds of each phase since the last call, and resets them to 0.
    pub fn take(&self) -> Split {
        RUNNING.with_borrow_mut(|running| {
            running.as_mut().map(|running| std::mem::take(&mut running.split)).unwrap_or_default()
        })
    }
}

impl Drop for Stopwatch {
    fn drop(&mut self) {
        RUNNING.set(None);
    }
}

/// Ends a phase: adds the time since the last lap to it. Does nothing without a stopwatch on this thread.
pub fn lap(phase: Phase) {
    RUNNING.with_borrow_mut(|running| {
        if let Some(Running { settle, since, split }) = running {
            settle();
            let now = Instant::now();
            split.add(phase, now - *since);
            *since = now;
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::rc::Rc;

    #[test]
    fn laps_are_charged_to_their_phase_and_leave_no_time_out() {
        lap(Phase::Data); // nobody measures
        let begun = Instant::now();
        let settled = Rc::new(std::cell::Cell::new(0));
        let count = settled.clone();
        let stopwatch = Stopwatch::start(move || count.set(count.get() + 1));
        std::thread::sleep(Duration::from_millis(3));
        lap(Phase::Forward);
        lap(Phase::Loss);
        std::thread::sleep(Duration::from_millis(2));
        lap(Phase::Forward);
        let elapsed = begun.elapsed().as_secs_f64();
        let split = stopwatch.take();
        assert!(split.seconds(Phase::Forward) >= 0.005 && split.total() <= elapsed, "{split:?}");
        assert_eq!(split.seconds(Phase::Data), 0.0);
        assert_eq!(settled.get(), 4);
        assert_eq!(stopwatch.take(), Split::default());
        drop(stopwatch);
        lap(Phase::Data);
        assert_eq!(settled.get(), 4);
    }
}
