//! Checkpoints on disk: atomic and checksummed; only the latest few are kept.
//!
//! `step-N.weights.safetensors` holds the weights under their paths; no other file is needed to use a model.
//! `step-N.state.safetensors` adds Adam's moments, the position in the data and the metrics so far. A step is resumable
//! if both files verify, and also the earlier weights that the final average needs. All files state the trial that
//! saved them, so that a run never continues from the results of another one.

use super::TrainingConfig;
use super::adam::Adam;
use super::checkpoint_files::{
    BEST, KEPT_STATES, SCORED, STATE, WEIGHTS, is_checkpoint_file, step_file, steps,
};
use super::run_state::{Owner, Progress, RunState};
use super::statement::Statement;
use super::tensor_file::{Accept, read, verify, write};
use crate::error::{Error, Result};
use crate::files;
use crate::model::weights::Weights;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};

/// The content of a training state other than Adam's moments.
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

impl Checkpoints {
    /// Opens the folder, and creates it if necessary.
    pub fn open(folder: &Path) -> Result<Self> {
        files::create_dir(folder)?;
        Ok(Checkpoints { folder: folder.to_path_buf() })
    }

    /// Returns the file of a step with this ending.
    fn path(&self, step: u64, ending: &str) -> PathBuf {
        self.folder.join(step_file(step, ending))
    }

    /// Saves everything that resuming needs, then removes files that are no longer needed. The state is written last: a
    /// step without a state is not resumed.
    pub fn save(
        &self,
        weights: &Weights,
        adam: &Adam,
        progress: &Progress,
        run: RunState,
        config: &TrainingConfig,
    ) -> Result<()> {
        let of_weights = Statement { owner: Some(run.owner.clone()), ..Statement::default() };
        write(&self.path(progress.step, WEIGHTS), &weights.saved(), of_weights)?;
        let state = Statement { progress: Some(progress.clone()), run: Some(run), owner: None };
        write(&self.path(progress.step, STATE), &named_moments(weights, adam), state)?;
        self.drop_older(config)
    }

    /// Saves the weights alone as the best so far.
    pub fn save_best(&self, weights: &Weights) -> Result<()> {
        write(&self.folder.join(BEST), &weights.saved(), Statement::default()).map(|_| ())
    }

    /// Saves the weights that the final scores belong to; returns the file's blake3.
    pub fn save_scored(&self, weights: &Weights) -> Result<String> {
        write(&self.folder.join(SCORED), &weights.saved(), Statement::default())
    }

    /// Loads the weights that the final scores belong to. The caller must check them against the record.
    pub fn load_scored(&self, weights: &Weights) -> Result<()> {
        self.load_weights(&self.folder.join(SCORED), weights)
    }

