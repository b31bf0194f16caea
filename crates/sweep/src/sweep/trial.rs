//! One trial of a sweep: a row with a seed, its experiment, and its run directory.

use crate::config::{Experiment, configuration_hash};
use crate::error::Place;
use crate::experiment::run_paths;
use crate::results::record::Record;
use crate::sequence::distinct;
use crate::train::TaskKind;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A trial: one row with one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The row's label, with the parts of its section and choices. It is the name of the row's directory.
    pub row: String,
    /// The same without the section's label: rows of several sections may share it.
    pub system: String,
    /// The label without the parts that are made of settings and their values; None if nothing is left.
    pub name: Option<String>,
    /// The label of the `[[row]]` that the file states; None if axes, zips, points or draws alone make the row.
    pub stated_row: Option<String>,
    pub group: Option<String>,
    /// The row of the published table that this one repeats.
    pub paper: Option<String>,
    pub seed: u64,
    /// The changes of the row, as (key, value in TOML).
    pub changes: Vec<(String, String)>,
    /// The keys that axes, zips, points and draws change in this row.
    pub varied: Vec<String>,
    /// The keys that the row or its choices state and a `--set` replaces.
    pub replaced: Vec<String>,
    /// The arguments with which `ablate prepare` prepares its corpus: the base, and the settings that change its text.
    pub preparation: String,
    /// The experiment, resolved and checked; its label is the row's, and its seed the trial's.
    pub experiment: Experiment,
    /// The place for messages about the row.
    pub place: Place,
}

/// Returns the tasks of these trials' models, each once.
pub fn tasks(trials: &[Trial]) -> Vec<TaskKind> {
    distinct(trials.iter().map(|trial| trial.experiment.task()))
}

/// Returns the run directory of a trial of the sweep in `sweep_dir`.
pub fn run_dir(sweep_dir: &Path, trial: &Trial) -> PathBuf {
    run_paths::run_dir(sweep_dir, &trial.row, trial.seed)
}

/// Whether a record has the settings and the seed of a trial. Its data are not compared.
pub fn is_of(trial: &Trial, record: &Record) -> bool {
    record.configuration_hash == configuration_hash(&trial.experiment) && record.seed == trial.seed
}

/// Returns a note for each setting that a `--set` replaces although rows state it: their labels still name the values of the
/// file.
pub fn replaced_settings(trials: &[Trial]) -> Vec<String> {
    let mut rows: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for trial in trials {
        for key in &trial.replaced {
            let of_key = rows.entry(key).or_default();
            if of_key.last() != Some(&trial.row.as_str()) {
                of_key.push(&trial.row);
            }
        }
    }
    let note = |(key, rows): (&str, Vec<&str>)| {
        format!("--set {key} replaces what the file states for {}", rows.join(", "))
    };
    rows.into_iter().map(note).collect()
}
