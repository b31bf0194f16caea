//! What another run has done already: a finished run of the same trial is taken over whole, one that
//! only decodes otherwise lends its training.

use super::{CHECKPOINTS, CONFIG_FILE, LOCK_FILE, LOG_FILE, claim, is_final};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::files;
use crate::results::record::{FAILURE_FILE, RECORD_FILE, Record};
use crate::telemetry::metrics_log::{self, MetricsLog};
use crate::telemetry::view_log::{self, ViewLog};
use crate::telemetry::{METRICS_FILE, TIMING_FILE, VIEWS_FILE};
use crate::train::checkpoint::{Checkpoints, Owner};
use std::fs;
use std::path::{Path, PathBuf};

/// The weights that the scores of a finished run are of, below its directory.
pub(super) const SCORED: &str = "checkpoints/scored.weights.safetensors";

/// Makes `run_dir` the run `other` under a label of its own. An unfinished run in it is given up.
///
/// # Errors
/// If `other` is not what its record says, or a file cannot be written: `run_dir` is then not finished.
pub fn take_over(other: &Path, run_dir: &Path, experiment: &Experiment, label: &str) -> Result<()> {
    let damaged = |file: &str| Error::failed(format!("{} is not as recorded", other.join(file).display()));
    let mut record = Record::load(other)?.ok_or_else(|| damaged(RECORD_FILE))?;
    for (name, checksum) in &record.checksums {
        let file = if name == "weights" { SCORED } else { name };
        let bytes = fs::read(other.join(file)).map_err(Error::io("read", other.join(file)))?;
        if blake3::hash(&bytes).to_hex().as_str() != checksum {
            return Err(damaged(file));
        }
    }
    if run_dir.exists() {
        fs::remove_dir_all(run_dir).map_err(Error::io("remove", run_dir))?;
    }
    files::create_dir(run_dir)?;
    claim(run_dir, experiment, &record.identity)?;
    for entry in entries(other)? {
        let name = entry.file_name().unwrap_or_default();
        let own =
            [CONFIG_FILE, RECORD_FILE, FAILURE_FILE, LOG_FILE, LOCK_FILE].iter().any(|file| name == *file);
        if entry.is_dir() {
            link_folder(&entry, &run_dir.join(name))?;
        } else if !own {
            files::write_atomically(&run_dir.join(name), &read(&entry)?)?;
        }
    }
    record.label = label.to_string();
    record.save(run_dir)
}

/// Gives `run_dir`, which was claimed but has no checkpoint yet, the training of `other`: its checkpoints
/// and its curves. Decoding and scoring are left to do.
///
/// # Errors
/// If the curves or the checkpoints are not those of `other`'s record, or a file cannot be written. A damaged
/// checkpoint is found by who uses it.
pub fn take_training(other: &Path, run_dir: &Path) -> Result<()> {
    let record = Record::load(other)?
        .ok_or_else(|| Error::failed(format!("{} is not there", other.join(RECORD_FILE).display())))?;
    [METRICS_FILE, VIEWS_FILE].iter().try_for_each(|file| record.check_file(other, file))?;
    if let Some(Some(Owner { identity, training_identity: Some(training) })) =
        Checkpoints::owner(&other.join(CHECKPOINTS))?
        && identity != record.identity
        && Some(training) != record.training_identity
    {
        return Err(Error::failed(format!(
            "{} holds checkpoints of another trial than {RECORD_FILE} beside it",
            other.join(CHECKPOINTS).display()
        )));
    }
    let rows = metrics_log::read(&other.join(METRICS_FILE))?;
    let end = rows.iter().map(|row| row.step).max();
    let mut curves = MetricsLog::create(&run_dir.join(METRICS_FILE))?;
    for row in rows.iter().filter(|row| Some(row.step) != end || !is_final(&row.tag)) {
        curves.record(row.step, &row.tag, row.value)?;
    }
    curves.sync()?;
    if other.join(TIMING_FILE).exists() {
        files::write_atomically(&run_dir.join(TIMING_FILE), &read(&other.join(TIMING_FILE))?)?;
    }
    let (views, _) = view_log::read(&other.join(VIEWS_FILE))?;
    let mut log = ViewLog::create(&run_dir.join(VIEWS_FILE))?;
    views.iter().filter(|view| !is_final(&view.tag)).try_for_each(|view| log.record(view))?;
    log.sync()?;
    link_folder(&other.join(CHECKPOINTS), &run_dir.join(CHECKPOINTS))?;
    files::remove(&run_dir.join(SCORED))
}

/// Whether the run has a training state to go on from.
pub fn has_checkpoint(run_dir: &Path) -> bool {
    let entries = fs::read_dir(run_dir.join(CHECKPOINTS)).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).any(|path| path.to_string_lossy().ends_with(".state.safetensors"))
}

/// The files of a folder under a second name each, or copies where that cannot be: checkpoints and
/// hypotheses are replaced, never changed.
fn link_folder(from: &Path, to: &Path) -> Result<()> {
    files::create_dir(to)?;
    for file in entries(from)?.iter().filter(|path| path.is_file()) {
        let target = to.join(file.file_name().unwrap_or_default());
        files::remove(&target)?;
        if fs::hard_link(file, &target).is_err() {
            files::write_atomically(&target, &read(file)?)?;
        }
    }
    files::sync_dir(to)
}

/// What a folder holds, without temporary files.
fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(Error::io("list", folder))?;
    let paths = entries.map(|entry| entry.map(|entry| entry.path()).map_err(Error::io("list", folder)));
    let kept =
        |path: &Result<PathBuf>| path.as_ref().map_or(true, |p| p.extension().is_none_or(|e| e != "tmp"));
    paths.filter(kept).collect()
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io("read", path))
}
