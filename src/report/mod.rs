//! A sweep in one web page: what was asked, what came out, and what it rests on.
//!
//! The page is one file that needs nothing else, and a function of the run directories: no clock, no path of this
//! machine, no order of files enters it.

mod attention_section;
mod axes;
mod curves;
mod lengths;
mod overview;
mod page;
mod samples;
mod texts;

pub use page::is_own;

use crate::config::Experiment;
use crate::error::Result;
use crate::figures::Svg;
use crate::results::metric::{DEV_BLEU, METRICS, TEST_BLEU, find};
use crate::results::record::{Failure, Record};
use crate::results::table::ResultTable;
use std::path::{Path, PathBuf};

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
    fn record_of_run(&self) -> Option<&'a Record> {
        self.record.filter(|_| !self.is_reused)
    }
}

/// A figure with the name of its file and what the reader is to see in it.
pub struct Figure {
    /// Without ending: letters, digits and `-`.
    pub file: String,
    pub svg: Svg,
}

/// A finished report.
pub struct Made {
    /// The page.
    pub html: String,
    /// The figures of the page, in their order.
    pub figures: Vec<Figure>,
}

impl<'a> Report<'a> {
    /// Reads what the runs left and lays it out.
    ///
    /// # Errors
    /// If a file of a finished run cannot be read or is damaged. Where the prepared corpus is missing, the report
    /// says so and leaves out what needs it.
    pub fn make(&self) -> Result<Made> {
        let texts = texts::Texts::read(self);
        let sections = [
            overview::section(self)?,
            axes::section(self),
            curves::section(self, &METRICS)?,
            lengths::section(self, &texts)?,
            samples::section(self, &texts)?,
            attention_section::section(self)?,
            overview::settings(self),
            overview::failures(self),
            overview::provenance(self),
            overview::reproduction(self),
        ];
        let html = page::page(self, &sections);
        Ok(Made { html, figures: sections.into_iter().flat_map(|section| section.figures).collect() })
    }

    /// The rows in their order, each with its trials.
    fn rows(&self) -> Vec<&[Trial<'a>]> {
        self.trials.chunk_by(|a, b| a.row == b.row).collect()
    }

    /// The label of the row that others are compared with: the one that the table names, else the first.
    fn base(&self) -> Option<&str> {
        self.table.base.as_deref().or(self.trials.first().map(|trial| trial.row))
    }

    /// The score that the report is about: BLEU on test, else on dev.
    fn score(&self) -> &'static str {
        let has = |tag: &str| {
            self.trials.iter().filter_map(|trial| trial.record).any(|record| record.metrics.contains_key(tag))
        };
        if has(TEST_BLEU) { TEST_BLEU } else { DEV_BLEU }
    }

    /// Rows that belong into one picture: the base row, then at most [`MOST_LINES`] of a group, with the picture's
    /// name. Groups of one row that stand side by side share one.
    fn charts(&self) -> Vec<(String, Vec<&[Trial<'a>]>)> {
        let rows = self.rows();
        let base = rows.iter().find(|row| Some(row[0].row) == self.base()).copied();
        let others: Vec<&[Trial<'a>]> =
            rows.into_iter().filter(|row| Some(row[0].row) != self.base()).collect();
        let mut charts: Vec<(String, Vec<&[Trial<'a>]>)> = Vec::new();
        for group in others.chunk_by(|a, b| a[0].group == b[0].group) {
            let parts = group.len().div_ceil(MOST_LINES);
            for (index, part) in group.chunks(MOST_LINES).enumerate() {
                let mut name = group[0][0].group.unwrap_or_default().to_string();
                if parts > 1 {
                    let number = format!("{} of {parts}", index + 1);
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

/// The signature that the BLEU of all finished trials of a row share.
fn signature<'a>(row: &[Trial<'a>]) -> Option<&'a str> {
    let mut all = row.iter().filter_map(|trial| Some(trial.record?.signature.as_str()));
    let first = all.next()?;
    all.all(|other| other == first).then_some(first)
}

/// Rows beside the base row in one picture: as many as have colours of their own.
const MOST_LINES: usize = 6;

/// A part of the page.
struct Section {
    title: &'static str,
    /// HTML; figures stand in it as `<!--figure N-->`.
    body: String,
    figures: Vec<Figure>,
}

impl Section {
    fn new(title: &'static str) -> Section {
        Section { title, body: String::new(), figures: Vec::new() }
    }

    /// A paragraph of plain text.
    fn paragraph(&mut self, text: &str) {
        self.body += &format!("<p>{}</p>\n", page::escaped(text));
    }

    /// A figure, here.
    fn figure(&mut self, file: &str, svg: Svg) {
        self.body += &format!("<figure>\n{}</figure>\n", svg.inline());
        self.figures.push(Figure { file: file.to_string(), svg });
    }
}

/// A tag as people say it: `dev/bleu` is BLEU (dev).
fn spoken(tag: &str) -> String {
    find(&METRICS, tag).map_or_else(|| tag.to_string(), |(metric, set)| metric.on(set))
}

/// Words at the beginning of a line; names with capitals of their own, as chrF, stay as they are.
fn heading(words: &str) -> String {
    let mut characters = words.chars();
    match (words.contains(char::is_uppercase), characters.next()) {
        (false, Some(first)) => first.to_uppercase().chain(characters).collect(),
        _ => words.to_string(),
    }
}

/// Letters and digits of a name, for a file's.
fn file_name(parts: &[&str]) -> String {
    let mut name = String::new();
    for character in parts.join("-").chars() {
        match character {
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.trim_end_matches('-').to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(file_name(&["curves", "dev/perplexity", "(A), 1 of 2"]), "curves-dev-perplexity-a-1-of-2");
        assert_eq!(file_name(&["curves", ""]), "curves");
        assert_eq!(spoken("dev/word_perplexity"), "word perplexity (dev)");
        assert_eq!(
            ["perplexity (dev)", "BLEU (test)", "chrF (test)"].map(heading),
            ["Perplexity (dev)", "BLEU (test)", "chrF (test)"]
        );
    }
}
