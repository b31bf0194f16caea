//! A row of a table: the results in each column of trials that differ in the seed alone.

use super::comparison::Comparison;
use super::metric::{Metric, TEST_ATAT, find, is_of_class};
use super::published::{PublishedRow, paper_recipe};
use super::record::{Record, is_one_text};
use super::summary::Summary;
use super::table_layout::{Form, Layout, RowLayout, TABLE2_COLUMN};
use super::training_cost::TrainingCost;
use super::trial_result::TrialResult;
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// A column of values.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Column {
    /// The name, one of [`columns`](super::table_layout::columns).
    pub name: String,
    /// `None` if the column is a count, such as `parameters`.
    #[serde(skip)]
    pub metric: Option<Metric>,
    /// Whether the sweep asks for the column.
    #[serde(skip)]
    pub stated: bool,
    /// Whether some row has a published value in the column.
    pub published: bool,
}

/// A row: the trials that differ in the seed alone.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Row {
    #[serde(flatten)]
    pub layout: RowLayout,
    /// Fingerprint of the data of all finished trials; rows with other data do not compare in scores of tokens. `None` if
    /// no trial finished, or if their data differ: then the row has no means of scores.
    pub fingerprint: Option<String>,
    /// Hash of the dev and test texts of all finished trials. `None` if their data differ, or if only older records have
    /// these data, which do not state it.
    #[serde(skip)]
    pub scored_text: Option<String>,
    /// The BLEU signature of all finished trials; rows with another one do not compare in BLEU. `None` if no trial
    /// finished, or if their signatures differ: then the row has no mean of BLEU.
    pub signature: Option<String>,
    /// Number of finished trials, of the seeds that the row should have; the values are theirs.
    pub finished: usize,
    /// Seed and training identity of each finished trial, in the order of the seeds. Trials of one training differ in
    /// decoding alone; older records do not state theirs.
    #[serde(skip)]
    pub trainings: Vec<(u64, Option<String>)>,
    /// The mean training cost of a trial.
    pub cost: TrainingCost,
    /// One cell for each column.
    pub cells: Vec<Cell>,
}

/// A row's value in a column.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Cell {
    /// `None` if no finished trial has the value.
    pub summary: Option<Summary>,
    /// Whether this is the best mean of the column among rows of the same data. No cell is the best if several rows all
    /// have the same mean, or if the column is not ranked.
    pub best: bool,
    /// The paper's value, as printed; parameters in millions.
    pub published: Option<String>,
    /// Our mean minus the paper's value, in the unit of the paper and counted as the paper counts; only for the paper's
    /// own text.
    pub against_published: Option<f64>,
    /// The mean behind `against_published`, if that is another score than the column's.
    pub as_published: Option<f64>,
    /// The comparison with the base row; `None` for the base row, for columns that are not tested, and without
    /// translations to test.
    pub comparison: Option<Comparison>,
}

impl Cell {
    /// The paper's value as a number, in the unit that the paper prints.
    pub fn published_value(&self) -> Option<f64> {
        self.published.as_ref()?.parse().ok()
    }
}

impl Column {
    pub fn new(metrics: &[Metric], name: &str) -> Column {
        let metric = find(metrics, name).map(|(metric, _)| *metric);
        Column { name: name.to_string(), metric, stated: false, published: false }
    }

    /// See [`Metric::has_signature`].
    pub(super) fn has_signature(&self) -> bool {
        self.metric.is_some_and(|metric| metric.has_signature)
    }

    /// See [`Metric::tested`].
    pub fn is_tested(&self) -> bool {
        self.metric.is_some_and(|metric| metric.tested) && !is_of_class(&self.name)
    }
}

