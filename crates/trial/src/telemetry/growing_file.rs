//! A text file of a run that grows line by line, also after an interruption.

use crate::error::{Error, Result};
use crate::files;
use std::collections::HashSet;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

/// A line of such a file: a value of an update.
///
/// The text is a function of the line, so equal runs have equal files.
pub trait Line: Sized {
    /// The text before the first line.
    const HEADER: &'static str;

    /// Optimizer updates done.
    fn step(&self) -> u64;

    /// The tag of the value: no two lines of a step have the same tag.
    fn tag(&self) -> &str;

    /// The line as text, with its end.
    fn text(&self) -> Result<String>;

    /// Reads a line without its end; `None` if it is damaged.
    fn parse(line: &[u8]) -> Option<Self>;

    /// Reads the lines of a file in their order, also while a run is writing it. Damaged lines are left out and
    /// counted. A last line without its end is ignored; a missing file has no lines.
    fn read_undamaged(path: &Path) -> Result<(Vec<Self>, usize)> {
        let (bytes, header) = (whole_lines(path)?, Self::HEADER.trim_end().as_bytes());
        let lines = bytes.split_inclusive(|&byte| byte == b'\n').map(|line| &line[..line.len() - 1]);
        let parsed: Vec<Option<Self>> = lines.filter(|line| *line != header).map(Self::parse).collect();
        let damaged = parsed.iter().filter(|line| line.is_none()).count();
        Ok((parsed.into_iter().flatten().collect(), damaged))
    }
}

/// Appends lines to a file.
///
/// Lines reach the file at [`flush`](Self::flush) and the disk at [`sync`](Self::sync).
#[derive(Debug)]
pub struct GrowingFile<L> {
    path: PathBuf,
    writer: BufWriter<File>,
    /// Step and tag of the lines that the file held when the run was resumed.
    kept: HashSet<(u64, String)>,
    line: PhantomData<fn(&L)>,
}

impl<L: Line> GrowingFile<L> {
    /// Creates a file without lines; replaces one at `path`.
    pub fn create(path: &Path) -> Result<Self> {
        Self::start(path, Vec::new(), 0)
    }

    /// Continues the file of an interrupted run: keeps lines up to `step`, the checkpoint's, and drops later ones,
    /// damaged ones, whose number is returned, and a last line that the interruption cut.
    pub fn resume_undamaged(path: &Path, step: u64) -> Result<(Self, usize)> {
        let (lines, damaged) = L::read_undamaged(path)?;
        Ok((Self::start(path, lines, step)?, damaged))
    }

    /// Writes `lines` up to `step`. The file is replaced atomically, so an interruption here
    /// loses nothing.
    pub(super) fn start(path: &Path, lines: Vec<L>, step: u64) -> Result<Self> {
        let mut text = L::HEADER.to_string();
        let mut kept = HashSet::new();
        for line in lines.iter().filter(|line| line.step() <= step) {
            text += &line.text()?;
            kept.insert((line.step(), line.tag().to_string()));
        }
        files::write_atomically(path, text.as_bytes())?;
        let file = File::options().append(true).open(path).map_err(Error::io("open", path))?;
        Ok(GrowingFile { path: path.to_path_buf(), writer: BufWriter::new(file), kept, line: PhantomData })
    }

    /// Appends a line.
    ///
    /// Skips a line whose step and tag were in the file when the run was resumed: a run that was stopped after its
    /// checkpoint records the values of the checkpoint's step a second time.
    pub fn record(&mut self, line: &L) -> Result<()> {
        if !self.kept.is_empty() && self.kept.contains(&(line.step(), line.tag().to_string())) {
            return Ok(());
        }
        self.writer.write_all(line.text()?.as_bytes()).map_err(Error::io("write", &self.path))
    }

    /// Passes all lines to the operating system, so that other processes see them.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(Error::io("write", &self.path))
    }

    /// Writes all lines to the disk; to be called before a checkpoint is written.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.writer.get_ref().sync_data().map_err(Error::io("sync", &self.path))
    }
}

/// Reads the bytes of a file up to its last line end; empty if the file is missing.
pub(super) fn whole_lines(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = files::read_if_exists(path)?.unwrap_or_default();
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::super::metrics_log::Row;
    use super::super::view_log::{Content, Histogram, View};
    use super::*;
    use std::fmt::Debug;
    use std::fs;

    fn rows(step: u64) -> [Row; 2] {
        [("train/loss", 10.0 / step as f64), ("train/lr", 1e-7 * step as f64)].map(|(tag, value)| Row {
            step,
            tag: tag.to_string(),
            value,
        })
    }

    fn views(step: u64) -> [View; 2] {
        let histogram = Histogram { min: -0.1, max: 0.1 + 0.2, counts: vec![step, 3, 0] };
        [
            View { step, tag: "dev/samples".into(), content: Content::Text("a | \"b\"\nc\u{2028}".into()) },
            View { step, tag: "weights/x".into(), content: Content::Histogram(histogram) },
        ]
    }

    fn resumes_wherever_it_was_cut<L: Line + Debug + PartialEq>(lines_of: fn(u64) -> [L; 2]) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let record = |file: &mut GrowingFile<L>, steps: std::ops::RangeInclusive<u64>| {
            steps.flat_map(lines_of).for_each(|line| file.record(&line).unwrap());
            file.sync().unwrap();
        };
        record(&mut GrowingFile::create(&path).unwrap(), 1..=2);
        let synced = fs::metadata(&path).unwrap().len() as usize;
        record(&mut GrowingFile::create(&path).unwrap(), 1..=4);
        let whole = fs::read(&path).unwrap();
        for cut in synced..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let (mut file, damaged) = GrowingFile::resume_undamaged(&path, 2).unwrap();
            assert_eq!(damaged, 0);
            // A run that repeats its end records the lines of the checkpoint's own step again.
            record(&mut file, 2..=4);
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
        assert_eq!(L::read_undamaged(&path).unwrap(), ((1..=4).flat_map(lines_of).collect(), 0));
        assert_eq!(L::read_undamaged(&directory.path().join("none")).unwrap(), (Vec::new(), 0));
    }

    #[test]
    fn wherever_the_file_was_cut_a_resumed_one_has_the_bytes_of_an_uninterrupted_one() {
        resumes_wherever_it_was_cut(rows);
        resumes_wherever_it_was_cut(views);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let path = Path::new("/dev/full");
        let file = File::options().write(true).open(path).unwrap();
        let mut file = GrowingFile::<Row> {
            path: path.to_path_buf(),
            writer: BufWriter::new(file),
            kept: HashSet::new(),
            line: PhantomData,
        };
        file.record(&rows(1)[0]).unwrap();
        assert_eq!(file.sync().unwrap_err().exit_code(), 1);
    }
}
