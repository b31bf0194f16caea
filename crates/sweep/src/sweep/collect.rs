//! Makes a sweep's records and tables from its run directories. Needs nothing else but the references of the
//! translations, and so can be repeated at any time.

use super::committed::{Committed, RECORDS_FILE};
use super::directory;
use super::ladder;
use super::record_file;
use super::sentence_counts::{self, CommittedCounts, SentenceCounts};
use super::spec::SweepSpec;
use super::table_section::layout;
use super::trial::{Trial, is_of, run_dir};
use crate::config::Experiment;
use crate::data::Split;
use crate::error::Result;
use crate::experiment::attempts::training_time;
use crate::experiment::{
    changes_since, metric_of, present_failure, recorded_hypotheses, scored_text, settings_since,
};
use crate::files;
use crate::results::judge::judge;
use crate::results::metric::{BLEU, F1, tag};
use crate::results::record::Record;
use crate::results::render::Tabulated;
use crate::results::significance::{Evidence, compare_rows};
use crate::results::table::ResultTable;
use crate::results::trial_result::{TrialOutcome, TrialResult};
use crate::telemetry::format::counted;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Returns the records of the finished trials, in the order of `trials`. `wanted` tells whether a record belongs to the
/// trial with that number. Other records and damaged ones become None; [`table`] names them.
pub fn records(
    sweep_dir: &Path,
    trials: &[Trial],
    wanted: impl Fn(usize, &Record) -> bool,
) -> Vec<Option<Record>> {
    let record = |(number, trial): (usize, &Trial)| {
        Record::readable(&run_dir(sweep_dir, trial)).filter(|record| wanted(number, record))
    };
    trials.iter().enumerate().map(record).collect()
}

/// Returns the records of the finished trials that have the trials' settings and seeds, in the order of `trials`.
pub fn records_of_settings(sweep_dir: &Path, trials: &[Trial]) -> Vec<Option<Record>> {
    records(sweep_dir, trials, |number, record| is_of(&trials[number], record))
}

/// The input of a table: a sweep, its trials and their records.
pub struct Sources<'a> {
    pub spec: &'a SweepSpec,
    pub sweep_dir: &'a Path,
    pub trials: &'a [Trial],
    /// The record of each trial; None if it is not finished.
    pub records: &'a [Option<Record>],
    /// The trials, by number, that committed records stand for.
    pub reused: &'a BTreeMap<usize, &'a Committed>,
}

/// The table of a sweep, and the results that it was made with.
pub struct Table {
    pub table: ResultTable,
    /// The per-sentence counts of the compared scores.
    pub counts: Vec<SentenceCounts>,
    /// The trials, by number, that halving ended, with the update of their last comparison.
    pub halved: BTreeMap<usize, u64>,
}

/// Makes the table of a sweep with its rows compared and its groups judged. `data_root` has the prepared corpora. If a
/// corpus or translations are missing, the table says that its rows were not compared.
pub fn table(sources: &Sources, data_root: &Path) -> Result<Table> {
    let Sources { spec, sweep_dir, trials, records, reused } = *sources;
    let mut table = values(sources)?;
    let (evidence, counts) = evidence(&table, sources, data_root);
    compare_rows(&mut table, &evidence)?;
    judge(&mut table);
    let halved = ladder::halved(spec.policy.halving.as_ref(), sweep_dir, trials, records)?;
    table.notes.extend(note_of_missing(sweep_dir, trials, records, &halved)?);
    table.notes.extend(note_of_halved(trials, &halved));
    table.notes.extend(note_of_reused(sweep_dir, trials, reused));
    Ok(Table { table, counts, halved })
}

