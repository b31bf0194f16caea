//! The results of a sweep: the runs of its trials, the committed records that stand for others, and the table of all.

use super::collect::{self, OtherSettings};
use super::committed::{Committed, CommittedRecords, RECORDS_FILE};
use super::corpora::Corpora;
use super::drawing::Drawing;
use super::record_file;
use super::search_section::Search;
use super::searching::Searching;
use super::sentence_counts::SentenceCounts;
use super::spec::SweepSpec;
use super::trial::Trial;
use crate::error::{Error, Result};
use crate::printable::shell_word;
use crate::results::record::Record;
use crate::results::table::ResultTable;
use crate::telemetry::console::print_message;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The results of a sweep's runs.
pub struct Collected {
    pub sweep_dir: PathBuf,
    pub table: ResultTable,
    /// The per-sentence counts of the compared scores.
    pub counts: Vec<SentenceCounts>,
    pub trials: Vec<Trial>,
    /// The record of each trial; None if it is not finished.
    pub records: Vec<Option<Record>>,
    /// The trials, by number, that committed records stand for.
    pub reused: BTreeSet<usize>,
    /// The trials, by number, that halving ended, with the update of their last comparison.
    pub halved: BTreeMap<usize, u64>,
    /// The search of the sweep; None if its rows are stated.
    pub search: Option<Search>,
    /// Row and seed of every run that the search may still draw.
    pub to_come: BTreeSet<(String, u64)>,
}

/// The trials of a sweep with their records.
#[derive(Default)]
struct Found<'a> {
    trials: Vec<Trial>,
    records: Vec<Option<Record>>,
    /// The trials, by number, that committed records stand for.
    reused: BTreeMap<usize, &'a Committed>,
    /// Notes on the committed records.
    notes: Vec<String>,
}

impl<'a> Found<'a> {
    /// Adds committed records, and draws of a search that are not in its ledger, as in a clone: each draw follows from
    /// the records of the draws before it.
    fn completed(
        mut self,
        committed: &'a CommittedRecords,
        mut search: Option<Searching>,
        data_root: &Path,
    ) -> Result<Self> {
        let mut corpora = Corpora::new(data_root);
        let (known, mut first) = (self.trials.len(), 0);
        while first < self.trials.len() {
            self.reuse(first, committed, &mut corpora)?;
            let new = (first..).zip(&self.records[first..]);
            let complete: Option<Vec<(usize, &Record)>> =
                new.map(|(number, record)| Some((number, record.as_ref()?))).collect();
            first = self.trials.len();
            let (Some(search), Some(records)) = (&mut search, complete) else { break };
            // Without the objective, a record does not lead to further draws.
            let learnt = records.into_iter().try_for_each(|(number, record)| search.finish(number, record));
            if learnt.is_err() || search.to_come() == 0 {
                break;
            }
            if let Some(drawn) = search.next(|_, _| None, &mut Vec::new())? {
                self.records.extend(collect::records_of_settings(search.sweep_dir, &drawn.trials));
                self.trials.extend(drawn.trials);
            }
        }
        // The last draw has no record: it was never trained.
        while self.trials.len() > known && self.records.last() == Some(&None) {
            self.trials.pop();
            self.records.pop();
        }
        let recorded: Vec<&Trial> = self.reused.keys().map(|&number| &self.trials[number]).collect();
        self.notes = corpora.notes_on_records(&recorded, committed)?;
        Ok(self)
    }

    /// Takes committed records for the trials from number `first` on that have no record of their own.
    fn reuse(&mut self, first: usize, committed: &'a CommittedRecords, corpora: &mut Corpora) -> Result<()> {
        for (number, trial) in self.trials.iter().enumerate().skip(first) {
            if self.records[number].is_some() {
                continue;
            }
            let identities = corpora.identities_with(&trial.experiment, committed)?;
            if let Some(found) = identities.and_then(|(identity, _)| committed.of(&identity)) {
                self.records[number] = Some(found.under(&trial.row));
                self.reused.insert(number, found);
            }
        }
        Ok(())
    }
}

impl Collected {
    /// Reads the runs of a sweep, of which at least one must be finished, and takes `committed` records where a trial
    /// has none of its own. `file` is the sweep file; `search` has the draws so far. Prints notes on the records.
    ///
    /// # Errors
    /// A user error if no trial is finished; if a corpus in `data_root` is damaged.
    pub fn read(
        file: &Path,
        spec: SweepSpec,
        trials: Vec<Trial>,
        search: Option<Drawing>,
        sweep_dir: PathBuf,
        committed: &CommittedRecords,
        data_root: &Path,
    ) -> Result<Collected> {
        let found =
            Found { records: collect::records_of_settings(&sweep_dir, &trials), trials, ..Found::default() };
        let mut to_come = search.as_ref().map_or_else(BTreeSet::new, Drawing::runs_to_come);
        let search = search
            .map(|drawing| Searching::new(drawing, data_root, committed, &sweep_dir, &spec.policy, false));
        let Found { trials, records, reused, notes } = found.completed(committed, search, data_root)?;
        notes.iter().for_each(|note| print_message(&format!("note: {note}")));
        let damaged = collect::damaged_records(&sweep_dir, &trials);
        if records.iter().all(Option::is_none) {
            let damaged: String = damaged.iter().map(|damage| format!("\n  {damage}")).collect();
            let why = nothing_finished(file, &sweep_dir, &trials, committed)?;
            return Err(Error::user(why + &damaged));
        }
        damaged.iter().for_each(|damage| print_message(&format!("warning: {damage}; its trial is left out")));
        let sources = collect::Sources {
            spec: &spec,
            sweep_dir: &sweep_dir,
            trials: &trials,
            records: &records,
            reused: &reused,
        };
        let collect::Table { table, counts, halved } = collect::table(&sources, data_root)?;
        // Committed records were taken for some of them.
        to_come.retain(|(row, seed)| !trials.iter().any(|trial| trial.row == *row && trial.seed == *seed));
        let (reused, search) = (reused.into_keys().collect(), spec.search);
        Ok(Collected { sweep_dir, table, counts, trials, records, reused, halved, search, to_come })
    }
}

/// Returns the message that no trial of a sweep is finished, with advice.
fn nothing_finished(
    file: &Path,
    sweep_dir: &Path,
    trials: &[Trial],
    committed: &CommittedRecords,
) -> Result<String> {
    if let Some(others) = OtherSettings::of(sweep_dir, trials) {
        return Ok(others.told(sweep_dir));
    }
    let folder = sweep_dir.display().to_string();
    let file = shell_word(&file.display().to_string());
    let why = format!("{folder} holds no finished trial of this sweep; run `ablate sweep {file}`");
    let kept = record_file::labels(sweep_dir)?;
    let is_kept = |trial: &Trial| kept.contains(&(trial.row.clone(), trial.seed));
    Ok(match committed.is_empty() && trials.iter().any(is_kept) {
        true => format!("{why}, or take its {RECORDS_FILE} with --reuse-records {}", shell_word(&folder)),
        false => why,
    })
}
