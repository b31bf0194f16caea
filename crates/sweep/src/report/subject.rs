//! The input of a report: a sweep, its trials and its table.

use crate::config::Experiment;
use crate::results::metric::{Better, DEV, DEV_BLEU, METRICS, TEST, find};
use crate::results::record::{Failure, Record};
use crate::results::summary::Summary;
use crate::results::table::{ResultTable, Row};
use std::path::{Path, PathBuf};

/// The input of a report.
pub struct Report<'a> {
    /// The sweep's name.
    pub name: &'a str,
    /// The sweep file.
    pub sweep_file: &'a Path,
    pub sweep_text: &'a str,
    /// The `section.key=value` settings with which the sweep was run.
    pub sets: &'a [String],
    /// Row by row, seeds innermost.
    pub trials: Vec<Trial<'a>>,
    pub table: &'a ResultTable,
    /// The search, if the rows of the sweep are its draws.
    pub search: Option<Searched<'a>>,
    /// The keys that the sweep draws from a continuous range.
    pub continuous: &'a [String],
    /// Directory of the prepared corpora.
    pub data_root: &'a Path,
}

/// The facts about a sweep's search that a report shows.
#[derive(Debug, Clone, Copy)]
pub struct Searched<'a> {
    /// The tag of the score that is searched for.
    pub objective: &'a str,
    pub better: Better,
    /// Number of draws of the whole search.
    pub count: usize,
}

/// A trial: one row with one seed.
pub struct Trial<'a> {
    pub row: &'a str,
    pub group: Option<&'a str>,
    pub seed: u64,
    pub experiment: &'a Experiment,
    pub run_dir: PathBuf,
    /// The record; None unless the trial is finished.
    pub record: Option<&'a Record>,
    /// Whether the record is a committed one: it stands for the trial, which has no run.
    pub is_reused: bool,
    /// The update at which halving ended the trial; None unless it did.
    pub halved_at: Option<u64>,
    /// The failure; None unless the trial failed.
    pub failure: Option<Failure>,
}

impl<'a> Trial<'a> {
    /// Returns the record of a finished trial whose run can be read.
    pub fn record_of_run(&self) -> Option<&'a Record> {
        self.record.filter(|_| !self.is_reused)
    }
}

impl<'a> Report<'a> {
    /// The rows in their order, each with its trials.
    pub fn rows(&self) -> Vec<&[Trial<'a>]> {
        self.trials.chunk_by(|a, b| a.row == b.row).collect()
    }

