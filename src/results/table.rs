//! From the results of trials to a table: one line a row, mean and spread over seeds, the
//! paper's value beside ours. [`render`](super::render) writes it as Markdown, CSV or text.

use super::published::Published;
use crate::error::{Error, Result};
use std::collections::BTreeMap;

/// The columns that a sweep may show: two of ours, and metric tags.
pub const COLUMNS: [&str; 16] = [
    "parameters",
    "steps",
    "train/loss",
    "train/perplexity",
    "dev/loss",
    "dev/perplexity",
    "dev/word_perplexity",
    "dev/accuracy",
    "dev/bleu",
    "dev/chrf",
    "test/loss",
    "test/perplexity",
    "test/word_perplexity",
    "test/bleu",
    "test/chrf",
    "test/ter",
];

/// The columns of a sweep that names none.
pub const USUAL_COLUMNS: [&str; 5] = ["parameters", "steps", "dev/perplexity", "dev/bleu", "test/bleu"];

/// What the sweep says about its table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Of [`COLUMNS`]; empty: [`USUAL_COLUMNS`].
    pub columns: Vec<String>,
    pub published: Option<Published>,
    /// In the sweep's order.
    pub rows: Vec<RowLayout>,
}

/// What the sweep says about one row.
#[derive(Debug, Clone, PartialEq)]
pub struct RowLayout {
    pub label: String,
    pub group: Option<String>,
    /// Label of the published row beside this one.
    pub paper: Option<String>,
    /// (key, value in TOML)
    pub changes: Vec<(String, String)>,
    /// Every seed that the row should have.
    pub seeds: Vec<u64>,
}

/// What one trial came to.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialResult {
    pub row: String,
    pub seed: u64,
    /// Absent if the trial ended before there was a model.
    pub parameters: Option<u64>,
    /// Optimizer updates made.
    pub steps: u64,
    /// Final values by tag: `dev/bleu`.
    pub metrics: BTreeMap<String, f64>,
    /// How BLEU was computed; values of different signatures do not compare.
    pub signature: Option<String>,
    pub state: TrialState,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TrialState {
    Finished,
    Failed { reason: String },
}

/// A table, ready to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct ResultTable {
    pub columns: Vec<Column>,
    pub rows: Vec<Row>,
    /// In the order of rows, then of seeds.
    pub failures: Vec<Failure>,
    /// The signature that all scores share.
    pub signature: Option<String>,
    /// What to know about the published values shown.
    pub notes: Vec<String>,
}

/// A column of values.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    /// Some row has a published value here.
    pub published: bool,
}

/// One row: the trials that differ in nothing but the seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    pub label: String,
    pub group: Option<String>,
    /// (key, value in TOML)
    pub changes: Vec<(String, String)>,
    /// Trials that finished; the values are theirs.
    pub finished: usize,
    /// Trials that the sweep asks for.
    pub wanted: usize,
    /// One for each column.
    pub cells: Vec<Cell>,
}

/// A row's value in a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Cell {
    /// Absent: no finished trial has the value.
    pub summary: Option<Summary>,
    /// The paper's, as printed.
    pub published: Option<String>,
}

/// Mean and spread of a value over seeds.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub n: usize,
    pub mean: f64,
    /// Sample standard deviation, with n - 1; absent for one value.
    pub deviation: Option<f64>,
}

/// A trial that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    pub row: String,
    pub seed: u64,
    pub reason: String,
}

impl Summary {
    /// Of at least one value; `None` of none.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Summary { n, mean, deviation })
    }
}

impl ResultTable {
    /// Lays out the results; trials without one are still to be run.
    ///
    /// # Errors
    /// A result that the layout has no place for, two of one trial, an unknown published
    /// row, or scores of different signatures.
    pub fn new(layout: &Layout, results: &[TrialResult]) -> Result<ResultTable> {
        let by_trial = index(layout, results)?;
        let signature = one_signature(results)?;
        let names: Vec<&str> = match layout.columns.as_slice() {
            [] => USUAL_COLUMNS.to_vec(),
            columns => columns.iter().map(String::as_str).collect(),
        };
        let mut table = ResultTable {
            columns: names.iter().map(|name| Column { name: name.to_string(), published: false }).collect(),
            rows: Vec::new(),
            failures: Vec::new(),
            signature,
            notes: Vec::new(),
        };
        for row in &layout.rows {
            let ended = |seed: &u64| by_trial.get(&(row.label.as_str(), *seed)).copied();
            let ended: Vec<&TrialResult> = row.seeds.iter().filter_map(ended).collect();
            table.failures.extend(ended.iter().filter_map(|result| failure(result)));
            let finished: Vec<&TrialResult> =
                ended.into_iter().filter(|result| result.state == TrialState::Finished).collect();
            let paper = match (&layout.published, &row.paper) {
                (Some(published), Some(label)) => Some(published.row(label)?),
                _ => None,
            };
            let cell = |name: &&str| {
                let values: Vec<f64> = finished.iter().filter_map(|result| value(result, name)).collect();
                let published = paper.and_then(|paper| paper.value(name)).map(String::from);
                Cell { summary: Summary::of(&values), published }
            };
            let cells: Vec<Cell> = names.iter().map(cell).collect();
            for (column, cell) in table.columns.iter_mut().zip(&cells) {
                column.published |= cell.published.is_some();
            }
            if let Some(note) = paper.and_then(|paper| paper.note.as_ref()) {
                table.notes.push(format!("paper, {}: {note}", row.label));
            }
            table.rows.push(Row {
                label: row.label.clone(),
                group: row.group.clone(),
                changes: row.changes.clone(),
                finished: finished.len(),
                wanted: row.seeds.len(),
                cells,
            });
        }
        Ok(table)
    }
}

