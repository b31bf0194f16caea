//! How far a trial is, read off its run directory, and why it is not finished.

use crate::config::schema::Experiment;
use crate::error::Result;
use crate::experiment::{attempts, claimed_identity};
use crate::results::record::{FAILURE_FILE, Failure, Record};
use crate::train::checkpoint::Checkpoints;
use serde::Serialize;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// How far a trial is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    Finished,
    NeverStarted,
    /// Begun, and at rest: it goes on from its newest checkpoint.
    Stopped,
    /// A process is at work on it.
    Running,
    Failed,
    /// Its directory holds a run of other settings or data, which would be moved away.
    Changed,
    /// Its record is there and does not verify; a sweep does not start before it is removed.
    Damaged,
    /// Something is there, but the corpus is not prepared, so that nobody can tell whether it is this trial's.
    Unknown,
}

/// How far a trial is, with what there is to say about it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialState {
    pub state: StateKind,
    /// Updates that are done and need not be done again.
    pub step: u64,
    /// Why it is not finished, for people; absent if there is nothing to add.
    pub why: Option<String>,
}

impl TrialState {
    fn new(state: StateKind, step: u64, why: impl Into<String>) -> Self {
        TrialState { state, step, why: Some(why.into()) }
    }

    /// The state of the trial in `run_dir`. `identity` is absent while its corpus is not prepared.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn of(run_dir: &Path, experiment: &Experiment, identity: Option<&str>) -> Result<Self> {
        let steps = experiment.training.steps;
        let record = match Record::load(run_dir) {
            Ok(record) => record,
            Err(error) => return Ok(TrialState::new(StateKind::Damaged, 0, error.to_string())),
        };
        let owner = record.map(|record| (record.identity, true));
        let owner = match owner {
            Some(owner) => Some(owner),
            None => claimed_identity(run_dir)?.map(|identity| (identity, false)),
        };
        let Some((owner, finished)) = owner else {
            return Ok(TrialState { state: StateKind::NeverStarted, step: 0, why: None });
        };
        let Some(identity) = identity else {
            let why = "there is a run, but its corpus is not prepared to compare it with";
            return Ok(TrialState::new(StateKind::Unknown, 0, why));
        };
        if owner != identity {
            let what = if finished { "finished" } else { "begun" };
            let why = format!("settings or data changed since it was {what}; the old run will be moved away");
            return Ok(TrialState::new(StateKind::Changed, 0, why));
        }
        if finished {
            return Ok(TrialState { state: StateKind::Finished, step: steps, why: None });
        }
        let step = Checkpoints::latest_step(&run_dir.join("checkpoints"))?.unwrap_or(0);
        if is_running(run_dir) {
            return Ok(TrialState::new(StateKind::Running, step, "a process is at work on it"));
        }
        if let Some(failure) = latest_failure(run_dir) {
            let detail = failure.detail.lines().last().unwrap_or_default().trim();
            let why = match detail {
                "" => failure.reason,
                _ => format!("{}: {detail}", failure.reason),
            };
            return Ok(TrialState::new(StateKind::Failed, step, why));
        }
        let why = match step {
            0 => "stopped before its first checkpoint".to_string(),
            step if step == steps => "trained; the final scores are missing".to_string(),
            _ => "goes on from its checkpoint".to_string(),
        };
        Ok(TrialState::new(StateKind::Stopped, step, why))
    }
}

/// Whether the latest attempt was made on this machine, has not ended, and its process is alive.
fn is_running(run_dir: &Path) -> bool {
    attempts::load(run_dir).last().is_some_and(|attempt| {
        let program = std::fs::read_link(format!("/proc/{}/exe", attempt.process));
        attempt.ended.is_none()
            && attempt.host == attempts::host()
            && program.is_ok_and(|path| {
                path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("ablate"))
            })
    })
}

/// The failure of the latest attempt: one that was written before that attempt began is history.
fn latest_failure(run_dir: &Path) -> Option<Failure> {
    let failure = Failure::load(run_dir)?;
    let written = std::fs::metadata(run_dir.join(FAILURE_FILE)).and_then(|file| file.modified()).ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    let begun = attempts::load(run_dir).last().map_or(0.0, |attempt| attempt.started);
    (written >= begun).then_some(failure)
}