/// Returns the table's note on trials without values that left something else: a record that does not verify, a run of
/// other settings, a record without a run, or finished seeds of the same row. Failures and the trials that halving ended
/// are shown elsewhere.
fn note_of_missing(
    sweep_dir: &Path,
    trials: &[Trial],
    records: &[Option<Record>],
    halved: &BTreeMap<usize, u64>,
) -> Result<Option<String>> {
    let standing = record_file::labels(sweep_dir)?;
    let mut missing = Vec::new();
    let unfinished = trials.iter().zip(records).enumerate().filter(|(_, (_, record))| record.is_none());
    for (number, (trial, _)) in unfinished {
        let (row, seed) = (&trial.row, trial.seed);
        let others =
            || trials.iter().zip(records).any(|(other, record)| other.row == *row && record.is_some());
        let why = match record_or_damage(&run_dir(sweep_dir, trial)) {
            Err(damage) => damage,
            Ok(_) if present_failure(&run_dir(sweep_dir, trial), &trial.experiment).is_some() => continue,
            Ok(Some(_)) => {
                let changes = changes_since(&run_dir(sweep_dir, trial), &trial.experiment);
                format!("its run has other settings or data: {changes}")
            }
            Ok(None) if standing.contains(&(row.clone(), seed)) => {
                format!("it has no finished run, and {RECORDS_FILE} its record, which --reuse-records takes")
            }
            Ok(None) if halved.contains_key(&number) => continue,
            Ok(None) if others() => "not finished".to_string(),
            Ok(None) => continue,
        };
        missing.push(format!("{row} seed {seed} ({why})"));
    }
    Ok((!missing.is_empty()).then(|| format!("not in the table: {}", missing.join("; "))))
}

/// Returns the table's note on the trials that halving ended, given with the update of the last comparison.
fn note_of_halved(trials: &[Trial], halved: &BTreeMap<usize, u64>) -> Option<String> {
    let mut by_update: BTreeMap<u64, Vec<&Trial>> = BTreeMap::new();
    for (&number, &update) in halved {
        by_update.entry(update).or_default().push(&trials[number]);
    }
    let of_update = |(update, found): (&u64, &Vec<&Trial>)| format!("{} at update {update}", by_row(found));
    let parts: Vec<String> = by_update.iter().map(of_update).collect();
    (!parts.is_empty()).then(|| format!("ended by halving: {}", parts.join("; ")))
}

/// Finished runs in the places of trials, with other settings than the trials.
pub struct OtherSettings {
    runs: usize,
    /// The differences of the first run: `training.steps 40, not 2500`. Empty if only the seed differs, or the settings
    /// of the run cannot be read.
    differences: String,
}

impl OtherSettings {
    /// Largest number of differences to name.
    const TOLD: usize = 4;

    /// Looks for such runs in the directories of `trials`; None if there is none.
    pub fn of(sweep_dir: &Path, trials: &[Trial]) -> Option<OtherSettings> {
        let is_other = |trial: &&Trial| {
            Record::readable(&run_dir(sweep_dir, trial)).is_some_and(|record| !is_of(trial, &record))
        };
        let others: Vec<&Trial> = trials.iter().filter(is_other).collect();
        let first = others.first()?;
        let changes = settings_since(&run_dir(sweep_dir, first), &first.experiment);
        let mut words: Vec<String> = changes
            .iter()
            .take(Self::TOLD)
            .map(|change| {
                let [before, now] = change.values();
                format!("{} {before}, not {now}", change.key)
            })
            .collect();
        if changes.len() > Self::TOLD {
            words.push(format!("and {} more", changes.len() - Self::TOLD));
        }
        Some(OtherSettings { runs: others.len(), differences: words.join("; ") })
    }

    /// Returns a message that says which runs were found in place of the sweep's own, and what to do.
    pub fn told(&self, sweep_dir: &Path) -> String {
        let what = match self.differences.as_str() {
            "" => "another seed or other settings".to_string(),
            differences => format!("other settings ({differences})"),
        };
        format!(
            "{} holds no finished trial of this sweep, but {} with {what}; if the sweep was run with --set, give the same \
             --set here",
            sweep_dir.display(),
            counted(self.runs, "finished trial")
        )
    }
}

/// Returns whether a table could state anything of these trials: a record, or a failure.
pub fn has_ended(sweep_dir: &Path, trials: &[Trial], records: &[Option<Record>]) -> bool {
    let has_failed = |trial: &Trial| present_failure(&run_dir(sweep_dir, trial), &trial.experiment).is_some();
    records.iter().any(Option::is_some) || trials.iter().any(has_failed)
}

/// Returns the record in a run directory, or a description of its damage without the directory's name.
fn record_or_damage(run_dir: &Path) -> std::result::Result<Option<Record>, String> {
    Record::load(run_dir).map_err(|error| error.to_string().replace(&format!("{}/", run_dir.display()), ""))
}

/// Returns the descriptions of all records that do not verify.
pub fn damaged_records(sweep_dir: &Path, trials: &[Trial]) -> Vec<String> {
    trials
        .iter()
        .filter_map(|trial| Record::load(&run_dir(sweep_dir, trial)).err())
        .map(|e| e.to_string())
        .collect()
}

