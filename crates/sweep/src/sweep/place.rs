//! Prepares a trial's directory in the results before it runs: an old run is moved away, and the work of an equal run
//! is reused. Nothing is overwritten, and only runs of this program are moved.

use super::tensorboard::mean_directory::remove_mean;
use super::trial::{Trial, run_dir};
use super::trial_queue::PendingTrial;
use crate::error::{Error, Result};
use crate::experiment::run_files::{Contents, check_vacant, has_checkpoint, proven_identity};
use crate::experiment::run_paths::seed_of;
use crate::experiment::{CONFIG_FILE, LOCK_FILE, busy_run, claim, claimed_identity, is_at_work, reuse};
use crate::files;
use crate::folders::{entries, is_real_dir, move_dir, remove_if_empty};
use crate::results::index::Index;
use std::path::{Path, PathBuf};

/// Folder of superseded runs, below the results directory.
const SUPERSEDED: &str = ".superseded";
/// Number of characters of an identity in the name of a superseded run.
const SHORT: usize = 8;

/// Prepares `run_dir` for the trial, with `threads` threads if the trial states none. A run with another identity is
/// moved to `<results>/.superseded/…`, never overwritten; returns its new path.
///
/// # Errors
/// A user error for a directory that is neither empty nor a run.
pub fn make_room(sweep_dir: &Path, trial: &Trial, identity: &str, threads: usize) -> Result<Option<PathBuf>> {
    let run_dir = run_dir(sweep_dir, trial);
    check_vacant(&run_dir)?;
    let owner = claimed_identity(&run_dir)?.filter(|owner| owner != identity);
    let moved = owner.map(|owner| set_aside(&run_dir, &owner)).transpose()?;
    claim_for(&run_dir, trial, identity, threads)?;
    Ok(moved)
}

/// Writes the configuration each time: the [run] section is not part of the identity and may have changed.
fn claim_for(run_dir: &Path, trial: &Trial, identity: &str, threads: usize) -> Result<()> {
    files::create_dir(run_dir)?;
    let mut experiment = trial.experiment.clone();
    if experiment.run.threads == 0 {
        experiment.run.threads = threads;
    }
    claim(run_dir, &experiment, identity)
}

/// Returns the folder of a sweep's superseded runs.
pub fn superseded(sweep_dir: &Path) -> PathBuf {
    let results = sweep_dir.parent().unwrap_or(Path::new("."));
    results.join(SUPERSEDED).join(sweep_dir.file_name().unwrap_or_default())
}

/// Returns the folder of the superseded runs of a run's row.
fn superseded_row(run_dir: &Path) -> PathBuf {
    let row = run_dir.parent().unwrap_or(Path::new("."));
    superseded(row.parent().unwrap_or(Path::new("."))).join(row.file_name().unwrap_or_default())
}

/// Whether a name has the form that [`run_dir`] gives.
pub fn is_run_name(name: &str) -> bool {
    seed_of(Path::new(name)).is_some()
}

/// Whether a name has the form that `set_aside` gives to the run of this identity.
pub fn is_superseded_name(name: &str, identity: &str) -> bool {
    let short = short(identity);
    let Some((run, rest)) = name.split_once(&format!("-{short}")) else { return false };
    let count = |rest: &str| rest.strip_prefix('-').is_some_and(|n| n.parse::<u32>().is_ok_and(|n| n > 1));
    is_run_name(run) && (rest.is_empty() || count(rest))
}

/// Returns whether a path is a run, of a trial or superseded, with a name that the program gives.
pub fn is_run(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let named = |identity: String| is_run_name(name) || is_superseded_name(name, &identity);
    name.starts_with("seed-") && proven_identity(path).is_some_and(named)
}

fn short(identity: &str) -> String {
    identity.chars().take(SHORT).collect()
}

/// Whether a run's directory, or that of its row, is a symbolic link: its target is not the sweep's to move.
pub fn is_behind_link(run_dir: &Path) -> bool {
    run_dir.is_symlink() || run_dir.parent().is_some_and(Path::is_symlink)
}

/// Moves the run of `owner`, with everything in its directory, to a free name under
/// `<results>/.superseded/<sweep>/<row>/`; returns that path.
///
/// # Errors
/// A user error for a symbolic link; an error if a process works on the run, or it cannot be moved.
fn set_aside(run_dir: &Path, owner: &str) -> Result<PathBuf> {
    if is_behind_link(run_dir) {
        return Err(Error::user(format!(
            "{} is behind a symbolic link, and the run there would have to be moved away; what is behind a link is not \
             moved: remove the link, and give the command again",
            run_dir.display()
        )));
    }
    if is_at_work(run_dir)? {
        return Err(busy_run(run_dir));
    }
    let folder = superseded_row(run_dir);
    files::create_shared_dir(&folder)?;
    let name = run_dir.file_name().unwrap_or_default().to_string_lossy();
    let name = |n: u32| match n {
        1 => format!("{name}-{}", short(owner)),
        _ => format!("{name}-{}-{n}", short(owner)),
    };
    let free = (1..).map(|n| folder.join(name(n))).find(|place| place.symlink_metadata().is_err());
    let place = free.ok_or_else(|| Error::failed(format!("no name is free in {}", folder.display())))?;
    move_dir(run_dir, &place)?;
    Ok(place)
}

