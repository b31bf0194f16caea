//! Checkpoints on disk: atomic, checksummed, a few of the latest kept.
//!
//! `step-N.weights.safetensors` holds the weights under their paths and is all that using a model
//! needs; `step-N.state.safetensors` adds Adam's moments, the position in the data and the metrics so far.
//! A step is resumable if both files verify, and with them the earlier weights that the final average needs.
//! All of them state the trial that saved them, so that a run never goes on from what another run computed.

use super::TrainingConfig;
use super::adam::Adam;
use super::tensor_file::{Accept, Statement, read, read_statement, verify, write};
use crate::error::{Error, Result};
use crate::files;
use crate::model::weights::Weights;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Where training stands after an update; by default, before the first one.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Updates done.
    pub step: u64,
    /// Pass over the training data that the next micro-batch belongs to, from 0.
    pub epoch: u64,
    /// Number of the next micro-batch in that pass.
    pub micro_batch: usize,
    /// The best dev loss so far, if one was measured.
    pub best: Option<Best>,
}

/// The update with the lowest dev loss.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Best {
    pub step: u64,
    /// Nats per target token, unsmoothed.
    pub dev_loss: f64,
}

/// The trial that saved a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Owner {
    /// See `config::identity`.
    pub identity: String,
    /// See `config::training_identity`. Absent in checkpoints of before 2026-11-28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_identity: Option<String>,
}

/// What a training state keeps for the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    #[serde(flatten)]
    pub owner: Owner,
    /// The run's `metrics.csv` so far. A checkpoint does not rely on files that others write.
    pub metrics: String,
}

/// What a training state holds beside Adam's moments.
#[derive(Debug, Clone, PartialEq)]
pub struct State {
    pub progress: Progress,
    /// Absent in states of version 0.1.0.
    pub run: Option<RunState>,
}

/// The checkpoints of one run.
#[derive(Debug)]
pub struct Checkpoints {
    folder: PathBuf,
}

const WEIGHTS: &str = ".weights.safetensors";
const STATE: &str = ".state.safetensors";
const BEST: &str = "best.weights.safetensors";
const SCORED: &str = "scored.weights.safetensors";

/// Training states that are kept, so that one damaged file does not cost the run.
const KEPT_STATES: usize = 2;

/// Whether a name is that of a file of a step, which only going on and averaging need: a state, or weights that are
/// neither the scored nor the best ones.
pub fn is_training_file(name: &str) -> bool {
    step_of(name, WEIGHTS).or(step_of(name, STATE)).is_some()
}

/// Whether a name is that of a file which [`Checkpoints`] makes.
pub fn is_checkpoint_file(name: &str) -> bool {
    is_training_file(name) || [BEST, SCORED].contains(&name)
}

/// The name of a step's file with this ending.
fn step_file(step: u64, ending: &str) -> String {
    format!("step-{step:08}{ending}")
}

/// The step of a file with this ending; none if the name is no such file's.
fn step_of(name: &str, ending: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.strip_suffix(ending)?.parse().ok()?;
    (step_file(step, ending) == name).then_some(step)
}

/// Bytes that the checkpoints of one run take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckpointBytes {
    /// When the run is finished: nothing is removed then.
    pub kept: f64,
    /// More, for the moment in which a checkpoint is written and the one that it replaces is still there.
    pub passing: f64,
}

/// What [`Checkpoints`] will take for a model of so many trained numbers. Headers, a few kilobytes a file, are left out.
pub fn checkpoint_bytes(config: &TrainingConfig, parameters: u64) -> CheckpointBytes {
    let weights = config.precision.kinds().weights.elt_size_in_bytes() as f64 * parameters as f64;
    let saved = usize::try_from(config.scheduled_checkpoints()).unwrap_or(usize::MAX);
    let states = saved.min(KEPT_STATES);
    // The latest states are of steps that the average takes too; the scored weights are one more file.
    let files = saved.min(config.average_checkpoints.max(KEPT_STATES)) + 1 + usize::from(config.keep_best);
    CheckpointBytes {
        kept: weights * (files as f64 + 2.0 * states as f64),
        passing: if saved > states { 3.0 * weights } else { 0.0 },
    }
}

