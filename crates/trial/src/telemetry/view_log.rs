//! `views.jsonl` of a run: the texts and histograms that TensorBoard shows beside the numbers, one per line.
//!
//! From this log the event file can be made again with the run directory alone. Lines are for display: a damaged line
//! is left out. The file depends on the views alone, so equal runs have equal files.

use super::growing_file::{GrowingFile, Line};
use crate::error::Result;
use crate::json;
use serde::{Deserialize, Serialize};

/// A text or a histogram to show for a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Optimizer updates done.
    pub step: u64,
    /// The tag of the text or histogram: `dev/samples`.
    pub tag: String,
    #[serde(flatten)]
    pub content: Content,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Markdown.
    Text(String),
    Histogram(Histogram),
}

/// The counts of numbers in equally wide bins from `min` to `max`, both of which occur.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    pub min: f64,
    pub max: f64,
    /// The count of each bin; a single bin if all numbers are equal.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Returns the upper edge of each bin; the last one is `max`.
    pub fn upper_edges(&self) -> Vec<f64> {
        let bins = self.counts.len();
        let width = (self.max - self.min) / bins as f64;
        (1..=bins).map(|bin| if bin == bins { self.max } else { self.min + width * bin as f64 }).collect()
    }
}

/// `views.jsonl` of a run that trains.
pub type ViewLog = GrowingFile<View>;

impl Line for View {
    const HEADER: &'static str = "";

    fn step(&self) -> u64 {
        self.step
    }

    fn tag(&self) -> &str {
        &self.tag
    }

    fn text(&self) -> Result<String> {
        Ok(json::line(self)? + "\n")
    }

    fn parse(line: &[u8]) -> Option<View> {
        serde_json::from_slice(line).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn damaged_lines_are_left_out_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("views.jsonl");
        let mut log = ViewLog::create(&path).unwrap();
        for step in 1..=4 {
            let content = Content::Text(format!("text {step}"));
            log.record(&View { step, tag: "dev/samples".into(), content }).unwrap();
        }
        log.flush().unwrap();
        let mut bytes = fs::read(&path).unwrap();
        bytes[2] = 0xff;
        fs::write(&path, bytes).unwrap();
        let (views, damaged) = View::read_undamaged(&path).unwrap();
        assert_eq!((views.len(), damaged), (3, 1));
    }

    #[test]
    fn bins_are_equally_wide_and_the_last_one_ends_at_the_greatest_number() {
        let histogram = Histogram { min: -1.0, max: 2.0, counts: vec![1, 0, 5] };
        assert_eq!(histogram.upper_edges(), [0.0, 1.0, 2.0]);
        assert_eq!(Histogram { min: 0.1, max: 0.1, counts: vec![7] }.upper_edges(), [0.1]);
    }
}
