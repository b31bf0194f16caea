//! Where the trials of a sweep run. One launcher a file; the driver knows none of them.

pub mod local;
pub mod process;

use super::progress::TrialEvent;
use crate::error::Result;
use crate::results::record::FailureKind;
use std::path::PathBuf;
use std::time::Duration;

/// A trial to run, whose directory is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// Its number among the sweep's trials, by which its updates are told apart.
    pub trial: usize,
    /// What people call it.
    pub name: String,
    pub identity: String,
    pub run_dir: PathBuf,
    /// Pause after this update; absent: finish.
    pub until: Option<u64>,
}

/// Something that happened to a trial that was started.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// Its process tells how far it is.
    Heard(TrialEvent),
    /// It is over, and its place is free.
    Ended(Ending),
}

/// How a trial's process ended.
#[derive(Debug, Clone, PartialEq)]
pub enum Ending {
    Finished,
    /// To be started again: its state is saved, or another process was at it.
    Stopped,
    Failed {
        kind: FailureKind,
        /// In words.
        reason: String,
        /// The log's last lines.
        detail: String,
    },
}

/// Runs trials, each in a process of its own.
pub trait Launcher {
    /// Trials that may be on their way at once.
    fn places(&self) -> usize;

    /// Threads of a trial that leaves their number open.
    fn threads(&self) -> usize;

    /// Whether there is room for the trial with this number, beside a place; if not, it has to wait.
    fn has_room(&self, _trial: usize) -> bool {
        true
    }

    /// Starts a trial.
    fn start(&mut self, order: Order) -> Result<()>;

    /// What happened to the trials since the last call, in order, by their numbers. Waits for it, but not much
    /// longer than `patience`.
    fn updates(&mut self, patience: Duration) -> Result<Vec<(usize, Update)>>;

    /// Asks every trial to save its state and stop.
    fn stop(&mut self);
}
