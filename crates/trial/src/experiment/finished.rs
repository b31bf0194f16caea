//! The configuration and the record that a finished run left.

use super::claim::{self, claimed_identity};
use super::run_paths::{CONFIG_FILE, SCORED_PATH, WEIGHTS_CHECKSUM};
use crate::config::{Experiment, load_experiment};
use crate::data::{Prepared, prepare};
use crate::error::{Error, Result};
use crate::folders;
use crate::results::record::{RECORD_FILE, Record};
use crate::results::recorded::FileState;
use std::path::Path;

/// The configuration of a run, changed by `sets`.
///
/// # Errors
/// A user error if `run_dir` is no run directory or its configuration is damaged.
pub fn run_configuration(run_dir: &Path, sets: &[String]) -> Result<Experiment> {
    let config = run_dir.join(CONFIG_FILE);
    if config.exists() && !claim::is_sound(run_dir)? {
        return Err(Error::user(format!(
            "{} is damaged; the command that trained the run writes it anew",
            config.display()
        )));
    }
    if !config.exists() {
        return Err(Error::user(no_run(run_dir)));
    }
    load_experiment(&config, sets)
}

/// The reason why a path is no run directory, and a directory that may be meant.
fn no_run(path: &Path) -> String {
    let place = path.display();
    if !path.exists() {
        return format!("there is no directory {place}");
    }
    let inside = folders::list(path).unwrap_or_default();
    match inside.iter().find(|inside| inside.join(CONFIG_FILE).exists()) {
        Some(first) => {
            format!("{place} is not a run directory but has some: name one, such as {}", first.display())
        }
        None => format!("{place} is not a run directory: it has no {CONFIG_FILE}"),
    }
}

/// The configuration, changed by `sets`, and the record of a finished run.
///
/// # Errors
/// A user error if `run_dir` is no run directory, its trial is not finished, or configuration and record are of
/// different trials.
pub fn finished_run(run_dir: &Path, sets: &[String]) -> Result<(Experiment, Record)> {
    let experiment = run_configuration(run_dir, sets)?;
    let Some(record) = Record::load(run_dir)? else {
        return Err(Error::user(format!("{} is not finished: it has no record.json yet", run_dir.display())));
    };
    if claimed_identity(run_dir)?.is_some_and(|claimed| claimed != record.identity) {
        return Err(Error::user(format!(
            "{0}: {CONFIG_FILE} and {RECORD_FILE} are of different trials; put the run's own files back, or remove {0} \
             and train again",
            run_dir.display()
        )));
    }
    Ok((experiment, record))
}

/// Opens the data that a finished run was trained on and scored with. Prepares a generated corpus.
///
/// # Errors
/// A user error if the data is not prepared, or is other data than the run's.
pub fn open_data(
    run_dir: &Path,
    (experiment, record): (&Experiment, &Record),
    data_root: &Path,
) -> Result<Prepared> {
    let data = prepare::open(&experiment.data, data_root)?;
    check_data(run_dir, record, &data)?;
    Ok(data)
}

/// Refuses a run that was trained on other text than the prepared one. Another text can give a vocabulary of the same
/// size in which every id has another meaning, and its references are not those that the run was scored on.
pub fn check_data(run_dir: &Path, record: &Record, data: &Prepared) -> Result<()> {
    if record.data.fingerprint == data.fingerprint() {
        return Ok(());
    }
    Err(Error::user(format!(
        "{} was trained on other data than {} holds (fingerprints {:.16} and {:.16}, {} and {} tokens); prepare the text that it \
         was trained on, or name its place with --data",
        run_dir.display(),
        data.directory().display(),
        record.data.fingerprint,
        data.fingerprint(),
        record.data.vocabulary,
        data.tokenizers.target().len()
    )))
}

/// Whether the weights that a finished run was scored with match its record.
///
/// # Errors
/// If the record does not verify or a file cannot be read.
pub fn scored_weights_hold(run_dir: &Path) -> Result<bool> {
    let Some(record) = Record::load(run_dir)? else { return Ok(false) };
    Ok(record.file_state(WEIGHTS_CHECKSUM, &run_dir.join(SCORED_PATH))? == FileState::AsRecorded)
}