/// Lays out the finished and failed trials of a row; `paper` holds the published values of its row, and `scored_texts` the
/// hash of the dev and test texts of each fingerprint.
pub(super) fn new_row(
    layout: &Layout,
    row: &RowLayout,
    ended: &[&TrialResult],
    paper: Option<&PublishedRow>,
    columns: &[Column],
    scored_texts: &BTreeMap<String, String>,
) -> Row {
    let finished: Vec<&Record> = ended.iter().filter_map(|result| result.record()).collect();
    let signatures = distinct_of(&finished, |record| record.signature.clone());
    let texts = distinct_of(&finished, |record| record.data.fingerprint.clone());
    let summary_of = |name: &str, is_score: bool, has_signature: bool| {
        if (is_score && texts.len() > 1) || (has_signature && signatures.len() > 1) {
            return None;
        }
        Summary::of(&finished.iter().filter_map(|record| value(record, name)).collect::<Vec<_>>())
    };
    // The paper's text has capitals, and its scores count them.
    let same_text = |record: &&Record| {
        record.data.recipe == paper_recipe(&row.pair) && !record.signature.contains("|case:lc|")
    };
    let same_text = finished.iter().all(same_text);
    let of_words = finished.iter().all(|record| record.signature.contains("|tok:13a|"));
    let cell = |column: &Column| {
        let name = column.name.as_str();
        let summary = summary_of(name, column.metric.is_some(), column.has_signature());
        let of_pair = |paper: &'_ PublishedRow| match name {
            TABLE2_COLUMN if layout.form == Form::Table2 => paper.on_pair(&row.pair).map(String::from),
            name => paper.value(name).map(String::from),
        };
        let published = paper.and_then(of_pair);
        let printed = published.as_ref().and_then(|text| text.parse::<f64>().ok());
        let unit = if name == "parameters" { 1e-6 } else { 1.0 };
        let mean = |summary: Option<&Summary>| Some(summary?.mean * unit);
        // The paper's scores on newstest2014 are another BLEU, with compounds split.
        let as_published = match name {
            TABLE2_COLUMN if published.is_some() => mean(summary_of(TEST_ATAT, true, true).as_ref()),
            _ => None,
        };
        let ours = if name == TABLE2_COLUMN { as_published } else { mean(summary.as_ref()) };
        let counted_alike = name == TABLE2_COLUMN || of_words || !column.has_signature();
        let against_published =
            ours.zip(printed).filter(|_| same_text && counted_alike).map(|(ours, printed)| ours - printed);
        Cell { summary, best: false, published, against_published, as_published, comparison: None }
    };
    Row {
        layout: row.clone(),
        fingerprint: one(&texts),
        scored_text: one(&texts).and_then(|data| scored_texts.get(&data).cloned()),
        signature: one(&signatures),
        finished: finished.len(),
        trainings: ended
            .iter()
            .filter_map(|result| Some((result.seed, result.record()?.training_identity.clone())))
            .collect(),
        cost: TrainingCost::of(ended, &layout.peak_tflops),
        cells: columns.iter().map(cell).collect(),
    }
}

impl Row {
    /// Returns whether both rows were scored on the same dev and test texts, so that BLEU or F1 compare. Their tokens may
    /// differ, and their training texts.
    pub(super) fn has_text_of(&self, other: &Row) -> bool {
        let (Some(ours), Some(theirs)) = (&self.fingerprint, &other.fingerprint) else { return false };
        is_one_text([ours, theirs], [&self.scored_text, &other.scored_text])
    }

    /// Returns whether the scores with a signature compare: both rows were scored on the same texts and in the same way.
    pub(super) fn is_scored_as(&self, other: &Row) -> bool {
        self.has_text_of(other) && self.signature == other.signature
    }

    /// Returns whether the scores of both rows compare. Scores without a signature count tokens, so they need the same
    /// tokens, too.
    pub(super) fn compares_in(&self, metric: &Metric, other: &Row) -> bool {
        match metric.has_signature {
            true => self.is_scored_as(other),
            false => other.fingerprint == self.fingerprint,
        }
    }
}

/// Returns the distinct values in records, sorted.
pub(super) fn distinct_of<T: Ord>(records: &[&Record], of: impl Fn(&Record) -> T) -> Vec<T> {
    records.iter().map(|record| of(record)).collect::<BTreeSet<T>>().into_iter().collect()
}

/// Returns the only element; `None` if there are none or several.
pub(super) fn one(all: &[String]) -> Option<String> {
    match all {
        [only] => Some(only.clone()),
        _ => None,
    }
}

/// A remark on a row without a mean, because its seeds were not scored alike: its scores one by one, or its texts if
/// these differ. `None` if the table shows no such scores.
pub(super) fn mixed(columns: &[Column], row: &Row, ended: &[&TrialResult]) -> Option<String> {
    if row.finished > 0 && row.fingerprint.is_none() {
        let text = |result: &&TrialResult| {
            let fingerprint = &result.record()?.data.fingerprint;
            Some(format!("seed {} saw {}", result.seed, fingerprint.get(..16).unwrap_or(fingerprint)))
        };
        let texts: Vec<String> = ended.iter().filter_map(text).collect();
        return Some(format!(
            "{} has no mean scores, because its seeds saw data of different fingerprints: {}",
            row.layout.label,
            texts.join("; ")
        ));
    }
    let columns = columns.iter().filter(|column| column.has_signature() && !is_of_class(&column.name));
    let columns: Vec<&Column> = columns.collect();
    if row.signature.is_some() || row.finished == 0 || columns.is_empty() {
        return None;
    }
    let score = |result: &&TrialResult| {
        let record = result.record()?;
        let score =
            |column: &&Column| Some(format!("{} {:.2}", column.name, record.metrics.get(&column.name)?));
        let scores: Vec<String> = columns.iter().filter_map(score).collect();
        Some(format!("seed {} has {} of {}", result.seed, scores.join(", "), record.signature))
    };
    let scores: Vec<String> = ended.iter().filter_map(score).collect();
    let mut titles: Vec<&str> = columns.iter().filter_map(|column| Some(column.metric?.title)).collect();
    titles.dedup();
    Some(format!(
        "{} has no mean {}, because its seeds were not scored alike: {}",
        row.layout.label,
        titles.join(" and "),
        scores.join("; ")
    ))
}

fn value(record: &Record, column: &str) -> Option<f64> {
    match column {
        "parameters" => Some(record.parameters as f64),
        "steps" => Some(record.steps as f64),
        tag => record.metrics.get(tag).copied(),
    }
}
