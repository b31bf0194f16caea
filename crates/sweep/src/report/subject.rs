//! What a report is made of: a sweep, its trials and its table.

use super::section::part_name;
use crate::config::Experiment;
use crate::results::metric::{DEV_BLEU, TEST_BLEU, TEST_PERPLEXITY};
use crate::results::record::{Failure, Record};
use crate::results::table::ResultTable;
use std::path::{Path, PathBuf};

/// Rows beside the base row in one picture: as many as have colours of their own.
const MOST_LINES: usize = 6;

/// What a report is made of.
pub struct Report<'a> {
    /// The sweep's name.
    pub name: &'a str,
    /// The sweep file.
    pub sweep_file: &'a Path,
    pub sweep_text: &'a str,
    /// `section.key=value` that the sweep was run with.
    pub sets: &'a [String],
    /// Row by row, seeds innermost.
    pub trials: Vec<Trial<'a>>,
    pub table: &'a ResultTable,
    /// Where the prepared corpora are.
    pub data_root: &'a Path,
}

/// One row with one seed.
pub struct Trial<'a> {
    pub row: &'a str,
    pub group: Option<&'a str>,
    pub seed: u64,
    pub experiment: &'a Experiment,
    pub run_dir: PathBuf,
    /// Of a finished trial.
    pub record: Option<&'a Record>,
    /// The record is a committed one: it stands for the trial, and there is no run of it.
    pub is_reused: bool,
    /// Of one that failed.
    pub failure: Option<Failure>,
}

impl<'a> Trial<'a> {
    /// The record of a finished trial whose run is there to be read.
    pub fn record_of_run(&self) -> Option<&'a Record> {
        self.record.filter(|_| !self.is_reused)
    }
}

impl<'a> Report<'a> {
    /// The rows in their order, each with its trials.
    pub fn rows(&self) -> Vec<&[Trial<'a>]> {
        self.trials.chunk_by(|a, b| a.row == b.row).collect()
    }

    /// The label of the row that others are compared with: the one that the table names, else the first.
    pub fn base(&self) -> Option<&str> {
        self.table.base.as_deref().or(self.trials.first().map(|trial| trial.row))
    }

    /// The score that the report is about: BLEU on test, else on dev; of language models the perplexity on test.
    pub fn score(&self) -> &'static str {
        let has = |tag: &str| {
            self.trials.iter().filter_map(|trial| trial.record).any(|record| record.metrics.contains_key(tag))
        };
        match () {
            _ if has(TEST_BLEU) => TEST_BLEU,
            _ if !has(DEV_BLEU) && has(TEST_PERPLEXITY) => TEST_PERPLEXITY,
            _ => DEV_BLEU,
        }
    }

    /// Rows that belong into one picture: the base row, then at most [`MOST_LINES`] of a group, with the picture's
    /// name. Groups of one row that stand side by side share one.
    pub fn charts(&self) -> Vec<(String, Vec<&[Trial<'a>]>)> {
        let rows = self.rows();
        let base = rows.iter().find(|row| Some(row[0].row) == self.base()).copied();
        let others: Vec<&[Trial<'a>]> =
            rows.into_iter().filter(|row| Some(row[0].row) != self.base()).collect();
        let mut charts: Vec<(String, Vec<&[Trial<'a>]>)> = Vec::new();
        for group in others.chunk_by(|a, b| a[0].group == b[0].group) {
            let parts = group.len().div_ceil(MOST_LINES);
            for (index, part) in group.chunks(MOST_LINES).enumerate() {
                let mut name = group[0][0].group.unwrap_or_default().to_string();
                if let Some(number) = part_name(index, parts) {
                    name = if name.is_empty() { number } else { format!("{name}, {number}") };
                }
                charts.push((name, base.into_iter().chain(part.iter().copied()).collect()));
            }
        }
        if charts.is_empty() {
            charts.extend(base.map(|base| (String::new(), vec![base])));
        }
        charts
    }
}

/// The finished trials of a row whose runs are there to be read, with their records.
pub fn runs<'r, 'a>(row: &'r [Trial<'a>]) -> impl Iterator<Item = (&'r Trial<'a>, &'a Record)> {
    row.iter().filter_map(|trial| Some((trial, trial.record_of_run()?)))
}

/// The signature that the BLEU of all finished trials of a row share.
pub fn signature<'a>(row: &[Trial<'a>]) -> Option<&'a str> {
    let mut all = row.iter().filter_map(|trial| Some(trial.record?.signature.as_str()));
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}