impl Checkpoints {
    /// The newest step in `folder` that a run could go on from, without looking into the files; none if
    /// there is no folder.
    pub fn latest_step(folder: &Path) -> Result<Option<u64>> {
        if !folder.is_dir() {
            return Ok(None);
        }
        let checkpoints = Checkpoints { folder: folder.to_path_buf() };
        Ok(checkpoints.steps(STATE)?.pop())
    }

    /// Creates the folder if need be.
    pub fn open(folder: &Path) -> Result<Self> {
        files::create_dir(folder)?;
        Ok(Checkpoints { folder: folder.to_path_buf() })
    }

    fn weights_path(&self, step: u64) -> PathBuf {
        self.folder.join(step_file(step, WEIGHTS))
    }

    fn state_path(&self, step: u64) -> PathBuf {
        self.folder.join(step_file(step, STATE))
    }

    fn best_path(&self) -> PathBuf {
        self.folder.join(BEST)
    }

    fn scored_path(&self) -> PathBuf {
        self.folder.join(SCORED)
    }

    /// Saves everything that going on needs, then drops what nobody needs any more.
    /// The state is written last: a step without it is not resumed from.
    pub fn save(
        &self,
        weights: &Weights,
        adam: &Adam,
        progress: &Progress,
        run: RunState,
        config: &TrainingConfig,
    ) -> Result<()> {
        let of_weights = Statement { owner: Some(run.owner.clone()), ..Statement::default() };
        write(&self.weights_path(progress.step), &weights.saved(), of_weights)?;
        let state = Statement { progress: Some(progress.clone()), run: Some(run), owner: None };
        write(&self.state_path(progress.step), &named_moments(weights, adam), state)?;
        self.drop_older(config)
    }

    /// Saves the weights alone as the best so far.
    pub fn save_best(&self, weights: &Weights) -> Result<()> {
        write(&self.best_path(), &weights.saved(), Statement::default()).map(|_| ())
    }

    /// Saves the weights that the final scores are of; gives the file's blake3.
    pub fn save_scored(&self, weights: &Weights) -> Result<String> {
        write(&self.scored_path(), &weights.saved(), Statement::default())
    }

    /// Loads the weights that the final scores are of. That they are those of the record is for the caller to check.
    pub fn load_scored(&self, weights: &Weights) -> Result<()> {
        self.load_weights(&self.scored_path(), weights)
    }

    /// Loads the newest step that verifies into `weights` and `adam`. `averaged` are the steps whose weights
    /// the final average will need: those before the step must verify too, because going on would not make
    /// them again. `is_own` tells whether the trial may go on from what an owner saved. Damaged files are reported
    /// through `report`; those of later steps are removed.
    ///
    /// # Errors
    /// A user error if a checkpoint was saved by a trial that is not its own: nothing is removed then. A failure if
    /// there are checkpoints but none verifies: a run never starts afresh unasked.
    pub fn restore(
        &self,
        weights: &Weights,
        adam: &Adam,
        averaged: &[u64],
        is_own: &dyn Fn(&Owner) -> bool,
        report: &mut dyn FnMut(&str),
    ) -> Result<Option<State>> {
        let accept: Accept = &|path, statement| match statement.owner() {
            Some(owner) if !is_own(owner) => Err(foreign(path, owner)),
            _ => Ok(()),
        };
        files::remove_leftovers(&self.folder, is_checkpoint_file)?;
        let mut steps = self.steps(STATE)?;
        // The first save may have been cut between its two files; more weights than that had states once.
        let found = !steps.is_empty() || self.steps(WEIGHTS)?.len() > 1;
        while let Some(step) = steps.pop() {
            match self.load(step, weights, adam, averaged, accept) {
                Ok(state) => {
                    if state.run.is_none() {
                        report(&format!(
                            "the checkpoint of step {step} is of an early version and does not state its trial; it \
                             is taken for this one's"
                        ));
                    }
                    self.remove_after(step)?;
                    return Ok(Some(state));
                }
                // Whole files of another trial: going on from earlier ones would only hide that they are here.
                Err(error @ Error::User(_)) => return Err(error),
                Err(error) => {
                    report(&format!("checkpoint of step {step} is damaged, trying the one before: {error}"))
                }
            }
        }
        if found {
            return Err(Error::failed(format!(
                "no checkpoint in {} can be read; remove the run's directory to train again from the start",
                self.folder.display()
            )));
        }
        self.remove_after(0)?;
        Ok(None)
    }

