//! Failures in a run directory that describe its present state.

use super::{attempts, settings_since};
use crate::config::Experiment;
use crate::results::record::{FAILURE_FILE, Failure};
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The failure of a trial whose data need not be known: the latest attempt's, unless the run has other settings.
pub fn present_failure(run_dir: &Path, experiment: &Experiment) -> Option<Failure> {
    latest_failure(run_dir).filter(|_| settings_since(run_dir, experiment).is_empty())
}

/// The failure of the latest attempt in a run directory, with the number of all attempts; a failure that was written
/// before the latest attempt began is ignored.
pub fn latest_failure(run_dir: &Path) -> Option<Failure> {
    let mut failure = Failure::load(run_dir)?;
    let written = std::fs::metadata(run_dir.join(FAILURE_FILE)).and_then(|file| file.modified()).ok()?;
    let written = written.duration_since(UNIX_EPOCH).ok()?.as_secs_f64();
    let attempts = attempts::load(run_dir);
    let begun = attempts.last().map_or(0.0, |attempt| attempt.started);
    // The file counts the attempts of one call alone.
    failure.attempts = failure.attempts.max(attempts.len() as u32);
    (written >= begun).then_some(failure)
}
