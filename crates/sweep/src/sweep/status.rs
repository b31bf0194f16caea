//! `ablate status`: the state of every trial of a sweep, read from run directories, locks, the ledger, and Slurm's
//! queue if the sweep has jobs. Works while a driver is running, after it died, and without one.
//!
//! The types here are the JSON of `ablate status --json`: their field names are a file format, described in
//! docs/architecture.md.

use super::board::{Line, Stage};
use super::corpora::Corpora;
use super::driver;
use super::launch::slurm::{self, Queued};
use super::ledger::{self, Entry, Kind};
use super::state::{StateKind, TrialState};
use super::trial::{Trial, run_dir};
use crate::clock;
use crate::error::Result;
use crate::experiment::{Holder, LOG_FILE, attempts, latest_failure};
use crate::results::metric::{
    DEV, DEV_BLEU, DEV_F1, DEV_LOSS, TEST, TEST_BLEU, TEST_F1, TRAIN_LOSS, main_score,
};
use crate::results::record::{Failure, Record};
use crate::telemetry::console::seconds_left;
use crate::telemetry::growing_file::Line as _;
use crate::telemetry::metrics_log::Row;
use crate::telemetry::{METRICS_FILE, TIMING_FILE};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A sweep at one moment.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Status {
    pub sweep: String,
    pub directory: PathBuf,
    /// Whether a driver holds the sweep's lock.
    pub at_work: bool,
    /// The driver; absent also if the lock file does not name it.
    pub driver: Option<Holder>,
    /// The reason why Slurm's queue could not be read; absent if it was read, or the sweep has no jobs.
    pub queue_error: Option<String>,
    /// Number of trials in each state.
    pub states: BTreeMap<StateKind, usize>,
    pub trials: Vec<TrialStatus>,
    /// Number of trials that a search has not drawn yet; `trials` does not contain them.
    pub to_come: usize,
}

/// A trial at one moment. Unknown values are absent.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialStatus {
    pub row: String,
    pub seed: u64,
    pub run_dir: PathBuf,
    /// Absent while its corpus is not prepared.
    pub identity: Option<String>,
    /// `state`, `step` (the last one reported, while it runs) and `why`.
    #[serde(flatten)]
    pub state: TrialState,
    /// The trial's job in Slurm's queue.
    pub job: Option<Queued>,
    /// Number of updates of the whole training.
    pub steps: u64,
    /// The last measured values.
    pub train_loss: Option<f64>,
    pub dev_loss: Option<f64>,
    pub dev_bleu: Option<f64>,
    /// F1 of a parser; absent for other trials.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev_f1: Option<f64>,
    /// Score of a finished trial.
    pub test_bleu: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test_f1: Option<f64>,
    /// Speed and remaining time; only while it runs.
    pub tokens_per_second: Option<f64>,
    pub seconds_left: Option<f64>,
    /// Number of processes that worked on it, including a running one.
    pub attempts: usize,
    /// Host and process of the last attempt.
    pub host: Option<String>,
    pub process: Option<u32>,
    pub log: Option<PathBuf>,
    /// Failure of a failed trial.
    pub failure: Option<Failure>,
}

impl Status {
    /// Reads the status of the sweep called `name` in `sweep_dir`, to which a search will add `to_come` trials.
    ///
    /// # Errors
    /// A corpus that exists and is damaged; a directory that cannot be read.
    pub fn read(
        name: &str,
        sweep_dir: &Path,
        data_root: &Path,
        trials: &[Trial],
        to_come: usize,
    ) -> Result<Self> {
        let driver = driver::at_work(sweep_dir)?;
        let at_work = driver.is_some();
        let entries = ledger::read(sweep_dir)?;
        let (mut queue, queue_error) = match slurm::queue(sweep_dir) {
            Ok(queue) => (queue, None),
            Err(error) => (BTreeMap::new(), Some(error.to_string())),
        };
        // The ledger has only the last state of jobs that a driver saw.
        let asked = queue_error.is_none();
        let mut corpora = Corpora::new(data_root);
        let mut found = Vec::new();
        for trial in trials {
            let identity = corpora.identities(&trial.experiment)?.map(|(identity, _)| identity);
            let own = |entry: &&Entry| {
                entry.row == trial.row
                    && entry.seed == trial.seed
                    && Some(&entry.identity) == identity.as_ref()
            };
            let run_dir = run_dir(sweep_dir, trial);
            let job = queue.remove(&run_dir);
            let told = Told { last: entries.iter().rev().find(own), job, asked, at_work };
            found.push(TrialStatus::read(run_dir, trial, identity, told)?);
        }
        let mut states = BTreeMap::new();
        found.iter().for_each(|trial| *states.entry(trial.state.state).or_default() += 1);
        Ok(Status {
            sweep: name.to_string(),
            directory: sweep_dir.to_path_buf(),
            at_work,
            driver: driver.flatten(),
            queue_error,
            states,
            trials: found,
            to_come,
        })
    }
}