    fn load(
        &self,
        step: u64,
        weights: &Weights,
        adam: &Adam,
        averaged: &[u64],
        accept: Accept,
    ) -> Result<State> {
        let path = self.state_path(step);
        let Statement { progress, run, .. } = read(&path, &named_moments(weights, adam), accept)?;
        let progress =
            progress.ok_or_else(|| Error::failed(format!("{} states no progress", path.display())))?;
        let named = weights.saved();
        read(&self.weights_path(step), &named, accept)?;
        for &earlier in averaged.iter().filter(|&&earlier| earlier < step) {
            verify(&self.weights_path(earlier), &named, accept).map_err(|error| match error {
                Error::User(_) => error,
                _ => Error::failed(format!("{error}; the final average needs it")),
            })?;
        }
        Ok(State { progress, run })
    }

    /// The files of steps in `folder` in order of their names, with the trial that saved each: none if the file does
    /// not state it, an error if the file does not verify.
    pub fn owners(folder: &Path) -> Result<Vec<(PathBuf, Result<Option<Owner>>)>> {
        if !folder.is_dir() {
            return Ok(Vec::new());
        }
        let entries = std::fs::read_dir(folder).map_err(Error::io("list", folder))?;
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        let own =
            |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(is_training_file);
        paths.retain(own);
        paths.sort();
        let owner = |path: &PathBuf| read_statement(path).map(|statement| statement.owner().cloned());
        Ok(paths.into_iter().map(|path| (path.clone(), owner(&path))).collect())
    }

    /// The trial that the newest state which verifies was saved by. Outer `None` if there are no states at all; inner
    /// `None` if none verifies and says.
    pub fn owner(folder: &Path) -> Result<Option<Option<Owner>>> {
        let checkpoints = Checkpoints { folder: folder.to_path_buf() };
        if !folder.is_dir() {
            return Ok(None);
        }
        let steps = checkpoints.steps(STATE)?;
        let owner = |step: &u64| read_statement(&checkpoints.state_path(*step)).ok()?.owner().cloned();
        let found = steps.iter().rev().find_map(owner);
        Ok((!steps.is_empty()).then_some(found))
    }

    /// Loads the mean of the weights of `steps`; of one step, its very weights. Running statistics are averaged as
    /// weights are: the mean of the means and the mean of the variances, not those that the averaged weights would have.
    ///
    /// # Source
    /// Vaswani et al. 2017, §6.1: the last 5 (base) or 20 (big).
    pub fn load_average(&self, weights: &Weights, steps: &[u64]) -> Result<()> {
        if let [step] = steps {
            return self.load_weights(&self.weights_path(*step), weights);
        }
        let named = weights.saved();
        let zeros = |(_, t): &(String, Tensor)| Tensor::zeros(t.size(), (Kind::Double, Device::Cpu));
        let mut sums: Vec<Tensor> = named.iter().map(zeros).collect();
        for &step in steps {
            read(&self.weights_path(step), &named, ANY)?;
            tch::no_grad(|| {
                for (sum, (_, weight)) in sums.iter_mut().zip(&named) {
                    *sum += weight.to_device(Device::Cpu).to_kind(Kind::Double);
                }
            });
        }
        tch::no_grad(|| {
            for (sum, (_, weight)) in sums.iter().zip(&named) {
                weight.shallow_clone().copy_(&(sum / steps.len() as f64));
            }
        });
        Ok(())
    }

    fn load_weights(&self, path: &Path, weights: &Weights) -> Result<()> {
        read(path, &weights.saved(), ANY).map(|_| ())
    }

    /// Steps that have a file with this ending, ascending.
    fn steps(&self, ending: &str) -> Result<Vec<u64>> {
        let mut steps = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(Error::io("list", &self.folder))? {
            let name = entry.map_err(Error::io("list", &self.folder))?.file_name();
            steps.extend(name.to_str().and_then(|name| step_of(name, ending)));
        }
        steps.sort_unstable();
        Ok(steps)
    }

