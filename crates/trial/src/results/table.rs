//! The table of a sweep's results: one line per row, with mean and spread over seeds and the paper's value.
//! [`significance`](super::significance) compares the rows, [`judge`](super::judge) judges their groups,
//! [`render`](super::render) writes the table as Markdown, LaTeX, CSV or text.
//!
//! `ablate table --json` prints a serialized [`ResultTable`]: its field names are a file format.

use super::comparison::Significance;
use super::metric::{METRICS, Metric};
use super::record::Record;
pub use super::row::{Cell, Column, Row};
use super::row::{distinct_of, mixed, new_row, one};
use super::table_layout::{Form, Layout, column_names, index};
use super::trial_result::{TrialOutcome, TrialResult};
use super::varied::VariedSetting;
use super::verdict::Verdict;
use crate::error::Result;
use serde::Serialize;
use std::collections::BTreeMap;

/// A table, ready to be written.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ResultTable {
    /// The sweep's name.
    pub sweep: String,
    pub form: Form,
    /// The settings that differ among rows.
    pub settings: Vec<VariedSetting>,
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// The label of the row that others are compared with, if it is among the rows.
    pub base: Option<String>,
    /// The methods by which rows were compared, or the reasons why they were not.
    pub significance: Significance,
    /// Whether the paper's claims about its groups of rows hold here; empty without published values.
    pub verdicts: Vec<Verdict>,
    /// The failed trials in the order of rows, then of seeds.
    pub failures: Vec<FailedTrial>,
    /// The signature that all BLEU scores share; `None` if there is none, or several: then rows have their own.
    pub signature: Option<String>,
    /// The corpora of the finished trials.
    pub data: Vec<Data>,
    /// The commits of the code that finished trials ran.
    pub commits: Vec<String>,
    /// The devices that finished trials ran on, by their own names.
    pub devices: Vec<String>,
    /// Name of the published table whose values are shown.
    pub published: Option<String>,
    /// Remarks about values in the table.
    pub notes: Vec<String>,
    /// The selection and the order of the rows in words, if the user asked for one.
    pub selection: Option<String>,
    /// Whether the rows are no longer in the order of the sweep.
    #[serde(skip)]
    pub sorted: bool,
}

/// A corpus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Data {
    pub recipe: String,
    /// Hash of the prepared content.
    pub fingerprint: String,
}

/// A trial that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedTrial {
    pub row: String,
    pub seed: u64,
    pub reason: String,
}

impl ResultTable {
    /// Lays out the results; trials without a result are still to be run.
    ///
    /// # Errors
    /// A result that has no place in the layout, two results of one trial, or an unknown published row.
    pub fn new(layout: &Layout, results: &[TrialResult]) -> Result<ResultTable> {
        ResultTable::of(&METRICS, layout, results)
    }

    /// [`new`](Self::new) with another table of metrics.
    pub fn of(metrics: &[Metric], layout: &Layout, results: &[TrialResult]) -> Result<ResultTable> {
        let by_trial = index(layout, results)?;
        let names = column_names(metrics, layout);
        let mut table = ResultTable {
            sweep: layout.sweep.clone(),
            form: layout.form,
            settings: layout.settings.clone(),
            columns: names
                .iter()
                .map(|name| Column { stated: !layout.columns.is_empty(), ..Column::new(metrics, name) })
                .collect(),
            rows: Vec::new(),
            base: layout.base.clone(),
            significance: Significance::default(),
            verdicts: Vec::new(),
            failures: Vec::new(),
            signature: one(&distinct(results, |record| record.signature.clone())),
            data: distinct(results, |record| Data {
                recipe: record.data.recipe.clone(),
                fingerprint: record.data.fingerprint.clone(),
            }),
            commits: distinct(results, |record| record.provenance.commit.clone()),
            devices: distinct(results, |record| record.provenance.device_name.clone()),
            published: layout.published.as_ref().map(|published| published.name.clone()),
            notes: Vec::new(),
            selection: None,
            sorted: false,
        };
        let scored_texts = scored_texts(results);
        for row in &layout.rows {
            let ended: Vec<&TrialResult> = row
                .seeds
                .iter()
                .filter_map(|seed| by_trial.get(&(row.label.as_str(), *seed)).copied())
                .collect();
            table.failures.extend(ended.iter().filter_map(|result| failure(result)));
            let paper = match (&layout.published, &row.paper) {
                (Some(published), Some(label)) => Some(published.row(label)?),
                _ => None,
            };
            if let Some(note) = paper.and_then(|paper| paper.note.as_ref()) {
                let note = format!("paper, {}: {note}", row.paper.as_deref().unwrap_or(&row.label));
                if !table.notes.contains(&note) {
                    table.notes.push(note);
                }
            }
            let row = new_row(layout, row, &ended, paper, &table.columns, &scored_texts);
            table.notes.extend(mixed(&table.columns, &row, &ended));
            for (column, cell) in table.columns.iter_mut().zip(&row.cells) {
                column.published |= cell.published.is_some();
            }
            table.rows.push(row);
        }
        table.mark_best();
        Ok(table)
    }

