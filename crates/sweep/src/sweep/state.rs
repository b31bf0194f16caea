//! The state of a trial, read from its run directory, and why it is not finished. Plans, `status` and `clean` share it.

use crate::config::Experiment;
use crate::error::Result;
use crate::experiment::run_files::saved_step;
use crate::experiment::{changes_since, claimed_identity, is_at_work, latest_failure};
use crate::results::record::Record;
use serde::Serialize;
use std::path::Path;

/// The kind of a trial's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    Finished,
    /// Another run below the results directory is the same trial, and will be reused.
    FinishedElsewhere,
    /// A committed record of the same trial stands for it (`--reuse-records`).
    Recorded,
    NeverStarted,
    /// Begun and not running: it continues from its newest checkpoint.
    Stopped,
    /// Not running until successive halving lets it continue; only the ledger distinguishes it from `Stopped`.
    Paused,
    /// A process works on it.
    Running,
    Failed,
    /// Its directory holds a run of other settings or data, which would be moved away.
    Changed,
    /// Its record does not verify: it is scored again from its last checkpoint, or fails without one.
    Damaged,
    /// The directory has a run, but the corpus is not prepared: it is unknown whether the run is this trial's.
    Unknown,
}

impl StateKind {
    /// Whether there is nothing left to compute.
    pub fn is_done(self) -> bool {
        matches!(self, StateKind::Finished | StateKind::FinishedElsewhere | StateKind::Recorded)
    }

    /// Returns the state in words.
    pub fn name(self) -> &'static str {
        match self {
            StateKind::Finished => "finished",
            StateKind::FinishedElsewhere => "finished elsewhere",
            StateKind::Recorded => "recorded",
            StateKind::NeverStarted => "never started",
            StateKind::Stopped => "stopped",
            StateKind::Paused => "paused",
            StateKind::Running => "running",
            StateKind::Failed => "failed",
            StateKind::Changed => "changed",
            StateKind::Damaged => "damaged",
            StateKind::Unknown => "unknown",
        }
    }
}

/// The state of a trial, its progress and an explanation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TrialState {
    pub state: StateKind,
    /// Number of updates that are done and need not be repeated.
    pub step: u64,
    /// The reason why it is not finished, for the user; None if there is nothing to add.
    pub why: Option<String>,
}

impl TrialState {
    pub fn new(state: StateKind, step: u64, why: impl Into<String>) -> Self {
        TrialState { state, step, why: Some(why.into()) }
    }