/// Returns the table's values without comparisons, for a table that is made again after every trial.
pub fn values(sources: &Sources) -> Result<ResultTable> {
    let Sources { spec, sweep_dir, trials, records, reused } = *sources;
    let mut results = Vec::new();
    for (number, (trial, record)) in trials.iter().zip(records).enumerate() {
        let run_dir = run_dir(sweep_dir, trial);
        let outcome = match record {
            Some(record) => TrialOutcome::Finished {
                record: Box::new(record.clone()),
                // A run in the directory of a reused record is a different one.
                time: match reused.contains_key(&number) {
                    true => None,
                    false => training_time(&run_dir, record.steps),
                },
            },
            None => match present_failure(&run_dir, &trial.experiment) {
                Some(failure) => TrialOutcome::Failed { reason: failure.reason },
                None => continue,
            },
        };
        results.push(TrialResult { row: trial.row.clone(), seed: trial.seed, outcome });
    }
    ResultTable::new(&layout(spec, trials)?, &results)
}

/// Returns the per-sentence counts of BLEU in the translations of the finished trials, or of F1 in their parses. Counts
/// of reused records are read from the file beside the record; the others need the run and its references.
fn evidence(table: &ResultTable, sources: &Sources, data_root: &Path) -> (Evidence, Vec<SentenceCounts>) {
    let Sources { sweep_dir, trials, records, reused, .. } = *sources;
    let committed = CommittedCounts::beside(reused.values().copied());
    let mut evidence = Evidence::default();
    let mut counted = Vec::new();
    let mut references = References { root: data_root, known: BTreeMap::new() };
    let with_numbers = trials.iter().zip(records).enumerate();
    let mut finished: Vec<(usize, &Trial, &Record)> = with_numbers
        .filter_map(|(number, (trial, record))| Some((number, trial, record.as_ref()?)))
        .collect();
    finished.sort_by_key(|(_, trial, _)| trial.seed);
    let scores = [Split::Dev, Split::Test].map(|split| [BLEU, F1].map(|score| (split, score)));
    for (split, score) in scores.into_iter().flatten() {
        let column = tag(split.name(), score);
        if !table.columns.iter().any(|known| known.name == column && known.is_tested()) {
            continue;
        }
        for (number, trial, record) in
            finished.iter().filter(|(_, _, record)| record.metrics.contains_key(&column))
        {
            let run_dir = run_dir(sweep_dir, trial);
            let metric = metric_of(&trial.experiment);
            let counts = match reused.contains_key(number) {
                true => committed.of(record, split, score, metric.as_ref()),
                false => references.of(&trial.experiment, record, split).and_then(|references| {
                    let hypotheses = recorded_hypotheses(&run_dir, record, split);
                    let counts = hypotheses
                        .and_then(|hypotheses| metric.counts(&hypotheses, std::slice::from_ref(references)));
                    let counts = counts.map_err(|error| error.to_string())?;
                    Ok(SentenceCounts::of(record, split, score, counts))
                }),
            };
            let key = (trial.row.clone(), column.clone());
            match counts {
                Ok(found) => {
                    evidence.counts.entry(key).or_default().push(found.counts.clone());
                    counted.push(found);
                }
                Err(why) if !evidence.missing.contains(&why) => evidence.missing.push(why),
                Err(_) => {}
            }
        }
    }
    // A row that lacks a seed is not compared: the other seeds would stand for all.
    let whole = |(row, column): &(String, String), counts: &mut Vec<_>| {
        let of_row = || finished.iter().filter(|(_, trial, _)| trial.row == *row);
        let unscored: Vec<String> = of_row()
            .filter(|(_, _, record)| !record.metrics.contains_key(column))
            .map(|(_, trial, _)| trial.seed.to_string())
            .collect();
        if !unscored.is_empty() {
            evidence.missing.push(format!("{row} has no {column} of seed {}", unscored.join(", ")));
        }
        of_row().count() == counts.len()
    };
    evidence.counts.retain(whole);
    (evidence, counted)
}

/// The references of prepared corpora, each read once.
struct References<'a> {
    root: &'a Path,
    /// By fingerprint and split; or the reason why they are missing.
    known: BTreeMap<(String, &'static str), std::result::Result<Vec<String>, String>>,
}

