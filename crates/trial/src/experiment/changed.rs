//! The reason why the run in a directory belongs to another trial: the settings that changed since, with both values.

use super::finished::run_configuration;
use crate::config::{Change, Experiment, changes, identity};
use crate::results::record::Record;
use std::path::Path;

/// The settings by which `experiment` differs from the trial for which the run in `run_dir` was started; empty if the
/// settings of the run cannot be read.
pub fn settings_since(run_dir: &Path, experiment: &Experiment) -> Vec<Change> {
    let record = Record::readable(run_dir);
    settings_before(run_dir, record.as_ref()).map_or(Vec::new(), |before| changes(&before, experiment))
}

/// The settings of a run: those in its record, else those with which it was started.
fn settings_before(run_dir: &Path, record: Option<&Record>) -> Option<Experiment> {
    match record {
        Some(record) => serde_json::from_value(record.configuration.clone()).ok(),
        None => run_configuration(run_dir, &[]).ok(),
    }
}

/// Describes, in words, the changes to `experiment` since the run in `run_dir` was started:
/// `training.steps changed from 40 to 60`.
///
/// If the settings are the same, the reason is that the corpus was prepared differently, or that results of that
/// version of ablate are not results of this one.
pub fn changes_since(run_dir: &Path, experiment: &Experiment) -> String {
    let record = Record::readable(run_dir);
    let Some(before) = settings_before(run_dir, record.as_ref()) else {
        return "its settings were written by another version of ablate, or are damaged".to_string();
    };
    let changes = changes(&before, experiment);
    if !changes.is_empty() {
        return changes.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
    }
    let data = "its corpus was prepared otherwise";
    let version = "this version of ablate computes other results";
    match record {
        Some(record) if identity(&before, &record.data.fingerprint) == record.identity => data.to_string(),
        Some(_) => version.to_string(),
        None => format!("{data}, or {version}"),
    }
}