/// A run that was moved away.
#[derive(Debug, PartialEq, Eq)]
pub struct Moved {
    pub row: String,
    pub seed: u64,
    pub identity: String,
    pub from: PathBuf,
    pub to: PathBuf,
}

/// Moves the runs of rows and seeds that the sweep no longer has to the superseded runs, because TensorBoard would show
/// them among the sweep's. The means of their rows are removed. Symbolic links, runs of a working process, and
/// directories that no checksum proves to be a run stay.
///
/// # Errors
/// If a directory cannot be listed or moved.
pub fn move_unlisted_runs(
    sweep_dir: &Path,
    is_listed: impl Fn(&str, Option<u64>) -> bool,
) -> Result<Vec<Moved>> {
    let mut moved = Vec::new();
    for folder in entries(sweep_dir)?.into_iter().filter(|path| is_real_dir(path)) {
        let Some(row) = folder.file_name().and_then(|name| name.to_str()).map(String::from) else { continue };
        let before = moved.len();
        for run in entries(&folder)? {
            let Some(seed) = seed_of(&run) else { continue };
            if is_listed(&row, Some(seed)) {
                continue;
            }
            let Some(identity) = proven_identity(&run) else { continue };
            if is_at_work(&run)? {
                continue;
            }
            let to = set_aside(&run, &identity)?;
            moved.push(Moved { row: row.clone(), seed, identity, from: run, to });
        }
        if moved.len() > before && !is_listed(&row, None) {
            remove_mean(&folder)?;
            remove_if_empty(&folder)?;
        }
    }
    Ok(moved)
}

/// The work of another run that a trial can use.
#[derive(Debug, PartialEq, Eq)]
pub enum Reuse {
    /// The whole trial: the other run is finished. An unfinished run in the trial's directory was moved to `moved`.
    Whole {
        other: PathBuf,
        moved: Option<PathBuf>,
    },
    /// The part of the trial that was done before its run was moved away.
    Begun(PathBuf),
    /// The training: decoding and scoring are left.
    Training(PathBuf),
    Nothing,
}

/// Looks in an up-to-date index for a run that did the trial's work or its training, and uses it. The trial's directory
/// must have been prepared.
///
/// # Errors
/// If the other run is damaged or its files cannot be copied: the trial can still be trained.
pub fn reuse(
    index: &Index,
    run_dir: &Path,
    trial: &Trial,
    pending: &PendingTrial,
    threads: usize,
) -> Result<Reuse> {
    if let Some(other) = index.same(&pending.identity).filter(|other| *other != run_dir) {
        let record = reuse::verified_record(other)?;
        let moved = match is_claim_alone(run_dir)? {
            true => None,
            false => Some(set_aside(run_dir, &pending.identity)?),
        };
        reuse::take_over(other, record, run_dir, &trial.experiment, &trial.row)?;
        return Ok(Reuse::Whole { other: other.to_path_buf(), moved });
    }
    if let Some(begun) = begun(run_dir, &pending.identity)?
        && is_claim_alone(run_dir)?
    {
        Contents::of(run_dir)?.own.iter().try_for_each(|file| files::remove(file))?;
        remove_if_empty(run_dir)?;
        move_dir(&begun, run_dir)?;
        claim_for(run_dir, trial, &pending.identity, threads)?;
        return Ok(Reuse::Begun(begun));
    }
    if let Some(other) = index.same_training(&pending.training)
        && !has_checkpoint(run_dir)
        && has_checkpoint(other)
    {
        reuse::take_training(other, run_dir)?;
        return Ok(Reuse::Training(other.to_path_buf()));
    }
    Ok(Reuse::Nothing)
}

/// Whether a directory holds only a claim, that is, a configuration and a lock.
fn is_claim_alone(run_dir: &Path) -> Result<bool> {
    let Contents { own, foreign, folders } = Contents::of(run_dir)?;
    let names = [LOCK_FILE, CONFIG_FILE].map(|name| run_dir.join(name));
    Ok(is_real_dir(run_dir)
        && foreign.is_empty()
        && folders.is_empty()
        && own.iter().all(|file| names.contains(file)))
}

/// Returns the unfinished run of the trial that was moved away from `run_dir`, if it has a checkpoint.
fn begun(run_dir: &Path, identity: &str) -> Result<Option<PathBuf>> {
    let own = run_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for path in entries(&superseded_row(run_dir))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if name.starts_with(&format!("{own}-"))
            && is_superseded_name(&name, identity)
            && proven_identity(&path).as_deref() == Some(identity)
            && has_checkpoint(&path)
            && !is_at_work(&path)?
        {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_the_program_gives_are_runs() {
        for name in ["seed-1", "seed-0", "seed-18446744073709551615"] {
            assert!(is_run_name(name), "{name}");
        }
        for name in ["seed-catalogue", "seed-01", "seed-1-backup", "seed-", "seed-bank", "seed--1", "Seed-1"]
        {
            assert!(!is_run_name(name), "{name}");
        }
        let identity = "0123456789abcdef";
        for name in ["seed-1-01234567", "seed-12-01234567-2"] {
            assert!(is_superseded_name(name, identity), "{name}");
        }
        for name in ["seed-1", "seed-1-01234568", "seed-1-01234567-1", "seed-1-01234567-mine", "my-01234567"]
        {
            assert!(!is_superseded_name(name, identity), "{name}");
        }
        assert_eq!(superseded(Path::new("results/small")), Path::new("results/.superseded/small"));
    }
}
