//! The interface between the driver and a launcher: the driver gives orders, and the launcher reports updates.

use super::slurm::slurm_spec::SlurmSpec;
use crate::error::Result;
use crate::results::record::FailureKind;
use crate::sweep::devices::CardPool;
use crate::sweep::ledger::Kind;
use crate::sweep::trial_event::TrialEvent;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
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

/// Something that happened, to the trial of that number.
#[derive(Debug, Clone, PartialEq)]
pub enum Update {
    /// For people, of no trial in particular.
    Message(String),
    /// For the ledger.
    Noted(usize, Kind, String),
    /// It begins to run.
    Begun(usize),
    /// Its process tells how far it is.
    Event(usize, TrialEvent),
    /// It is over, and its place is free.
    Ended(usize, Ending),
}

/// How a trial's process ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    Finished,
    /// To be started again: its state is saved.
    Stopped,
    /// To be started again, however often, for the reason in words: its place was taken away and it got further before,
    /// or another process was at it.
    Requeued(String),
    /// Nobody is to start it again for now, for the reason in words.
    Left(String),
    Failed {
        kind: FailureKind,
        /// In words.
        reason: String,
        /// The log's last lines.
        detail: String,
    },
}

/// What launchers need to know of a sweep.
pub struct Setup<'a> {
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    pub results: &'a Path,
    /// Trials that run at once on this machine.
    pub workers: usize,
    /// Trials that are to run.
    pub trials: usize,
    /// Threads that trials state; 0 leaves them open.
    pub threads: usize,
    /// The cards that trials on this machine are spread over, if there are any.
    pub pool: Option<&'a CardPool>,
    pub slurm: &'a SlurmSpec,
}

/// A job that an earlier driver has started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EarlierJob {
    /// The update after which it pauses; absent: it finishes.
    pub until: Option<u64>,
}

/// Runs trials, each in a process of its own.
pub trait Launcher {
    /// How many run where, for people: `up to 2 at once`.
    fn describe(&self) -> String;

    /// Trials that may be on their way at once.
    fn places(&self) -> usize;

    /// Threads of a trial that leaves their number open.
    fn threads(&self) -> usize;

    /// Whether there is room for the trial with this number, beside a place; if not, it has to wait.
    fn has_room(&self, _trial: usize) -> bool {
        true
    }

    /// The job that an earlier driver has started for the trial, if it has not ended or nobody knows yet how. The trial's
    /// directory must be left alone; [`start`](Self::start) only begins to look after it.
    fn job(&self, _run_dir: &Path, _identity: &str) -> Option<EarlierJob> {
        None
    }

    /// Starts a trial, at the latest with the next [`updates`](Self::updates).
    fn start(&mut self, order: Order) -> Result<()>;

    /// What happened since the last call, in order. Waits for it, but not much longer than `patience`.
    fn updates(&mut self, patience: Duration) -> Result<Vec<Update>>;

    /// Asks every trial to save its state and stop.
    fn stop(&mut self);

    /// Where trials go on without their driver: what to tell a user who ends it. They are then looked after no longer.
    fn leave(&mut self) -> Option<String> {
        None
    }
}