    /// The row that others are compared with.
    pub fn base_row(&self) -> Option<&Row> {
        self.rows.iter().find(|row| Some(&row.layout.label) == self.base.as_ref())
    }

    /// The row that `row` is compared with: the base row, or if that has another text or was scored differently, the
    /// first comparable row of the same system.
    pub fn base_of(&self, row: &Row) -> Option<&Row> {
        let base = self.base_row()?;
        let compares = |other: &&Row| other.is_scored_as(row);
        let mut same_system = self.rows.iter().filter(|other| other.layout.system == base.layout.system);
        Some(base).filter(compares).or_else(|| same_system.find(compares))
    }
}

/// Returns the hash of the dev and test texts of each fingerprint, as far as a record states it: older ones do not.
fn scored_texts(results: &[TrialResult]) -> BTreeMap<String, String> {
    let records = results.iter().filter_map(TrialResult::record);
    let stated = |record: &Record| Some((record.data.fingerprint.clone(), record.data.scored_text.clone()?));
    records.filter_map(stated).collect()
}

/// The distinct values of finished trials, sorted.
fn distinct<T: Ord>(results: &[TrialResult], of: impl Fn(&Record) -> T) -> Vec<T> {
    distinct_of(&results.iter().filter_map(TrialResult::record).collect::<Vec<_>>(), of)
}