/// Results by (row, seed).
fn index<'a>(
    layout: &Layout,
    results: &'a [TrialResult],
) -> Result<BTreeMap<(&'a str, u64), &'a TrialResult>> {
    let mut by_trial = BTreeMap::new();
    for result in results {
        let TrialResult { row, seed, .. } = result;
        if !layout.rows.iter().any(|known| known.label == *row && known.seeds.contains(seed)) {
            return Err(Error::user(format!(
                "the results hold row {row:?} with seed {seed}, which the sweep does not have; remove its directory or add it to the sweep"
            )));
        }
        if by_trial.insert((row.as_str(), *seed), result).is_some() {
            return Err(Error::user(format!(
                "the results hold row {row:?} with seed {seed} twice; keep one of the two records"
            )));
        }
    }
    Ok(by_trial)
}

fn one_signature(results: &[TrialResult]) -> Result<Option<String>> {
    let finished = results.iter().filter(|result| result.state == TrialState::Finished);
    let mut signed = finished.filter_map(|result| Some((result, result.signature.as_deref()?)));
    let Some((first, signature)) = signed.next() else {
        return Ok(None);
    };
    match signed.find(|(_, other)| *other != signature) {
        None => Ok(Some(signature.to_string())),
        Some((second, other)) => Err(Error::user(format!(
            "the results mix two BLEU signatures: {signature} (row {:?}, seed {}) and {other} (row {:?}, seed {}); score all of them anew with one setting before tabulating",
            first.row, first.seed, second.row, second.seed
        ))),
    }
}

fn failure(result: &TrialResult) -> Option<Failure> {
    match &result.state {
        TrialState::Finished => None,
        TrialState::Failed { reason } => {
            Some(Failure { row: result.row.clone(), seed: result.seed, reason: reason.clone() })
        }
    }
}

fn value(result: &TrialResult, column: &str) -> Option<f64> {
    match column {
        "parameters" => result.parameters.map(|count| count as f64),
        "steps" => Some(result.steps as f64),
        tag => result.metrics.get(tag).copied(),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn row(label: &str, paper: Option<&str>, changes: &[(&str, &str)]) -> RowLayout {
        RowLayout {
            label: label.into(),
            group: paper.filter(|label| *label != "base").map(|_| "A".into()),
            paper: paper.map(String::from),
            changes: changes.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect(),
            seeds: vec![1, 2, 3],
        }
    }

    fn finished(row: &str, seed: u64, perplexity: f64, bleu: f64) -> TrialResult {
        let metrics = [("dev/perplexity", perplexity), ("dev/bleu", bleu)];
        TrialResult {
            row: row.into(),
            seed,
            parameters: Some(65_110_016),
            steps: 100_000,
            metrics: metrics.into_iter().map(|(tag, value)| (tag.to_string(), value)).collect(),
            signature: Some("nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0".into()),
            state: TrialState::Finished,
        }
    }

    /// A sweep of three rows: one complete, one with a failure and a trial to come, one not begun.
    pub fn example() -> (Layout, Vec<TrialResult>) {
        let columns = ["parameters", "steps", "dev/perplexity", "dev/bleu"].map(String::from).to_vec();
        let rows = vec![
            row("base", Some("base"), &[]),
            row("A-h1", Some("A-h1"), &[("model.heads", "1")]),
            row("own", None, &[("model.position", "\"none\""), ("training.label_smoothing", "0.0")]),
        ];
        let layout = Layout { columns, published: Some(Published::named("table3").unwrap()), rows };
        let mut failed = finished("A-h1", 2, 0.0, 0.0);
        failed.state = TrialState::Failed { reason: "diverged at step 300: the loss is NaN".into() };
        let results = vec![
            finished("A-h1", 1, 5.25, 24.5),
            finished("base", 3, 5.0, 26.0),
            finished("base", 1, 4.75, 25.5),
            finished("base", 2, 5.25, 25.0),
            failed,
        ];
        (layout, results)
    }

    #[test]
    fn rows_follow_the_sweep_and_count_only_finished_trials() {
        let (layout, results) = example();
        let table = ResultTable::new(&layout, &results).unwrap();
        let counts: Vec<_> =
            table.rows.iter().map(|row| (row.label.as_str(), row.finished, row.wanted)).collect();
        assert_eq!(counts, [("base", 3, 3), ("A-h1", 1, 3), ("own", 0, 3)]);
        let bleu = table.rows[0].cells[3].summary.unwrap();
        assert_eq!((bleu.mean, bleu.deviation), (25.5, Some(0.5)));
        assert_eq!(table.rows[1].cells[3].summary.unwrap().deviation, None);
        assert_eq!(table.rows[1].cells[3].published.as_deref(), Some("24.9"));
        assert_eq!(table.rows[2].cells[3], Cell { summary: None, published: None });
        assert_eq!(table.failures.len(), 1);
    }

    #[test]
    fn different_signatures_are_not_mixed() {
        let (layout, mut results) = example();
        results[1].signature = Some("tok:none".into());
        let error = ResultTable::new(&layout, &results).unwrap_err().to_string();
        assert!(error.contains("two BLEU signatures") && error.contains("score all of them anew"), "{error}");
    }

    #[test]
    fn results_that_the_sweep_does_not_know_are_refused() {
        let (layout, mut results) = example();
        results.push(results[0].clone());
        assert!(ResultTable::new(&layout, &results).unwrap_err().to_string().contains("twice"));
        results.last_mut().unwrap().seed = 9;
        assert!(ResultTable::new(&layout, &results).unwrap_err().to_string().contains("seed 9, which"));
    }
}
