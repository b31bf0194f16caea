//! Checkpoints on disk: atomic, checksummed, a few of the latest kept.
//!
//! `step-N.weights.safetensors` holds the weights under their paths and is all that using a model
//! needs; `step-N.state.safetensors` adds Adam's moments, the position in the data and the metrics so far.
//! A step is resumable if both files verify, and with them the earlier weights that the final average needs.

use super::TrainingConfig;
use super::adam::Adam;
use super::tensor_file::{read, read_state, verify, write};
use crate::error::{Error, Result};
use crate::files;
use crate::model::weights::Weights;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// Where training stands after an update.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
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

/// What a training state keeps for the run that it belongs to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunState {
    /// Of the trial; see `config::identity`.
    pub identity: String,
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

/// Training states that are kept, so that one damaged file does not cost the run.
const KEPT_STATES: usize = 2;

/// Whether a file is one of a step's, which only going on and averaging need: a state, or weights that are neither
/// the scored nor the best ones.
pub fn is_training_file(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.starts_with("step-") && (name.ends_with(WEIGHTS) || name.ends_with(STATE))
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
        self.folder.join(format!("step-{step:08}.weights.safetensors"))
    }

    fn state_path(&self, step: u64) -> PathBuf {
        self.folder.join(format!("step-{step:08}.state.safetensors"))
    }

    fn best_path(&self) -> PathBuf {
        self.folder.join("best.weights.safetensors")
    }

    fn scored_path(&self) -> PathBuf {
        self.folder.join("scored.weights.safetensors")
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
        write(&self.weights_path(progress.step), &named_weights(weights), None)?;
        let state = State { progress: progress.clone(), run: Some(run) };
        write(&self.state_path(progress.step), &named_moments(weights, adam), Some(state))?;
        self.drop_older(config)
    }

    /// Saves the weights alone as the best so far.
    pub fn save_best(&self, weights: &Weights) -> Result<()> {
        write(&self.best_path(), &named_weights(weights), None).map(|_| ())
    }

    /// Saves the weights that the final scores are of; gives the file's blake3.
    pub fn save_scored(&self, weights: &Weights) -> Result<String> {
        write(&self.scored_path(), &named_weights(weights), None)
    }

    /// Loads the weights that the final scores are of.
    pub fn load_scored(&self, weights: &Weights) -> Result<()> {
        self.load_weights(&self.scored_path(), weights)
    }

    /// Loads the newest step that verifies into `weights` and `adam`. `averaged` are the steps whose weights
    /// the final average will need: those before the step must verify too, because going on would not make
    /// them again. Damaged files are reported through `report`; those of later steps are removed.
    ///
    /// # Errors
    /// If there are checkpoints but none verifies: a run never starts afresh unasked.
    pub fn restore(
        &self,
        weights: &Weights,
        adam: &Adam,
        averaged: &[u64],
        report: &mut dyn FnMut(&str),
    ) -> Result<Option<State>> {
        files::remove_leftovers(&self.folder)?;
        let mut steps = self.steps(STATE)?;
        // The first save may have been cut between its two files; more weights than that had states once.
        let found = !steps.is_empty() || self.steps(WEIGHTS)?.len() > 1;
        while let Some(step) = steps.pop() {
            match self.load(step, weights, adam, averaged) {
                Ok(state) => {
                    self.remove_after(step)?;
                    return Ok(Some(state));
                }
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

    fn load(&self, step: u64, weights: &Weights, adam: &Adam, averaged: &[u64]) -> Result<State> {
        let state = read(&self.state_path(step), &named_moments(weights, adam))?.ok_or_else(|| {
            Error::failed(format!("{} states no progress", self.state_path(step).display()))
        })?;
        let named = named_weights(weights);
        read(&self.weights_path(step), &named)?;
        averaged
            .iter()
            .filter(|&&earlier| earlier < step)
            .try_for_each(|&earlier| verify(&self.weights_path(earlier), &named))
            .map_err(|error| Error::failed(format!("{error}; the final average needs it")))?;
        Ok(state)
    }

    /// The identity of the trial that the newest state which verifies was saved by. Outer `None` if there are
    /// no states at all; inner `None` if none verifies and says.
    pub fn owner(folder: &Path) -> Result<Option<Option<String>>> {
        let checkpoints = Checkpoints { folder: folder.to_path_buf() };
        if !folder.is_dir() {
            return Ok(None);
        }
        let steps = checkpoints.steps(STATE)?;
        let identity = |step: &u64| read_state(&checkpoints.state_path(*step)).ok()??.run;
        let found = steps.iter().rev().find_map(identity).map(|run| run.identity);
        Ok((!steps.is_empty()).then_some(found))
    }

    /// Loads the mean of the weights of `steps`; of one step, its very weights.
    ///
    /// # Source
    /// Vaswani et al. 2017, §6.1: the last 5 (base) or 20 (big).
    pub fn load_average(&self, weights: &Weights, steps: &[u64]) -> Result<()> {
        if let [step] = steps {
            return self.load_weights(&self.weights_path(*step), weights);
        }
        let named = named_weights(weights);
        let zeros = |(_, t): &(String, Tensor)| Tensor::zeros(t.size(), (Kind::Double, Device::Cpu));
        let mut sums: Vec<Tensor> = named.iter().map(zeros).collect();
        for &step in steps {
            read(&self.weights_path(step), &named)?;
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
        read(path, &named_weights(weights)).map(|_| ())
    }

    /// Steps that have a file with this ending, ascending.
    fn steps(&self, ending: &str) -> Result<Vec<u64>> {
        let mut steps = Vec::new();
        for entry in std::fs::read_dir(&self.folder).map_err(Error::io("list", &self.folder))? {
            let name = entry.map_err(Error::io("list", &self.folder))?.file_name();
            let step =
                name.to_str().and_then(|n| n.strip_prefix("step-")).and_then(|n| n.strip_suffix(ending));
            steps.extend(step.and_then(|s| s.parse::<u64>().ok()));
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

fn remove(path: &Path) -> Result<()> {
    std::fs::remove_file(path).map_err(Error::io("remove", path))
}

fn named_weights(weights: &Weights) -> Vec<(String, Tensor)> {
    weights.named().iter().map(|(name, tensor)| (name.clone(), tensor.shallow_clone())).collect()
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
                let progress = Progress { step, epoch: 0, micro_batch: 0, best: None };
                let run = RunState { identity: "own".into(), metrics: "step,tag,value\n".into() };
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