    /// States but the latest, and weights that neither they nor the average need.
    fn drop_older(&self, config: &TrainingConfig) -> Result<()> {
        let states = self.steps(STATE)?;
        for &step in states.iter().rev().skip(KEPT_STATES) {
            remove(&self.state_path(step))?;
        }
        let weights = self.steps(WEIGHTS)?;
        let averaged: Vec<u64> = weights
            .iter()
            .copied()
            .filter(|&s| config.saves_at(s))
            .rev()
            .take(config.average_checkpoints)
            .collect();
        for step in weights {
            if !averaged.contains(&step) && !states.iter().rev().take(KEPT_STATES).any(|&s| s == step) {
                remove(&self.weights_path(step))?;
            }
        }
        Ok(())
    }

    /// Files of later steps, which a run that goes on from `step` will write anew.
    fn remove_after(&self, step: u64) -> Result<()> {
        for later in self.steps(WEIGHTS)?.into_iter().filter(|&s| s > step) {
            remove(&self.weights_path(later))?;
        }
        for later in self.steps(STATE)?.into_iter().filter(|&s| s > step) {
            remove(&self.state_path(later))?;
        }
        Ok(())
    }
}

/// For files that this process has written or checked.
const ANY: Accept = &|_, _| Ok(());

fn foreign(path: &Path, owner: &Owner) -> Error {
    let folder = path.parent().unwrap_or(path);
    Error::user(format!(
        "{} was saved by another trial (identity {:.16}…), so that this one cannot go on from it; put the checkpoints \
         of this trial back into {}, or remove the run's directory to train again from the start",
        path.display(),
        owner.identity,
        folder.display()
    ))
}

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::io("remove", path))
}

fn named_moments(weights: &Weights, adam: &Adam) -> Vec<(String, Tensor)> {
    let moments = weights.named().iter().zip(adam.moments());
    moments
        .flat_map(|((name, _), moments)| {
            [
                (format!("adam.first.{name}"), moments.first.shallow_clone()),
                (format!("adam.second.{name}"), moments.second.shallow_clone()),
            ]
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::{Scope, Start};

    #[test]
    fn files_of_other_names_are_no_checkpoints() {
        for name in ["step-00000007.state.safetensors", "step-123456789.weights.safetensors"] {
            assert!(is_training_file(name) && is_checkpoint_file(name), "{name}");
        }
        assert!(is_checkpoint_file(BEST) && is_checkpoint_file(SCORED) && !is_training_file(SCORED));
        for name in ["step-7.state.safetensors", "step-mine.weights.safetensors", "my.weights.safetensors"] {
            assert!(!is_checkpoint_file(name), "{name}");
        }
    }

    #[test]
    fn the_space_that_checkpoints_take_is_foretold() {
        for (steps, interval, average_checkpoints, keep_best) in
            [(100, 10, 5, false), (105, 10, 1, true), (20, 10, 5, false), (7, 0, 5, false), (7, 10, 1, false)]
        {
            let config = TrainingConfig {
                steps,
                checkpoint_interval_steps: interval,
                average_checkpoints,
                keep_best,
                ..Default::default()
            };
            let scope = Scope::seeded(1, Kind::Float, Device::Cpu);
            let _ = scope.variable("w", &[50_000], Start::Ones);
            let weights = scope.into_weights();
            let adam = Adam::build(&config, &weights);
            let folder = tempfile::tempdir().unwrap();
            let checkpoints = Checkpoints::open(folder.path()).unwrap();
            for step in (1..=steps).filter(|&step| config.saves_at(step)) {
                let progress = Progress { step, ..Default::default() };
                let owner = Owner { identity: "own".into(), training_identity: None };
                let run = RunState { owner, metrics: "step,tag,value\n".into() };
                checkpoints.save(&weights, &adam, &progress, run, &config).unwrap();
            }
            if keep_best {
                checkpoints.save_best(&weights).unwrap();
            }
            checkpoints.save_scored(&weights).unwrap();
            let (taken, foretold) =
                (files::folder_bytes(folder.path()) as f64, checkpoint_bytes(&config, 50_000));
            assert!(
                (0.99..1.0).contains(&(foretold.kept / taken)),
                "{config:?}: {foretold:?}, {taken} taken"
            );
            assert_eq!(Checkpoints::latest_step(folder.path()).unwrap(), Some(steps));
        }
        assert_eq!(Checkpoints::latest_step(Path::new("/nonexistent")).unwrap(), None);
    }
}