impl References<'_> {
    /// Returns the references of a trial's translations, or the reason why they are missing.
    fn of(
        &mut self,
        experiment: &Experiment,
        record: &Record,
        split: Split,
    ) -> std::result::Result<&Vec<String>, String> {
        let key = (record.data.fingerprint.clone(), split.name());
        let found = self.known.entry(key).or_insert_with(|| {
            let place = format!(" in {}", self.root.display());
            scored_text(&experiment.data, &record.data.fingerprint, split, self.root, &place)
                .map(|text| text.target)
        });
        found.as_ref().map_err(String::clone)
    }
}

/// Returns the table's note on trials that committed records stand for. Records in the sweep's own file are not named:
/// it also holds the records of its runs.
fn note_of_reused(
    sweep_dir: &Path,
    trials: &[Trial],
    reused: &BTreeMap<usize, &Committed>,
) -> Option<String> {
    let own = sweep_dir.join(RECORDS_FILE).canonicalize().ok();
    let is_own = |file: &Path| own.is_some() && file.canonicalize().ok() == own;
    let mut by_file: BTreeMap<&Path, Vec<&Trial>> = BTreeMap::new();
    for (&number, found) in reused.iter().filter(|(_, found)| !is_own(&found.file)) {
        by_file.entry(&found.file).or_default().push(&trials[number]);
    }
    let of_file = |(file, found): (&&Path, &Vec<&Trial>)| {
        let is_all = found.len() > 1 && found.len() == trials.len();
        let names = if is_all { format!("all {} trials", found.len()) } else { by_row(found) };
        format!("{names} by {}", file.display())
    };
    let files: Vec<String> = by_file.iter().map(of_file).collect();
    (!files.is_empty()).then(|| format!("committed records: {}", files.join("; ")))
}

/// Returns the names of trials, those of a row together: `base seeds 1–5, wide seed 1`.
fn by_row(trials: &[&Trial]) -> String {
    let of_row = |trials: &[&Trial]| {
        let seeds: Vec<u64> = trials.iter().map(|trial| trial.seed).collect();
        format!("{} {}", trials[0].row, seed_words(&seeds))
    };
    trials.chunk_by(|a, b| a.row == b.row).map(of_row).collect::<Vec<_>>().join(", ")
}

/// Returns seeds in words: `seed 1`, `seeds 1, 3`, or `seeds 1–5` for more than two consecutive ones.
fn seed_words(seeds: &[u64]) -> String {
    match seeds {
        [seed] => format!("seed {seed}"),
        [first, .., last] if seeds.len() > 2 && seeds.windows(2).all(|pair| pair[0] + 1 == pair[1]) => {
            format!("seeds {first}–{last}")
        }
        _ => format!("seeds {}", seeds.iter().map(u64::to_string).collect::<Vec<_>>().join(", ")),
    }
}

/// Writes `records.jsonl`, `sentence_counts.jsonl.gz`, `table.md`, `table.tex`, `table.csv` and a copy of the sweep
/// file. Returns notes on the records. The directory need not exist: committed records may stand for all trials.
///
/// # Errors
/// A user error for a directory with files of these names that no sweep wrote.
pub fn write(
    sweep_file: &Path,
    sweep_dir: &Path,
    (table, counts): (&ResultTable, &[SentenceCounts]),
    trials: &[Trial],
    records: &[Option<Record>],
    to_come: &BTreeSet<(String, u64)>,
) -> Result<Vec<String>> {
    directory::check(sweep_dir)?;
    files::create_dir(sweep_dir)?;
    // Written first: the directory is recognised by the records.
    let notes = record_file::update(sweep_dir, trials, records, to_come)?;
    sentence_counts::update(sweep_dir, counts)?;
    write_tables(sweep_dir, &Tabulated::of(table)?)?;
    files::write_atomically(
        &sweep_dir.join(directory::SWEEP_COPY),
        files::read_to_string(sweep_file)?.as_bytes(),
    )?;
    Ok(notes)
}

/// Writes `table.md`, `table.tex` and `table.csv` into a directory, which is created if it does not exist.
pub fn write_tables(folder: &Path, table: &Tabulated) -> Result<()> {
    files::create_dir(folder)?;
    let texts = [table.latex(), table.markdown(), table.csv()?];
    for (name, text) in directory::TABLES.iter().zip(texts) {
        files::write_atomically(&folder.join(name), text.as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn consecutive_seeds_are_a_range() {
        let words = [&[7][..], &[1, 2], &[1, 2, 3, 4], &[1, 2, 4]].map(seed_words);
        assert_eq!(words, ["seed 7", "seeds 1, 2", "seeds 1–4", "seeds 1, 2, 4"]);
    }
}