/// Information about a trial from outside of its directory.
struct Told<'a> {
    /// The last entry of the ledger.
    last: Option<&'a Entry>,
    job: Option<Queued>,
    /// Whether Slurm's queue was read.
    asked: bool,
    /// Whether a driver is running.
    at_work: bool,
}

impl TrialStatus {
    fn read(run_dir: PathBuf, trial: &Trial, identity: Option<String>, told: Told) -> Result<Self> {
        let steps = trial.experiment.training.steps;
        let state = TrialState::of(&run_dir, &trial.experiment, identity.as_deref())?;
        let state = told.add_to(state, steps);
        let log = run_dir.join(LOG_FILE);
        let mut status = TrialStatus {
            row: trial.row.clone(),
            seed: trial.seed,
            log: log.exists().then_some(log),
            identity,
            state,
            job: told.job,
            steps,
            train_loss: None,
            dev_loss: None,
            dev_bleu: None,
            dev_f1: None,
            test_bleu: None,
            test_f1: None,
            tokens_per_second: None,
            seconds_left: None,
            attempts: 0,
            host: None,
            process: None,
            failure: None,
            run_dir,
        };
        match status.state.state {
            StateKind::Finished => {
                let record = Record::readable(&status.run_dir);
                let score = |tag: &str| record.as_ref()?.metrics.get(tag).copied();
                status.dev_loss = score(DEV_LOSS);
                status.dev_bleu = score(DEV_BLEU);
                status.test_bleu = score(TEST_BLEU);
                (status.dev_f1, status.test_f1) = (score(DEV_F1), score(TEST_F1));
                status.measure(record.as_ref());
            }
            StateKind::Running | StateKind::Stopped | StateKind::Paused => status.measure(None),
            StateKind::Failed => {
                status.measure(None);
                status.failure = latest_failure(&status.run_dir);
                if let Some(failure) = &status.failure {
                    status.attempts = failure.attempts as usize;
                }
            }
            // The directory's content is not this trial's, or this is not known.
            _ => {}
        }
        Ok(status)
    }

    /// Reads the curves and the attempts of the run. Files that cannot be read, or differ from the record of a finished
    /// run, count as unknown.
    fn measure(&mut self, record: Option<&Record>) {
        let rows =
            |file| Row::read_undamaged(&self.run_dir.join(file)).map(|(rows, _)| rows).unwrap_or_default();
        let sound = record.is_none_or(|record| record.check_file(&self.run_dir, METRICS_FILE).is_ok());
        let metrics = if sound { rows(METRICS_FILE) } else { Vec::new() };
        let last = |rows: &[Row], tag| rows.iter().rfind(|row| row.tag == tag).map(|row| row.value);
        self.train_loss = last(&metrics, TRAIN_LOSS);
        self.dev_loss = self.dev_loss.or_else(|| last(&metrics, DEV_LOSS));
        self.dev_bleu = self.dev_bleu.or_else(|| last(&metrics, DEV_BLEU));
        self.dev_f1 = self.dev_f1.or_else(|| last(&metrics, DEV_F1));
        let attempts = attempts::load(&self.run_dir);
        self.attempts = attempts.len();
        let Some(attempt) = attempts.last() else { return };
        (self.host, self.process) = (Some(attempt.host.clone()), Some(attempt.process));
        if self.state.state == StateKind::Running {
            let step = metrics.iter().map(|row| row.step).max().unwrap_or(0);
            self.state.step = self.state.step.max(step).min(self.steps);
            self.tokens_per_second = last(&rows(TIMING_FILE), "train/tokens_per_second");
            let now = clock::seconds();
            let left = seconds_left(now - attempt.started, attempt.from_step, self.state.step, self.steps);
            self.seconds_left = Some(left).filter(|left| left.is_finite() && *left >= 0.0);
        }
    }

    /// Returns the trial's line on the board.
    pub fn line(&self) -> Line {
        let finished = self.state.state == StateKind::Finished;
        let mut notes = Vec::new();
        if self.attempts > 1 && !finished {
            notes.push(format!("attempt {}", self.attempts));
        }
        if let (StateKind::Running, Some(host)) = (self.state.state, &self.host) {
            notes.push(format!("on {host}"));
            notes.extend(self.job.as_ref().map(|job| format!("job {}", job.job)));
        } else if let Some(failure) = &self.failure {
            notes.push(failure.reason.clone());
        } else {
            notes.extend(self.state.why.clone());
        }
        Line {
            name: format!("{} seed {}", self.row, self.seed),
            stage: match (&self.job, self.state.state) {
                (Some(_), StateKind::Stopped | StateKind::NeverStarted) => Stage::Queued,
                (_, state) => Stage::from(state),
            },
            step: self.state.step,
            steps: self.steps,
            loss: self.train_loss,
            score: main_score(if finished { TEST } else { DEV }, |tag| match tag {
                DEV_BLEU => self.dev_bleu,
                TEST_BLEU => self.test_bleu,
                DEV_F1 => self.dev_f1,
                TEST_F1 => self.test_f1,
                _ => None,
            }),
            tokens_per_second: self.tokens_per_second,
            seconds_left: self.seconds_left,
            note: notes.join(", "),
        }
    }
}

