//! From run directories to a sweep's records and tables. Needs nothing else, and so can be
//! repeated at any time.

use super::committed::{Committed, RECORDS_FILE};
use super::expand::{Trial, layout};
use super::spec::SweepSpec;
use crate::error::Result;
use crate::files;
use crate::results::record::{Failure, Record};
use crate::results::render;
use crate::results::table::{ResultTable, TrialResult, TrialState};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Where a trial of the sweep in `sweep_dir` lives.
pub fn run_dir(sweep_dir: &Path, trial: &Trial) -> PathBuf {
    sweep_dir.join(&trial.row).join(format!("seed-{}", trial.seed))
}

/// The records of the finished trials, in the order of `trials`. `wanted` tells whether a record
/// is of the trial; others are left out, and so are damaged ones, which the trial's next start reports.
pub fn records(
    sweep_dir: &Path,
    trials: &[Trial],
    wanted: impl Fn(&Trial, &Record) -> bool,
) -> Result<Vec<Option<Record>>> {
    let record = |trial: &Trial| {
        let found = Record::load(&run_dir(sweep_dir, trial)).ok().flatten();
        found.filter(|record| wanted(trial, record))
    };
    Ok(trials.iter().map(record).collect())
}

/// The table of a sweep from what its trials left.
pub fn table(
    spec: &SweepSpec,
    sweep_dir: &Path,
    trials: &[Trial],
    records: &[Option<Record>],
) -> Result<ResultTable> {
    let mut results = Vec::new();
    for (trial, record) in trials.iter().zip(records) {
        match record {
            Some(record) => results.push(TrialResult {
                row: trial.row.clone(),
                seed: trial.seed,
                parameters: Some(record.parameters),
                steps: record.steps,
                metrics: record.metrics.clone(),
                signature: Some(record.signature.clone()),
                state: TrialState::Finished,
            }),
            None => results.extend(Failure::load(&run_dir(sweep_dir, trial)).map(|failure| TrialResult {
                row: trial.row.clone(),
                seed: trial.seed,
                parameters: None,
                steps: 0,
                metrics: Default::default(),
                signature: None,
                state: TrialState::Failed { reason: failure.reason },
            })),
        }
    }
    ResultTable::new(&layout(spec, trials)?, &results)
}

/// What a table says of the trials that committed records stand for; nothing if there are none.
pub fn note_of_reused(trials: &[Trial], reused: &BTreeMap<usize, &Committed>) -> Option<String> {
    let mut by_file: BTreeMap<&Path, Vec<String>> = BTreeMap::new();
    for (&number, found) in reused {
        let Trial { row, seed, .. } = &trials[number];
        by_file.entry(&found.file).or_default().push(format!("{row} seed {seed}"));
    }
    let files = by_file.iter().map(|(file, names)| format!("{} by {}", names.join(", "), file.display()));
    let files: Vec<String> = files.collect();
    (!files.is_empty()).then(|| format!("committed records: {}", files.join("; ")))
}

/// Writes `table.md`, `table.csv`, `records.jsonl` and a copy of the sweep file.
pub fn write(
    sweep_file: &Path,
    sweep_dir: &Path,
    table: &ResultTable,
    records: &[Option<Record>],
) -> Result<()> {
    files::write_atomically(&sweep_dir.join("table.md"), render::markdown(table).as_bytes())?;
    files::write_atomically(&sweep_dir.join("table.csv"), render::csv(table)?.as_bytes())?;
    let mut lines = String::new();
    for record in records.iter().flatten() {
        lines += &record.to_line()?;
        lines.push('\n');
    }
    files::write_atomically(&sweep_dir.join(RECORDS_FILE), lines.as_bytes())?;
    files::write_atomically(&sweep_dir.join("sweep.toml"), files::read_to_string(sweep_file)?.as_bytes())
}