    /// Loads the newest step that verifies into `weights` and `adam`. The earlier weights that the final average may
    /// need must verify too, because resuming would not make them again. `is_own` tells whether the trial may resume
    /// from the checkpoint of an owner. Damaged files are reported through `report`; those of later steps are removed.
    ///
    /// # Errors
    /// A user error if another trial saved a checkpoint, and an I/O error if one cannot be read at this moment: then
    /// nothing is removed. A failure if there are checkpoints but none verifies: a run never starts from the beginning
    /// without being asked to.
    pub fn restore(
        &self,
        weights: &Weights,
        adam: &Adam,
        config: &TrainingConfig,
        is_own: &dyn Fn(&Owner) -> bool,
        report: &mut dyn FnMut(&str),
    ) -> Result<Option<State>> {
        let accept: Accept = &|path, statement| match statement.owner() {
            Some(owner) if !is_own(owner) => Err(foreign(path, owner)),
            _ => Ok(()),
        };
        files::remove_leftovers(&self.folder, is_checkpoint_file)?;
        let mut found_steps = steps(&self.folder, STATE)?;
        // The first save may have been cut between its two files; if there are more weights, states must have existed.
        let found = !found_steps.is_empty() || steps(&self.folder, WEIGHTS)?.len() > 1;
        while let Some(step) = found_steps.pop() {
            match self.load(step, weights, adam, config, accept) {
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
                Err(error) if error.is_damage() => {
                    report(&format!("checkpoint of step {step} is damaged, trying the one before: {error}"))
                }
                // Intact files, of another trial or out of reach: resuming from earlier ones would remove them.
                Err(error) => return Err(error),
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
        config: &TrainingConfig,
        accept: Accept,
    ) -> Result<State> {
        let path = self.path(step, STATE);
        let Statement { progress, run, .. } = read(&path, &named_moments(weights, adam), accept)?;
        let progress =
            progress.ok_or_else(|| Error::failed(format!("{} states no progress", path.display())))?;
        let named = weights.saved();
        read(&self.path(step, WEIGHTS), &named, accept)?;
        for earlier in
            averaged_at_the_earliest(config, &progress).into_iter().filter(|&earlier| earlier < step)
        {
            verify(&self.path(earlier, WEIGHTS), &named, accept).map_err(|error| {
                match error.is_damage() {
                    true => Error::failed(format!("{error}; the final average needs it")),
                    false => error,
                }
            })?;
        }
        Ok(State { progress, run })
    }

    /// Loads the mean of the weights of `steps`; for one step, its weights unchanged. Running statistics are averaged
    /// like weights: mean of means and mean of variances, not the statistics that the averaged weights would have.
    ///
    /// # Source
    /// Vaswani et al. 2017, §6.1: the last 5 (base) or 20 (big).
    pub fn load_average(&self, weights: &Weights, steps: &[u64]) -> Result<()> {
        if let [step] = steps {
            return self.load_weights(&self.path(*step, WEIGHTS), weights);
        }
        let named = weights.saved();
        let zeros = |(_, t): &(String, Tensor)| Tensor::zeros(t.size(), (Kind::Double, Device::Cpu));
        let mut sums: Vec<Tensor> = named.iter().map(zeros).collect();
        for &step in steps {
            read(&self.path(step, WEIGHTS), &named, ANY)?;
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

    /// Removes all states except the latest, and the weights that neither these nor the average need.
    fn drop_older(&self, config: &TrainingConfig) -> Result<()> {
        let states = steps(&self.folder, STATE)?;
        for &step in states.iter().rev().skip(KEPT_STATES) {
            remove(&self.path(step, STATE))?;
        }
        let weights = steps(&self.folder, WEIGHTS)?;
        let averaged: Vec<u64> = weights
            .iter()
            .copied()
            .filter(|&s| config.saves_at(s))
            .rev()
            .take(config.average_checkpoints)
            .collect();
        for step in weights {
            if !averaged.contains(&step) && !states.iter().rev().take(KEPT_STATES).any(|&s| s == step) {
                remove(&self.path(step, WEIGHTS))?;
            }
        }
        Ok(())
    }

    /// Removes files of later steps, which a run that resumes from `step` will write again.
    fn remove_after(&self, step: u64) -> Result<()> {
        for ending in [WEIGHTS, STATE] {
            for later in steps(&self.folder, ending)?.into_iter().filter(|&s| s > step) {
                remove(&self.path(later, ending))?;
            }
        }
        Ok(())
    }
}

/// Returns the steps whose weights are averaged if training ends as soon as it can. If it ends later, it needs no other
/// weights from before `progress`.
fn averaged_at_the_earliest(config: &TrainingConfig, progress: &Progress) -> Vec<u64> {
    // Patience begins with a measurement: if there was none, with the next one in the schedule.
    let next = || (progress.step + 1).checked_next_multiple_of(config.dev_interval_steps);
    let best = progress.best.map(|best| best.step).or_else(next);
    let from = progress.step.max(best.unwrap_or(0));
    config.averaged_steps(config.earliest_end(from, best))
}

/// Accepts every statement; for files that this process has written or checked.
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
    use super::super::checkpoint_files::{checkpoint_bytes, latest_step};
    use super::*;
    use crate::model::weights::{Scope, Start};
    use crate::train::run_state::Best;

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
            let (weights, adam, folder, checkpoints) = begun(&config, 50_000);
            for step in (1..=steps).filter(|&step| config.saves_at(step)) {
                let progress = Progress { step, ..Default::default() };
                checkpoints.save(&weights, &adam, &progress, run_state(), &config).unwrap();
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
            assert_eq!(latest_step(folder.path()).unwrap(), Some(steps));
        }
        assert_eq!(latest_step(Path::new("/nonexistent")).unwrap(), None);
    }

    /// Returns the weights of one variable of `size` numbers, their Adam, and the checkpoints of a new folder.
    fn begun(config: &TrainingConfig, size: i64) -> (Weights, Adam, tempfile::TempDir, Checkpoints) {
        let scope = Scope::seeded(1, Kind::Float, Device::Cpu);
        let _ = scope.variable("w", &[size], Start::Ones);
        let weights = scope.into_weights();
        let adam = Adam::build(config, &weights);
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::open(folder.path()).unwrap();
        (weights, adam, folder, checkpoints)
    }

    fn run_state() -> RunState {
        let owner = Owner { identity: "own".into(), training_identity: None };
        RunState { owner, metrics: "step,tag,value\n".into() }
    }

    /// Returns settings with a patience of two measurements, whose last three checkpoints are averaged.
    #[test]
    fn damage_that_an_early_end_would_meet_is_found_before_training_goes_on() {
        let config = TrainingConfig {
            steps: 100,
            checkpoint_interval_steps: 10,
            average_checkpoints: 3,
            dev_interval_steps: 10,
            early_stopping_patience: Some(2),
            ..Default::default()
        };
        let restored = |best_step: Option<u64>, damaged: u64| {
            let (weights, adam, _folder, checkpoints) = begun(&config, 5);
            for step in [10, 20, 30, 40] {
                let best = best_step.map(|best| Best { step: best.min(step), dev_loss: 1.0 });
                let progress = Progress { step, best, ..Default::default() };
                checkpoints.save(&weights, &adam, &progress, run_state(), &config).unwrap();
            }
            let path = checkpoints.path(damaged, WEIGHTS);
            let mut bytes = std::fs::read(&path).unwrap();
            *bytes.last_mut().unwrap() ^= 1;
            std::fs::write(path, bytes).unwrap();
            let found = checkpoints.restore(&weights, &adam, &config, &|_| true, &mut |_| {});
            found.map(|state| state.unwrap().progress.step).ok()
        };
        // Training is over, and steps 20, 30 and 40 are averaged.
        assert_eq!(restored(Some(20), 20), None);
        // It can end at step 50, and then step 20 is not averaged.
        assert_eq!((restored(Some(30), 20), restored(Some(30), 30)), (Some(40), None));
        // Later checkpoints will be averaged, and of the existing ones at most step 40.
        assert_eq!((restored(Some(40), 30), restored(None, 30)), (Some(40), Some(40)));
    }
}
