//! `views.jsonl` of a run: the texts and histograms that TensorBoard shows beside the numbers, one a line.
//!
//! With it the event file can be made again from the run directory alone. Lines are for viewers: one that is
//! damaged is left out. The bytes are a function of the views, so equal runs have equal files.

use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

/// Something to be seen of a step.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct View {
    /// Optimizer updates done.
    pub step: u64,
    /// What is shown: `dev/samples`.
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

/// How many numbers fall into each of equally wide bins from `min` to `max`, both of which occur.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Histogram {
    pub min: f64,
    pub max: f64,
    /// One if all numbers are equal.
    pub counts: Vec<u64>,
}

impl Histogram {
    /// Where each bin ends; the last one at `max`.
    pub fn upper_edges(&self) -> Vec<f64> {
        let bins = self.counts.len();
        let width = (self.max - self.min) / bins as f64;
        (1..=bins).map(|bin| if bin == bins { self.max } else { self.min + width * bin as f64 }).collect()
    }
}

/// Appends views to a file.
///
/// They reach the file at [`flush`](Self::flush) and the disk at [`sync`](Self::sync).
#[derive(Debug)]
pub struct ViewLog {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Step and tag of what the file held when the run was resumed.
    kept: HashSet<(u64, String)>,
}

impl ViewLog {
    /// A log without views; replaces a file at `path`.
    pub fn create(path: &Path) -> Result<Self> {
        Self::start(path, &[])
    }

    /// Goes on with the log of an interrupted run: what lies beyond `step`, the checkpoint's, goes, and so do
    /// damaged lines, whose number is given.
    pub fn resume(path: &Path, step: u64) -> Result<(Self, usize)> {
        let (mut views, damaged) = read(path)?;
        views.retain(|view| view.step <= step);
        Ok((Self::start(path, &views)?, damaged))
    }

    fn start(path: &Path, views: &[View]) -> Result<Self> {
        let mut text = String::new();
        for view in views {
            text += &line(view)?;
        }
        files::write_atomically(path, text.as_bytes())?;
        let file = File::options().append(true).open(path).map_err(Error::io("open", path))?;
        let kept = views.iter().map(|view| (view.step, view.tag.clone())).collect();
        Ok(ViewLog { path: path.to_path_buf(), writer: BufWriter::new(file), kept })
    }

    /// Appends a view, unless the file held one of its step and tag when the run was resumed.
    pub fn record(&mut self, view: &View) -> Result<()> {
        if !self.kept.is_empty() && self.kept.contains(&(view.step, view.tag.clone())) {
            return Ok(());
        }
        self.writer.write_all(line(view)?.as_bytes()).map_err(Error::io("write", &self.path))
    }

    /// Hands everything to the operating system, so that other processes see it.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(Error::io("write", &self.path))
    }

    /// Brings everything to the disk; to be called before a checkpoint is written.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.writer.get_ref().sync_data().map_err(Error::io("sync", &self.path))
    }
}

/// The views of a file in their order, also while a run is writing it, and how many lines are damaged. A last
/// line without its end counts as not there, and so does a missing file.
pub fn read(path: &Path) -> Result<(Vec<View>, usize)> {
    let bytes = files::read_if_exists(path)?.unwrap_or_default();
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    let parsed: Vec<Option<View>> = bytes[..whole]
        .split(|&byte| byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).ok())
        .collect();
    let damaged = parsed.iter().filter(|view| view.is_none()).count();
    Ok((parsed.into_iter().flatten().collect(), damaged))
}

fn line(view: &View) -> Result<String> {
    let text = serde_json::to_string(view).map_err(|error| Error::failed(format!("a view: {error}")))?;
    Ok(text + "\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn view(step: u64) -> [View; 2] {
        let histogram = Histogram { min: -0.1, max: 0.1 + 0.2, counts: vec![step, 3, 0] };
        [
            View { step, tag: "dev/samples".into(), content: Content::Text("a | \"b\"\nc\u{2028}".into()) },
            View { step, tag: "weights/x".into(), content: Content::Histogram(histogram) },
        ]
    }

    fn record(log: &mut ViewLog, steps: std::ops::RangeInclusive<u64>) {
        steps.flat_map(view).for_each(|view| log.record(&view).unwrap());
        log.flush().unwrap();
    }

    #[test]
    fn wherever_the_file_was_cut_a_resumed_log_has_the_bytes_of_an_uninterrupted_one() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("views.jsonl");
        record(&mut ViewLog::create(&path).unwrap(), 1..=2);
        let synced = fs::metadata(&path).unwrap().len() as usize;
        record(&mut ViewLog::create(&path).unwrap(), 1..=4);
        let whole = fs::read(&path).unwrap();
        for cut in synced..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut log, damaged) = ViewLog::resume(&path, 2).unwrap();
            assert_eq!(damaged, 0);
            // The values of the checkpoint's own step are recorded again by a run that repeats its end.
            record(&mut log, 2..=4);
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(read(&path).unwrap().0, (1..=4).flat_map(view).collect::<Vec<_>>());
    }

    #[test]
    fn damaged_lines_are_left_out_and_counted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("views.jsonl");
        record(&mut ViewLog::create(&path).unwrap(), 1..=2);
        let mut bytes = fs::read(&path).unwrap();
        bytes[2] = 0xff;
        fs::write(&path, bytes).unwrap();
        let (views, damaged) = read(&path).unwrap();
        assert_eq!((views.len(), damaged), (3, 1));
        assert_eq!(read(&directory.path().join("none")).unwrap(), (Vec::new(), 0));
    }

    #[test]
    fn bins_are_equally_wide_and_the_last_one_ends_at_the_greatest_number() {
        let histogram = Histogram { min: -1.0, max: 2.0, counts: vec![1, 0, 5] };
        assert_eq!(histogram.upper_edges(), [0.0, 1.0, 2.0]);
        assert_eq!(Histogram { min: 0.1, max: 0.1, counts: vec![7] }.upper_edges(), [0.1]);
    }
}
