//! Reuse of another run's work: a finished run of the same trial is taken over as a whole; from a run that differs in
//! decoding alone, the training is taken.

use super::claim::claim;
use super::run_files::{Contents, is_temporary};
use super::run_paths::{
    CHECKPOINTS, CONFIG_FILE, DAMAGED_RECORD, ENDING_FILE, EVENTS_FILE, LOCK_FILE, LOG_FILE, SCORED_PATH,
    WEIGHTS_CHECKSUM,
};
use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::files;
use crate::results::metric::is_final_score;
use crate::results::record::{FAILURE_FILE, RECORD_FILE, Record};
use crate::telemetry::growing_file::Line;
use crate::telemetry::metrics_log::{self, MetricsLog};
use crate::telemetry::view_log::{View, ViewLog};
use crate::telemetry::{METRICS_FILE, TIMING_FILE, VIEWS_FILE};
use crate::train::checkpoint_files;
use crate::train::run_state::Owner;
use std::fs;
use std::path::{Path, PathBuf};

/// Returns the record of a finished run after checking that its files match it.
///
/// # Errors
/// If a file does not match, or there is no record.
pub fn verified_record(run_dir: &Path) -> Result<Record> {
    let damaged = |file: &str| Error::failed(format!("{} is not as recorded", run_dir.join(file).display()));
    let record = Record::load(run_dir)?.ok_or_else(|| damaged(RECORD_FILE))?;
    for (name, checksum) in &record.checksums {
        let file = if name == WEIGHTS_CHECKSUM { SCORED_PATH } else { name };
        if blake3::hash(&read(&run_dir.join(file))?).to_hex().as_str() != checksum {
            return Err(damaged(file));
        }
    }
    Ok(record)
}

/// Turns `run_dir`, which holds at most a claim, into a copy of the run `other` with this `record`, under its own
/// label. Files in `other` that are not the run's own are not taken.
///
/// # Errors
/// If a file cannot be read or written: `run_dir` is then not finished.
pub fn take_over(
    other: &Path,
    record: Record,
    run_dir: &Path,
    experiment: &Experiment,
    label: &str,
) -> Result<()> {
    files::create_dir(run_dir)?;
    claim(run_dir, experiment, &record.identity)?;
    // These files say nothing about this run, or are written below.
    let left_out = [
        CONFIG_FILE,
        RECORD_FILE,
        DAMAGED_RECORD,
        FAILURE_FILE,
        LOG_FILE,
        LOCK_FILE,
        EVENTS_FILE,
        ENDING_FILE,
    ];
    for file in own_files(other)? {
        let name = file.strip_prefix(other).unwrap_or(&file);
        if name.components().count() > 1 {
            link(&file, &run_dir.join(name))?;
        } else if !left_out.iter().any(|left_out| name == Path::new(left_out)) {
            files::write_atomically(&run_dir.join(name), &read(&file)?)?;
        }
    }
    Record { label: label.to_string(), ..record }.save(run_dir)
}

/// Gives `run_dir`, which was claimed but has no checkpoint yet, the training of `other`: its checkpoints and its
/// curves. Decoding and scoring remain to be done.
///
/// # Errors
/// If the curves or the checkpoints do not match `other`'s record, or a file cannot be written. A damaged checkpoint is
/// found when it is used.
pub fn take_training(other: &Path, run_dir: &Path) -> Result<()> {
    let record = Record::load(other)?
        .ok_or_else(|| Error::failed(format!("{} is not there", other.join(RECORD_FILE).display())))?;
    [METRICS_FILE, VIEWS_FILE].iter().try_for_each(|file| record.check_file(other, file))?;
    if let Some(Some(Owner { identity, training_identity: Some(training) })) =
        checkpoint_files::owner(&other.join(CHECKPOINTS))?
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
    for row in rows.iter().filter(|row| Some(row.step) != end || !is_final_score(&row.tag)) {
        curves.record(row)?;
    }
    curves.sync()?;
    if other.join(TIMING_FILE).exists() {
        files::write_atomically(&run_dir.join(TIMING_FILE), &read(&other.join(TIMING_FILE))?)?;
    }
    let (views, _) = View::read_undamaged(&other.join(VIEWS_FILE))?;
    let mut log = ViewLog::create(&run_dir.join(VIEWS_FILE))?;
    views.iter().filter(|view| !is_final_score(&view.tag)).try_for_each(|view| log.record(view))?;
    log.sync()?;
    files::create_dir(&run_dir.join(CHECKPOINTS))?;
    for file in own_files(other)? {
        if file.parent() == Some(&other.join(CHECKPOINTS)) && file != other.join(SCORED_PATH) {
            link(&file, &run_dir.join(file.strip_prefix(other).unwrap_or(&file)))?;
        }
    }
    files::remove(&run_dir.join(SCORED_PATH))
}

/// The files that a run has written, without temporary ones.
fn own_files(run_dir: &Path) -> Result<Vec<PathBuf>> {
    let own = Contents::of(run_dir)?.own;
    Ok(own.into_iter().filter(|file| !is_temporary(file)).collect())
}

/// Links a file under a second name, or copies it if that fails: checkpoints and hypotheses are replaced, never changed.
fn link(file: &Path, target: &Path) -> Result<()> {
    let folder = target.parent().unwrap_or(target);
    files::create_dir(folder)?;
    files::remove(target)?;
    if fs::hard_link(file, target).is_err() {
        files::write_atomically(target, &read(file)?)?;
    }
    files::sync_dir(folder)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).map_err(Error::io("read", path))
}
