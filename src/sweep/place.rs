//! A trial's place in the results directory before it runs: an old run is moved away, another run of
//! the same is taken over.

use super::collect::run_dir;
use super::expand::Trial;
use super::queue::Job;
use crate::config::to_toml;
use crate::error::Result;
use crate::experiment::{claim, claimed_identity, reuse};
use crate::files;
use crate::results::index::Index;
use std::path::{Path, PathBuf};

/// Makes `run_dir` the trial's, with `threads` threads where the trial leaves that open. A run with another
/// identity is moved to `<results>/.superseded/…`, never overwritten; gives the place.
pub fn make_room(sweep_dir: &Path, trial: &Trial, identity: &str, threads: usize) -> Result<Option<PathBuf>> {
    let run_dir = run_dir(sweep_dir, trial);
    let owner = claimed_identity(&run_dir)?;
    let mut moved = None;
    if let Some(owner) = owner.filter(|owner| owner != identity) {
        let place = superseded(sweep_dir, trial, &owner);
        if let Some(parent) = place.parent() {
            files::create_dir(parent)?;
        }
        files::rename(&run_dir, &place)?;
        moved = Some(place);
    }
    files::create_dir(&run_dir)?;
    // Written anew each time: the [run] section is not part of the identity and may have changed.
    let mut experiment = trial.experiment.clone();
    if experiment.run.threads == 0 {
        experiment.run.threads = threads;
    }
    to_toml(&experiment)?;
    claim(&run_dir, &experiment, identity)?;
    Ok(moved)
}

/// A free name under `<results>/.superseded/<sweep>/<row>/`.
fn superseded(sweep_dir: &Path, trial: &Trial, owner: &str) -> PathBuf {
    let (results, sweep) = (sweep_dir.parent(), sweep_dir.file_name());
    let row = results
        .unwrap_or(Path::new("."))
        .join(".superseded")
        .join(sweep.unwrap_or_default())
        .join(&trial.row);
    let short: String = owner.chars().take(8).collect();
    let name = |n: u32| match n {
        1 => format!("seed-{}-{short}", trial.seed),
        _ => format!("seed-{}-{short}-{n}", trial.seed),
    };
    (1..).map(|n| row.join(name(n))).find(|place| !place.exists()).unwrap_or(row)
}

/// What another run spared the trial.
#[derive(Debug, PartialEq, Eq)]
pub enum Reuse {
    /// All of it: it is finished.
    Whole(PathBuf),
    /// The training: it is left to decode and to score.
    Training(PathBuf),
    Nothing,
}

/// Looks in an up-to-date index for a run that did the trial's work, in whole or in training. The trial's place
/// must have been made.
///
/// # Errors
/// If a run that was found is damaged or its files cannot be copied: the trial can still be trained.
pub fn reuse(index: &Index, run_dir: &Path, trial: &Trial, job: &Job) -> Result<Reuse> {
    if let Some(other) = index.same(&job.identity).filter(|other| *other != run_dir) {
        reuse::take_over(other, run_dir, &trial.experiment, &trial.row)?;
        return Ok(Reuse::Whole(other.to_path_buf()));
    }
    if let Some(other) = index.same_training(&job.training)
        && !reuse::has_checkpoint(run_dir)
        && reuse::has_checkpoint(other)
    {
        reuse::take_training(other, run_dir)?;
        return Ok(Reuse::Training(other.to_path_buf()));
    }
    Ok(Reuse::Nothing)
}
