//! The files of a run's checkpoints, without their tensors: names, sizes, owners, and the step of the training.

use super::TrainingConfig;
use super::run_state::Owner;
use super::statement::read_statement;
use crate::error::Result;
use crate::folders;
use std::path::{Path, PathBuf};

/// The folder of the checkpoints in a run directory.
pub const CHECKPOINTS: &str = "checkpoints";
/// The ending of the weights of a step.
pub const WEIGHTS: &str = ".weights.safetensors";
/// The ending of the training state of a step.
pub const STATE: &str = ".state.safetensors";
/// The weights with the lowest dev loss.
pub const BEST: &str = "best.weights.safetensors";
/// The weights that gave the final scores.
pub const SCORED: &str = "scored.weights.safetensors";

/// Number of training states that are kept, so that one damaged file does not cost the run.
pub const KEPT_STATES: usize = 2;

/// Whether a name is that of a file of a step, needed only to resume and to average: a state, or weights that are
/// neither the scored nor the best ones.
pub fn is_training_file(name: &str) -> bool {
    step_of(name, WEIGHTS).or(step_of(name, STATE)).is_some()
}

/// Whether a name is that of a file in a run's checkpoints.
pub fn is_checkpoint_file(name: &str) -> bool {
    is_training_file(name) || [BEST, SCORED].contains(&name)
}

/// The name of a step's file with this ending.
pub fn step_file(step: u64, ending: &str) -> String {
    format!("step-{step:08}{ending}")
}

/// The step in the name of a file with this ending; `None` for other names.
fn step_of(name: &str, ending: &str) -> Option<u64> {
    let step = name.strip_prefix("step-")?.strip_suffix(ending)?.parse().ok()?;
    (step_file(step, ending) == name).then_some(step)
}

/// Bytes that the checkpoints of one run take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CheckpointBytes {
    /// Bytes when the run is finished; nothing is removed then.
    pub kept: f64,
    /// Additional bytes for the moment in which a checkpoint is written and the one that it replaces still exists.
    pub passing: f64,
}

/// Returns the size of the checkpoints of a run, for a model of this many parameters. Headers, a few kilobytes per
/// file, are left out.
pub fn checkpoint_bytes(config: &TrainingConfig, parameters: u64) -> CheckpointBytes {
    let weights = config.precision.weight_bytes() as f64 * parameters as f64;
    let saved = usize::try_from(config.scheduled_checkpoints()).unwrap_or(usize::MAX);
    let states = saved.min(KEPT_STATES);
    // The latest states belong to steps that the average takes too; the scored weights are one more file.
    let files = saved.min(config.average_checkpoints.max(KEPT_STATES)) + 1 + usize::from(config.keep_best);
    CheckpointBytes {
        kept: weights * (files as f64 + 2.0 * states as f64),
        passing: if saved > states { 3.0 * weights } else { 0.0 },
    }
}

/// The newest step in `folder` from which a run could resume, without reading the files; `None` if there is no folder.
pub fn latest_step(folder: &Path) -> Result<Option<u64>> {
    Ok(steps(folder, STATE)?.pop())
}

/// The files of steps in `folder` in order of their names, with the trial that saved each: `None` if the file does not
/// state it, an error if the file does not verify.
pub fn owners(folder: &Path) -> Result<Vec<(PathBuf, Result<Option<Owner>>)>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let mut paths = folders::list(folder)?;
    let own = |path: &PathBuf| path.file_name().and_then(|name| name.to_str()).is_some_and(is_training_file);
    paths.retain(own);
    let owner = |path: &PathBuf| read_statement(path).map(|statement| statement.owner().cloned());
    Ok(paths.into_iter().map(|path| (path.clone(), owner(&path))).collect())
}

/// The trial that saved the newest state which verifies. Outer `None` if there are no states at all; inner `None` if no
/// state verifies and names its trial.
pub fn owner(folder: &Path) -> Result<Option<Option<Owner>>> {
    let steps = steps(folder, STATE)?;
    let owner = |step: &u64| read_statement(&folder.join(step_file(*step, STATE))).ok()?.owner().cloned();
    let found = steps.iter().rev().find_map(owner);
    Ok((!steps.is_empty()).then_some(found))
}

/// Steps that have a file with this ending in `folder`, ascending; empty if there is no folder.
pub fn steps(folder: &Path, ending: &str) -> Result<Vec<u64>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let paths = folders::list(folder)?;
    let names = paths.iter().filter_map(|path| path.file_name()?.to_str());
    let mut steps: Vec<u64> = names.filter_map(|name| step_of(name, ending)).collect();
    steps.sort_unstable();
    Ok(steps)
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