fn failure(result: &TrialResult) -> Option<FailedTrial> {
    match &result.outcome {
        TrialOutcome::Finished { .. } => None,
        TrialOutcome::Failed { reason } => {
            Some(FailedTrial { row: result.row.clone(), seed: result.seed, reason: reason.clone() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::{example, finished, row, table3};
    use super::super::published::Published;
    use super::super::selection::RowSelection;
    use super::*;

    #[test]
    fn rows_follow_the_sweep_and_count_only_finished_trials() {
        let (layout, results) = example();
        let table = ResultTable::new(&layout, &results).unwrap();
        let counts: Vec<_> = table
            .rows
            .iter()
            .map(|row| (row.layout.label.as_str(), row.finished, row.layout.seeds.len()))
            .collect();
        assert_eq!(counts, [("base", 3, 3), ("A-h1", 1, 3), ("own", 0, 3)]);
        let cell = &table.rows[0].cells[3];
        let bleu = cell.summary.as_ref().unwrap();
        assert_eq!((bleu.mean, bleu.deviation, &bleu.values[..]), (25.5, Some(0.5), &[25.5, 25.0, 26.0][..]));
        assert!(cell.best && !table.rows[1].cells[3].best && !table.rows[0].cells[0].best);
        assert!((cell.against_published.unwrap() + 0.3).abs() < 1e-9);
        assert!((table.rows[0].cells[0].against_published.unwrap() - 0.110016).abs() < 1e-9);
        let single = &table.rows[1].cells[3];
        assert_eq!(
            (single.summary.as_ref().unwrap().deviation, single.published.as_deref()),
            (None, Some("24.9"))
        );
        let missing = &table.rows[2].cells[3];
        assert_eq!((&missing.summary, missing.best, missing.against_published), (&None, false, None));
        assert_eq!(
            (table.failures.len(), table.data.len(), &table.commits[..]),
            (1, 1, &["abc".to_string()][..])
        );
    }

    #[test]
    fn only_what_the_paper_counts_on_the_papers_text_is_set_against_its_numbers() {
        let (mut layout, mut results) = example();
        layout.columns = ["dev/bleu", "test/bleu"].map(String::from).to_vec();
        layout.published = Some(Published::named("table2-en-de").unwrap());
        layout.rows.truncate(1);
        let mut against = |change: &dyn Fn(&mut Record)| {
            for result in &mut results {
                if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                    change(record);
                }
            }
            let kept: Vec<TrialResult> =
                results.iter().filter(|result| result.row == "base").cloned().collect();
            let table = ResultTable::new(&layout, &kept).unwrap();
            let cell = &table.rows[0].cells[1];
            assert_eq!(cell.published.as_deref(), Some("27.3"));
            cell.against_published
        };
        // The paper did not print BLEU of these tokens.
        assert_eq!(against(&|record| _ = record.metrics.insert("test/bleu".into(), 26.0)), None);
        let with = against(&|record| _ = record.metrics.insert("test/atat".into(), 27.0));
        assert!((with.unwrap() + 0.3).abs() < 1e-9, "{with:?}");
        assert_eq!(against(&|record| record.data.recipe = "multi30k-en-de".into()), None);
    }

    #[test]
    fn a_row_is_compared_with_the_base_system_on_its_own_data() {
        let mut rows = vec![
            row("de,base", None, &[]),
            row("de,big", None, &[]),
            row("fr,base", None, &[]),
            row("fr,big", None, &[]),
        ];
        rows.iter_mut().for_each(|row| row.system = row.label[3..].into());
        let mut layout = table3(rows);
        layout.base = Some("de,base".into());
        let mut results = Vec::new();
        for label in ["de,base", "de,big", "fr,base"] {
            let mut result = finished(label, 1, 5.0, 25.0);
            if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                record.data.fingerprint = label[..2].into();
            }
            results.push(result);
        }
        let table = ResultTable::new(&layout, &results).unwrap();
        let base = |row: usize| table.base_of(&table.rows[row]).map(|row| row.layout.label.as_str());
        assert_eq!(
            [base(0), base(1), base(2), base(3)],
            [Some("de,base"), Some("de,base"), Some("fr,base"), None]
        );
    }

    #[test]
    fn rows_of_one_text_compare_in_bleu_whatever_their_tokens() {
        let labels = ["base", "merges", "other text"];
        let layout = table3(labels.map(|label| row(label, None, &[])).to_vec());
        let of = |label: &str, fingerprint: &str, scored_text: Option<&str>, bleu| {
            let mut result = finished(label, 1, 5.0, bleu);
            if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                record.data.fingerprint = fingerprint.into();
                record.data.scored_text = scored_text.map(str::to_string);
            }
            result
        };
        let table = |texts: [Option<&str>; 3]| {
            let numbered = labels.iter().zip(["f", "g", "h"]).zip(texts).zip([25.0, 26.0, 24.0]);
            let results = numbered.map(|(((label, data), text), bleu)| of(label, data, text, bleu));
            ResultTable::new(&layout, &results.collect::<Vec<_>>()).unwrap()
        };
        let base = |table: &ResultTable| {
            table
                .rows
                .iter()
                .map(|row| table.base_of(row).map(|base| base.layout.label.clone()))
                .collect::<Vec<_>>()
        };
        let known = table([Some("t"), Some("t"), Some("u")]);
        assert_eq!(base(&known), [Some("base".to_string()), Some("base".to_string()), None]);
        let best = |column: usize| known.rows.iter().map(|row| row.cells[column].best).collect::<Vec<_>>();
        assert_eq!([best(2), best(3)], [[true; 3], [false, true, true]], "perplexity is of tokens");
        // Older records state no text: equal data alone compare.
        assert_eq!(base(&table([None; 3])), [Some("base".to_string()), None, None]);
        let sorted = |mut table: ResultTable, column: &str| {
            let by = RowSelection { sort: Some(column.into()), ..Default::default() };
            table.select(&by).unwrap();
            table.notes.iter().any(|note| note.contains("does not compare between all sorted rows"))
        };
        let one_text = || table([Some("t"); 3]);
        assert_eq!([sorted(one_text(), "dev/bleu"), sorted(one_text(), "dev/perplexity")], [false, true]);
    }

    #[test]
    fn rows_of_two_sections_on_one_corpus_are_compared_with_the_base_row_itself() {
        let labels = ["a,base", "b,base", "b,wide"];
        let mut rows = labels.map(|label| row(label, None, &[])).to_vec();
        rows.iter_mut().for_each(|row| row.system = row.label[2..].into());
        let mut layout = table3(rows);
        layout.base = Some("b,base".into());
        let results = labels.map(|label| finished(label, 1, 5.0, 25.0));
        let table = ResultTable::new(&layout, &results).unwrap();
        for row in &table.rows {
            assert_eq!(table.base_of(row).map(|row| row.layout.label.as_str()), Some("b,base"));
        }
    }

    fn with_signature(results: &mut [TrialResult], row: &str, seed: u64, signature: &str) {
        for result in results.iter_mut().filter(|result| result.row == row && result.seed == seed) {
            if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                record.signature = signature.into();
            }
        }
    }

    #[test]
    fn rows_of_different_signatures_are_kept_apart() {
        let (layout, mut results) = example();
        with_signature(&mut results, "A-h1", 1, "nrefs:1|case:lc|tok:13a");
        let table = ResultTable::new(&layout, &results).unwrap();
        assert_eq!(table.signature, None);
        let [base, other] = [&table.rows[0], &table.rows[1]];
        assert!(base.signature.as_ref().unwrap().contains("case:mixed"));
        assert_eq!(other.signature.as_deref(), Some("nrefs:1|case:lc|tok:13a"));
        assert_eq!(table.base_of(other), None);
        // Each is the best of its kind in BLEU; their perplexities compare.
        assert!(base.cells[3].best && other.cells[3].best);
        assert!(base.cells[2].best && !other.cells[2].best);
        // The paper's scores count capitals.
        assert!(base.cells[3].against_published.is_some());
        assert_eq!(other.cells[3].against_published, None);
        assert!(table.notes.is_empty(), "{:?}", table.notes);
    }

    #[test]
    fn a_row_whose_seeds_were_not_scored_alike_has_no_mean_and_says_so() {
        let (layout, mut results) = example();
        with_signature(&mut results, "base", 2, "later");
        let table = ResultTable::new(&layout, &results).unwrap();
        let base = &table.rows[0];
        assert_eq!((&base.signature, &base.cells[3].summary, base.cells[3].best), (&None, &None, false));
        assert!(base.cells[2].summary.is_some());
        let note = &table.notes[0];
        assert!(
            note.starts_with("base has no mean BLEU") && note.contains("seed 2 has dev/bleu 25.00 of later"),
            "{note}"
        );
        // The scores of parsers have signatures as well.
        let (mut layout, mut results) = (layout, results);
        layout.columns = vec!["test/f1".into()];
        for result in &mut results {
            if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                record.metrics.insert("test/f1".into(), 90.5);
            }
        }
        let table = ResultTable::new(&layout, &results).unwrap();
        let note = &table.notes[0];
        assert!(
            note.starts_with("base has no mean F1,") && note.contains("seed 2 has test/f1 90.50 of later"),
            "{note}"
        );
        let csv = super::super::render::csv::rows(&table).unwrap();
        assert!(csv.lines().next().unwrap().ends_with(",F1 signature"), "{csv}");
    }

    #[test]
    fn a_row_whose_seeds_saw_other_texts_has_no_mean_scores_and_says_so() {
        let (layout, mut results) = example();
        for result in results.iter_mut().filter(|result| result.row == "base" && result.seed == 2) {
            if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                record.data.fingerprint = "prepared anew".into();
            }
        }
        let table = ResultTable::new(&layout, &results).unwrap();
        let base = &table.rows[0];
        assert_eq!((&base.fingerprint, table.base_of(&table.rows[1])), (&None, None));
        assert!(base.cells[0].summary.is_some(), "the parameters");
        assert!(base.cells[2..].iter().all(|cell| cell.summary.is_none()));
        let note = &table.notes[0];
        assert!(
            note.starts_with("base has no mean scores") && note.contains("seed 2 saw prepared anew"),
            "{note}"
        );
    }

    #[test]
    fn results_that_the_sweep_does_not_know_are_refused() {
        let (layout, mut results) = example();
        results.push(results[0].clone());
        assert!(ResultTable::new(&layout, &results).unwrap_err().to_string().contains("twice"));
        results.last_mut().unwrap().seed = 9;
        assert!(ResultTable::new(&layout, &results).unwrap_err().to_string().contains("seed 9, which"));
    }

    #[test]
    fn the_order_of_results_does_not_matter() {
        let (layout, mut results) = example();
        let table = ResultTable::new(&layout, &results).unwrap();
        results.reverse();
        assert_eq!(ResultTable::new(&layout, &results).unwrap(), table);
    }
}
