//! The interface between the driver and a launcher: the driver gives orders, and the launcher reports updates.

use super::slurm::slurm_spec::SlurmSpec;
use crate::error::Result;
use crate::results::record::FailureKind;
use crate::signal::StopFlag;
use crate::sweep::devices::CardPool;
use crate::sweep::ledger::Kind;
use crate::sweep::trial_event::TrialEvent;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A trial to run, whose directory is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    /// The trial's number in the sweep, which its updates carry.
    pub trial: usize,
    /// The name of the trial for messages.
    pub name: String,
    pub identity: String,
    pub run_dir: PathBuf,
    /// The update after which it pauses; None: it finishes.
    pub until: Option<u64>,
}

/// An event of the launcher; most are about the trial with the given number.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// A message for the user, not about a particular trial.
    Message(String),
    /// An entry for the ledger.
    Noted(usize, Kind, String),
    /// The trial begins to run.
    Begun(usize),
    /// An event from the trial's process.
    Event(usize, TrialEvent),
    /// The trial's process has ended, and its place is free.
    Ended(usize, Ending),
}

/// The way in which a trial's process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Finished,
    /// Stopped with a saved state; to be started again.
    Stopped,
    /// To be started again, however often, for the given reason: the trial lost its place after it had made progress,
    /// or another process works on it.
    Requeued(String),
    /// Not to be started again for now, for the given reason.
    Left(String),
    Failed {
        kind: FailureKind,
        /// Text for the user.
        reason: String,
        /// The last lines of the log.
        detail: String,
    },
}

/// The properties of a sweep that launchers need.
pub struct Setup<'a> {
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    pub results: &'a Path,
    /// Number of trials that run at once on this machine.
    pub workers: usize,
    /// Number of trials to run.
    pub trials: usize,
    /// Number of threads that trials state; 0 leaves it open.
    pub threads: usize,
    /// The cards that trials on this machine are spread over, if there are any.
    pub pool: Option<&'a CardPool>,
    pub slurm: &'a SlurmSpec,
    /// Raised by a signal that asks the driver to stop.
    pub stop: &'a StopFlag,
}

/// A job that an earlier driver started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierJob {
    /// The update after which it pauses; None: it finishes.
    pub until: Option<u64>,
}

/// Runs trials, each as a separate process.
pub trait Launcher {
    /// Describes how many trials run and where, for the user: `up to 2 at once`.
    fn describe(&self) -> String;

    /// Returns the number of trials that may run, or wait as jobs, at the same time.
    fn places(&self) -> usize;

    /// Returns the number of threads of a trial that leaves it open.
    fn threads(&self) -> usize;

    /// Whether the resources suffice for the trial with this number, apart from a free place. If not, it has to wait.
    fn has_room(&self, _trial: usize) -> bool {
        true
    }

    /// Returns the job that an earlier driver started for the trial, unless it is known to have ended. The trial's
    /// directory must not be changed; [`start`](Self::start) then only takes over the watching.
    fn job(&self, _run_dir: &Path, _identity: &str) -> Option<EarlierJob> {
        None
    }

    /// Starts a trial, at the latest with the next [`updates`](Self::updates).
    fn start(&mut self, order: Order) -> Result<()>;

    /// Returns the events since the last call, in order. Waits for one, but not much longer than `patience`.
    fn updates(&mut self, patience: Duration) -> Result<Vec<Update>>;

    /// Asks every trial to save its state and stop.
    fn stop(&mut self);

    /// Gives up trials that continue without their driver. Returns a message for the user; None if none continue.
    fn leave(&mut self) -> Option<String> {
        None
    }
}