    /// Reads the state of the trial in `run_dir`. `identity` is None while its corpus is not prepared.
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
            None => match claimed_identity(run_dir) {
                Ok(owner) => owner.map(|identity| (identity, false)),
                Err(error) => return Ok(TrialState::new(StateKind::Damaged, 0, error.to_string())),
            },
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
            let changes = changes_since(run_dir, experiment);
            let why = format!("since it was {what}, {changes}; the old run will be moved away");
            return Ok(TrialState::new(StateKind::Changed, 0, why));
        }
        if finished {
            return Ok(TrialState { state: StateKind::Finished, step: steps, why: None });
        }
        let step = saved_step(run_dir)?;
        if is_at_work(run_dir)? {
            return Ok(TrialState::new(StateKind::Running, step, "a process is at work on it"));
        }
        if let Some(failure) = latest_failure(run_dir).filter(|failure| failure.identity == identity) {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_experiment;
    use crate::experiment::{attempts, claim};
    use crate::results::record::{DataRecord, Failure, FailureKind, Provenance};
    use std::collections::BTreeMap;
    use std::path::PathBuf;

    const OWN: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
    const OTHER: &str = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210";

    struct Run {
        folder: tempfile::TempDir,
        experiment: Experiment,
    }

    impl Run {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let file = folder.path().join("e.toml");
            let text = "[data]\nrecipe = { name = \"g\", source_language = \"en\", target_language = \"de\", \
                corpus = { generated = { train = 9, dev = 2, test = 2, seed = 1 } } }\n[training]\nsteps = 40\n";
            std::fs::write(&file, text).unwrap();
            let run = Run { experiment: load_experiment(&file, &[]).unwrap(), folder };
            std::fs::create_dir_all(run.dir().join("checkpoints")).unwrap();
            run
        }

        fn dir(&self) -> PathBuf {
            self.folder.path().join("run")
        }

        fn claimed(self, identity: &str) -> Self {
            claim(&self.dir(), &self.experiment, identity).unwrap();
            self
        }

        fn checkpoint(self, step: u64) -> Self {
            let name = format!("checkpoints/step-{step:08}.state.safetensors");
            std::fs::write(self.dir().join(name), "").unwrap();
            self
        }

        fn recorded(self, identity: &str) -> Self {
            let text = String::new;
            let record = Record {
                identity: identity.into(),
                training_identity: None,
                configuration_hash: text(),
                label: text(),
                seed: 1,
                provenance: Provenance {
                    ablate: text(),
                    commit: text(),
                    libtorch: text(),
                    device: text(),
                    device_name: text(),
                    threads: 1,
                },
                data: DataRecord {
                    recipe: text(),
                    fingerprint: text(),
                    scored_text: None,
                    train_pairs: 1,
                    left_out_pairs: None,
                    vocabulary: 9,
                },
                parameters: 1,
                steps: 40,
                training_flops: None,
                averaged_steps: vec![40],
                metrics: BTreeMap::new(),
                signature: text(),
                checksums: BTreeMap::new(),
                configuration: serde_json::Value::Null,
            };
            record.save(&self.dir()).unwrap();
            self
        }

        fn failed(self, detail: &str) -> Self {
            let failure = Failure {
                identity: OWN.into(),
                kind: FailureKind::Diverged,
                reason: "diverged".into(),
                detail: detail.into(),
                attempts: 1,
            };
            failure.save(&self.dir()).unwrap();
            self
        }

        fn attempt(self, started: f64) -> Self {
            let attempt = serde_json::json!([{ "host": "here", "process": 1, "started": started,
                "ended": null, "from_step": 0, "outcome": null }]);
            std::fs::write(self.dir().join(attempts::TIMING_JSON), attempt.to_string()).unwrap();
            self
        }

        fn state(&self, identity: Option<&str>) -> (StateKind, u64, String) {
            let found = TrialState::of(&self.dir(), &self.experiment, identity).unwrap();
            (found.state, found.step, found.why.unwrap_or_default())
        }
    }

    #[test]
    fn every_state_is_told_from_the_others() {
        let own = Some(OWN);
        assert_eq!(Run::new().state(own), (StateKind::NeverStarted, 0, String::new()));
        assert_eq!(Run::new().state(None).0, StateKind::NeverStarted);
        assert_eq!(Run::new().recorded(OWN).state(own), (StateKind::Finished, 40, String::new()));
        assert_eq!(Run::new().claimed(OWN).recorded(OWN).state(None).0, StateKind::Unknown);

        let stopped = Run::new().claimed(OWN).checkpoint(7).checkpoint(14);
        assert_eq!(stopped.state(own), (StateKind::Stopped, 14, "goes on from its checkpoint".into()));
        let (state, step, why) = stopped.checkpoint(40).state(own);
        assert_eq!((state, step), (StateKind::Stopped, 40));
        assert!(why.contains("final scores"), "{why}");
        assert!(Run::new().claimed(OWN).state(own).2.contains("before its first checkpoint"));

        let (state, step, why) = Run::new().claimed(OTHER).checkpoint(7).state(own);
        assert_eq!((state, step), (StateKind::Changed, 0));
        assert!(why.contains("since it was begun") && why.contains("moved away"), "{why}");
        assert!(Run::new().recorded(OTHER).state(own).2.contains("since it was finished"));
        let mut other = Run::new().claimed(OTHER);
        other.experiment.training.steps = 60;
        other.experiment.training.clip_norm = Some(0.5);
        let why = other.state(own).2;
        let changes = "training.clip_norm changed from not set to 0.5, training.steps changed from 40 to 60";
        assert_eq!(why, format!("since it was begun, {changes}; the old run will be moved away"));

        let damaged = Run::new().recorded(OWN);
        std::fs::write(damaged.dir().join("record.json"), "{").unwrap();
        let (state, _, why) = damaged.state(own);
        assert_eq!(state, StateKind::Damaged);
        assert!(why.contains("record.json is damaged"), "{why}");
    }

    #[test]
    fn a_failure_counts_until_a_later_attempt_begins() {
        let failed = Run::new().claimed(OWN).checkpoint(7).failed("step 9\nthe loss is NaN");
        let expected = (StateKind::Failed, 7, "diverged: the loss is NaN".to_string());
        assert_eq!(failed.state(Some(OWN)), expected);
        let failed = failed.attempt(1e6);
        assert_eq!(failed.state(Some(OWN)), expected);
        assert_eq!(failed.attempt(1e12).state(Some(OWN)).0, StateKind::Stopped);
    }

    #[test]
    fn a_trial_runs_while_its_lock_is_held() {
        let run = Run::new().claimed(OWN);
        let lock = crate::files::lock(&run.dir().join(".lock")).unwrap();
        assert_eq!(run.state(Some(OWN)).0, StateKind::Running);
        drop(lock);
        assert_eq!(run.state(Some(OWN)).0, StateKind::Stopped);
    }
}