    /// Returns the name of the [`base`](Self::base) row on the page.
    pub fn base_name(&self) -> &'static str {
        if self.table.base.is_some() { "base row" } else { "first row" }
    }

    /// The label of the row that others are compared with: the one that the table names, else the first.
    pub fn base(&self) -> Option<&str> {
        self.table.base.as_deref().or(self.trials.first().map(|trial| trial.row))
    }

    /// Returns whether this is the label of the base row.
    pub fn is_base(&self, label: &str) -> bool {
        self.base() == Some(label)
    }

    /// Returns the tag of the report's main score, the first recorded one of these: BLEU or F1 on test, then on dev;
    /// then the scores on test that have a curve, such as the perplexity of language models and the prediction accuracy
    /// of word vectors.
    pub fn score(&self) -> &'a str {
        let recorded = |tag: String| -> Option<&'a str> {
            let mut records = self.trials.iter().filter_map(|trial| trial.record);
            records.find_map(|record| record.metrics.get_key_value(&tag)).map(|(tag, _)| tag.as_str())
        };
        let on = |set| METRICS.iter().filter(|metric| metric.tested).map(move |metric| metric.tag(set));
        let tested = [TEST, DEV].into_iter().flat_map(on);
        let with_curve = METRICS.iter().filter(|metric| metric.curve).map(|metric| metric.tag(TEST));
        tested.chain(with_curve).find_map(recorded).unwrap_or(DEV_BLEU)
    }

    /// Returns the row of the table to which these trials belong.
    pub fn table_row(&self, trials: &[Trial]) -> Option<&'a Row> {
        self.table.rows.iter().find(|row| row.layout.label == trials[0].row)
    }

    /// Returns the tag of the score by which the page judges settings: the objective of a search, which is never of the
    /// test set, else the [`score`](Self::score).
    pub fn setting_score(&self) -> &'a str {
        self.search.map_or_else(|| self.score(), |search| search.objective)
    }

    /// Formats a value of the [`setting_score`](Self::setting_score) with the digits of the metric.
    pub fn setting_score_text(&self, value: f64) -> String {
        text_of(self.setting_score(), value)
    }

    /// Returns whether lower or higher values of the [`setting_score`](Self::setting_score) are better.
    pub fn better(&self) -> Better {
        find(&METRICS, self.setting_score()).map_or(Better::Higher, |(metric, _)| metric.better)
    }

    /// Returns the first finished run of each row: the base row first, then the others by the
    /// [`setting_score`](Self::setting_score), the best first.
    pub fn by_interest(&self) -> Vec<(&Trial<'a>, &'a Record)> {
        let rows = self.rows().into_iter();
        let mut found: Vec<(&Trial<'a>, &'a Record)> = rows.filter_map(|row| runs(row).next()).collect();
        let tag = self.setting_score();
        let better = self.better();
        // The lower, the better; a run without the score comes last.
        let rank =
            |record: &Record| record.metrics.get(tag).map_or(f64::INFINITY, |&score| better.loss(score));
        found.sort_by(|a, b| {
            let is_other = |trial: &Trial| !self.is_base(trial.row);
            is_other(a.0).cmp(&is_other(b.0)).then(rank(a.1).total_cmp(&rank(b.1)))
        });
        found
    }
}

/// Formats a value of a score with the digits of the metric.
pub fn text_of(score: &str, value: f64) -> String {
    let digits = find(&METRICS, score).map_or(2, |(metric, _)| metric.digits);
    format!("{value:.digits$}")
}

/// Returns the finished trials of a row whose runs can be read, with their records.
pub fn runs<'r, 'a>(row: &'r [Trial<'a>]) -> impl Iterator<Item = (&'r Trial<'a>, &'a Record)> {
    row.iter().filter_map(|trial| Some((trial, trial.record_of_run()?)))
}

/// Returns the signature that all finished trials of a row share, if they do.
pub fn signature<'a>(row: &[Trial<'a>]) -> Option<&'a str> {
    shared(row, |record| &record.signature)
}

/// Returns the signature and what rows must share that compare in a score: the dev and test texts where it has a
/// signature, else the tokens, too. None if the finished trials of the row differ in it.
pub fn scored_by<'a>(row: &[Trial<'a>], score: &str) -> Option<(&'a str, &'a str)> {
    let data = shared(row, |record| &record.data.fingerprint)?;
    let has_signature = find(&METRICS, score).is_some_and(|(metric, _)| metric.has_signature);
    let text = shared(row, |record| record.data.scored_text.as_ref().unwrap_or(&record.data.fingerprint));
    Some((signature(row)?, text.filter(|_| has_signature).unwrap_or(data)))
}

/// Returns the mean of a score over the finished trials of a row; None if they were not scored alike.
pub fn mean_of(row: &[Trial], score: &str) -> Option<Summary> {
    scored_by(row, score)?;
    Summary::of(&values_of(row, score))
}

/// The score of each finished trial of a row that has it.
pub fn values_of(row: &[Trial], score: &str) -> Vec<f64> {
    let records = row.iter().filter_map(|trial| trial.record);
    records.filter_map(|record| record.metrics.get(score).copied()).collect()
}

fn shared<'a>(row: &[Trial<'a>], of: impl Fn(&'a Record) -> &'a String) -> Option<&'a str> {
    let mut all = row.iter().filter_map(|trial| trial.record).map(|record| of(record).as_str());
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}