impl Told<'_> {
    /// Adds to the state what only the ledger and the queue tell.
    fn add_to(&self, state: TrialState, steps: u64) -> TrialState {
        let kind = state.state;
        if let (Some(job), StateKind::Stopped | StateKind::NeverStarted) = (&self.job, kind) {
            return TrialState { why: Some(job.describe()), ..state };
        }
        let Some(last) = self.last else { return state };
        let reason = last.reason.clone().unwrap_or_default();
        match (kind, last.event) {
            (kind, Kind::Recorded) if !kind.is_done() => {
                TrialState::new(StateKind::Recorded, steps, format!("the record in {reason} stands for it"))
            }
            (StateKind::Stopped, Kind::Paused) => {
                TrialState::new(StateKind::Paused, state.step, format!("halving compared it at {reason}"))
            }
            (StateKind::Stopped, Kind::Retried) => {
                TrialState { why: Some(format!("{reason}, to be tried again")), ..state }
            }
            (StateKind::Stopped | StateKind::NeverStarted, Kind::Submitted | Kind::Requeued) => {
                let why = match (self.asked, self.at_work) {
                    (false, _) => format!("was last seen in Slurm's queue: {reason}"),
                    (true, true) => format!("its job has left Slurm's queue: {reason}"),
                    (true, false) => {
                        format!("its job has left Slurm's queue ({reason}); the sweep submits it again")
                    }
                };
                TrialState { why: Some(why), ..state }
            }
            // With a running driver, the process may just have ended or failed without the driver's having seen it yet.
            (StateKind::Stopped, Kind::Started) if !self.at_work => {
                let at = match state.step {
                    0 => "it begins anew".to_string(),
                    _ => "it goes on from its checkpoint".to_string(),
                };
                TrialState { why: Some(format!("its process is gone, and so is the driver; {at}")), ..state }
            }
            _ => state,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(event: Kind, reason: &str) -> Entry {
        let (row, identity, reason) = ("r".into(), "i".into(), Some(reason.into()));
        Entry { time: 0.0, event, row, seed: 1, identity, reason }
    }

    fn state(kind: StateKind, last: Option<Entry>, at_work: bool) -> (StateKind, u64, String) {
        let state = TrialState { state: kind, step: 7, why: Some("as found".into()) };
        let state = Told { last: last.as_ref(), job: None, asked: true, at_work }.add_to(state, 40);
        (state.state, state.step, state.why.unwrap())
    }

    #[test]
    fn the_ledger_tells_what_directories_cannot() {
        use StateKind::*;
        assert_eq!(state(Stopped, None, false), (Stopped, 7, "as found".into()));
        let (kind, step, why) = state(Stopped, Some(entry(Kind::Paused, "step 7, dev loss 3")), true);
        assert_eq!((kind, step), (Paused, 7));
        assert!(why.contains("step 7, dev loss 3"), "{why}");
        let (kind, step, why) = state(NeverStarted, Some(entry(Kind::Recorded, "a.jsonl:3")), false);
        assert_eq!((kind, step), (Recorded, 40));
        assert!(why.contains("a.jsonl:3"), "{why}");
        let submitted = || Some(entry(Kind::Submitted, "job 7"));
        assert!(state(Stopped, submitted(), true).2.contains("has left Slurm's queue: job 7"));
        assert!(state(NeverStarted, submitted(), false).2.contains("(job 7); the sweep submits it again"));
        assert!(state(Stopped, Some(entry(Kind::Started, "")), false).2.contains("its process is gone"));
        assert!(state(Stopped, Some(entry(Kind::Retried, "killed")), true).2.contains("killed, to be tried"));
    }

    #[test]
    fn the_queue_stands_above_the_ledger() {
        let at_rest = || TrialState { state: StateKind::Stopped, step: 7, why: None };
        let last = entry(Kind::Submitted, "job 7_0");
        let job = Queued { job: "7_0".into(), state: "PENDING".into(), reason: "Priority".into() };
        let told = Told { last: Some(&last), job: Some(job), asked: true, at_work: false };
        assert_eq!(told.add_to(at_rest(), 40).why.unwrap(), "job 7_0 is pending (Priority)");
        let silent = Told { job: None, asked: false, ..told };
        assert_eq!(silent.add_to(at_rest(), 40).why.unwrap(), "was last seen in Slurm's queue: job 7_0");
    }

    #[test]
    fn what_directories_tell_stands_above_the_ledger() {
        use StateKind::*;
        for event in [Kind::Started, Kind::Paused, Kind::Retried] {
            for kind in [Finished, Running, Failed, Changed, NeverStarted] {
                assert_eq!(state(kind, Some(entry(event, "")), false), (kind, 7, "as found".into()));
            }
        }
        assert_eq!(state(Finished, Some(entry(Kind::Recorded, "")), false).0, Finished);
        assert_eq!(state(Stopped, Some(entry(Kind::Started, "")), true).2, "as found");
    }
}
