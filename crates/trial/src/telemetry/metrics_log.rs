//! Metrics as a text file, `step,tag,value`: `metrics.csv` and `timing.csv` of a run.
//!
//! The bytes are a function of the values: numbers are the shortest decimals that read back
//! as the same `f64`, so equal runs have equal files.

use crate::error::{Error, Result};
use crate::files;
use std::collections::HashSet;
use std::fs::File;
use std::path::{Path, PathBuf};

const HEADER: [&str; 3] = ["step", "tag", "value"];

/// One value of one metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Optimizer updates done.
    pub step: u64,
    /// What was measured: `train/loss`.
    pub tag: String,
    pub value: f64,
}

/// Appends rows to a file.
///
/// Rows reach the file at [`flush`](Self::flush) and the disk at [`sync`](Self::sync).
#[derive(Debug)]
pub struct MetricsLog {
    path: PathBuf,
    writer: csv::Writer<File>,
    /// What the file held when the run was resumed, as (step, tag).
    kept: HashSet<(u64, String)>,
}

impl MetricsLog {
    /// A log without rows; replaces a file at `path`.
    pub fn create(path: &Path) -> Result<Self> {
        Self::start(path, &[])
    }

    /// Goes on with the log of an interrupted run: rows up to `step`, the checkpoint's, stay, later ones go;
    /// so does a last line that the interruption cut. A missing file is an empty log.
    ///
    /// The file is replaced atomically, so an interruption here loses nothing.
    ///
    /// # Errors
    /// [`Error::User`] if the file is not a metrics file; see [`read`].
    pub fn resume(path: &Path, step: u64) -> Result<Self> {
        let mut rows = read(path)?;
        rows.retain(|row| row.step <= step);
        Self::start(path, &rows)
    }

    /// As [`resume`](Self::resume), for values that are not the record: damaged lines are left out, and
    /// their number is given.
    pub fn resume_without_damaged(path: &Path, step: u64) -> Result<(Self, usize)> {
        let (mut rows, damaged) = read_undamaged(path)?;
        rows.retain(|row| row.step <= step);
        Ok((Self::start(path, &rows)?, damaged))
    }

    fn start(path: &Path, rows: &[Row]) -> Result<Self> {
        let mut text = csv::Writer::from_writer(Vec::new());
        text.write_record(HEADER).map_err(failure("write", path))?;
        for row in rows {
            text.write_record(fields(row.step, &row.tag, row.value)).map_err(failure("write", path))?;
        }
        let bytes = text.into_inner().map_err(|error| Error::io("write", path)(error.into_error()))?;
        files::write_atomically(path, &bytes)?;
        let file = File::options().append(true).open(path).map_err(Error::io("open", path))?;
        Ok(MetricsLog {
            path: path.to_path_buf(),
            writer: csv::WriterBuilder::new().has_headers(false).from_writer(file),
            kept: rows.iter().map(|row| (row.step, row.tag.clone())).collect(),
        })
    }

    /// Appends one row.
    ///
    /// A row whose step and tag were in the file when the run was resumed is left as it is: a run that
    /// was stopped after its checkpoint records the values of the checkpoint's step a second time.
    pub fn record(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        if !self.kept.is_empty() && self.kept.contains(&(step, tag.to_string())) {
            return Ok(());
        }
        self.writer.write_record(fields(step, tag, value)).map_err(failure("write", &self.path))
    }

    /// Hands all rows to the operating system, so that other processes see them.
    pub fn flush(&mut self) -> Result<()> {
        self.writer.flush().map_err(Error::io("write", &self.path))
    }

    /// Brings all rows to the disk; to be called before a checkpoint is written.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.writer.get_ref().sync_data().map_err(Error::io("sync", &self.path))
    }
}

/// The rows of a metrics file in their order, also while a run is writing it.
///
/// A last line without its end is left out, for it may be cut inside a number. A missing file has no rows.
///
/// # Errors
/// [`Error::User`] names the line if the file is not a metrics file.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let bytes = whole_lines(path)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(failure("read", path))?;
        if index == 0 && record.iter().eq(HEADER) {
            continue;
        }
        rows.push(parse(&record).filter(|_| index > 0).ok_or_else(|| {
            let line = record.position().map_or(1, |position| position.line());
            Error::user(format!(
                "{}:{line}: {:?} is not a line of a metrics file; expected \"{}\" first and then lines like \
                 \"100,train/loss,4.25\"; delete the run directory to start the run again",
                path.display(),
                record.iter().collect::<Vec<_>>().join(","),
                HEADER.join(",")
            ))
        })?);
    }
    Ok(rows)
}

/// Makes the file at `path` what a checkpoint kept of it. The end that a later part of the run added goes;
/// if what comes before differs, it was damaged, and `report` is told.
pub fn restore(path: &Path, kept: &str, report: &mut dyn FnMut(&str)) -> Result<()> {
    let found = files::read_if_exists(path)?.unwrap_or_default();
    if !found.starts_with(kept.as_bytes()) {
        report(&format!("{} is damaged and restored from the checkpoint", path.display()));
    }
    if found != kept.as_bytes() {
        files::write_atomically(path, kept.as_bytes())?;
    }
    Ok(())
}

/// As [`read`], but lines that are damaged are left out, and counted.
pub fn read_undamaged(path: &Path) -> Result<(Vec<Row>, usize)> {
    let (bytes, header) = (whole_lines(path)?, HEADER.join(","));
    let parsed: Vec<_> = bytes
        .split_inclusive(|&byte| byte == b'\n')
        .map(|line| &line[..line.len() - 1])
        .filter(|line| *line != header.as_bytes())
        .map(|line| std::str::from_utf8(line).ok().and_then(parse_line))
        .collect();
    let damaged = parsed.iter().filter(|row| row.is_none()).count();
    Ok((parsed.into_iter().flatten().collect(), damaged))
}

/// What the file holds up to its last line end; nothing if it is missing.
fn whole_lines(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = files::read_if_exists(path)?.unwrap_or_default();
    bytes.truncate(bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1));
    Ok(bytes)
}

fn parse_line(line: &str) -> Option<Row> {
    // A reader a line is slow, and only quoted fields need it.
    if !line.contains('"') {
        return parse(&csv::StringRecord::from_iter(line.split(',')));
    }
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
    parse(&reader.records().next()?.ok()?)
}

fn parse(record: &csv::StringRecord) -> Option<Row> {
    match record.iter().collect::<Vec<_>>()[..] {
        [step, tag, value] => {
            Some(Row { step: step.parse().ok()?, tag: tag.to_string(), value: value.parse().ok()? })
        }
        _ => None,
    }
}

/// `{:?}` is the shortest decimal that reads back as the same number, with an exponent where that is shorter.
fn fields(step: u64, tag: &str, value: f64) -> [String; 3] {
    [step.to_string(), tag.to_string(), format!("{value:?}")]
}

/// For `map_err`: the csv crate's errors are ours.
fn failure(action: &'static str, path: &Path) -> impl FnOnce(csv::Error) -> Error {
    let path = path.to_path_buf();
    move |error| {
        let message = error.to_string();
        match error.into_kind() {
            csv::ErrorKind::Io(source) => Error::io(action, path)(source),
            _ => Error::user(format!("{}: not a metrics file: {message}", path.display())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    fn log_steps(log: &mut MetricsLog, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            log.record(step, "train/loss", 10.0 / step as f64).unwrap();
            log.record(step, "train/lr", 1e-7 * step as f64).unwrap();
        }
    }

    #[test]
    fn values_read_back_bit_by_bit() {
        let directory = directory();
        let path = directory.path().join("metrics.csv");
        let values = [1.0, -0.0, 0.1 + 0.2, 1e-300, 1e300, f64::MIN_POSITIVE, f64::INFINITY, 24.8, f64::NAN];
        let mut log = MetricsLog::create(&path).unwrap();
        for (step, value) in values.iter().enumerate() {
            log.record(step as u64, "a, \"b\"", *value).unwrap();
        }
        log.sync().unwrap();
        let rows = read(&path).unwrap();
        assert_eq!(rows.len(), values.len());
        for (row, value) in rows.iter().zip(values) {
            assert!(
                row.value.to_bits() == value.to_bits() || (row.value.is_nan() && value.is_nan()),
                "{value}"
            );
            assert_eq!(row.tag, "a, \"b\"");
        }
    }

    #[test]
    fn the_bytes_are_these() {
        let directory = directory();
        let path = directory.path().join("metrics.csv");
        let mut log = MetricsLog::create(&path).unwrap();
        log.record(50, "train/loss", 8.25).unwrap();
        log.record(50, "train/lr", 1.5e-7).unwrap();
        log.record(50, "dev/bleu", 27.0).unwrap();
        log.flush().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "step,tag,value\n50,train/loss,8.25\n50,train/lr,1.5e-7\n50,dev/bleu,27.0\n"
        );
    }

    #[test]
    fn a_resumed_log_has_the_bytes_of_an_uninterrupted_one_wherever_it_was_cut() {
        let directory = directory();
        let whole = directory.path().join("whole.csv");
        let mut log = MetricsLog::create(&whole).unwrap();
        log_steps(&mut log, 1..=6);
        log.sync().unwrap();
        let whole = fs::read(&whole).unwrap();

        let path = directory.path().join("metrics.csv");
        let mut log = MetricsLog::create(&path).unwrap();
        log_steps(&mut log, 1..=3);
        log.sync().unwrap();
        let synced = fs::metadata(&path).unwrap().len() as usize;
        for cut in synced..=whole.len() {
            fs::write(&path, &whole[..cut]).unwrap();
            let mut log = MetricsLog::resume(&path, 3).unwrap();
            // The values of the checkpoint's own step are recorded again by a run that repeats its end.
            log_steps(&mut log, 3..=6);
            log.flush().unwrap();
            assert_eq!(fs::read(&path).unwrap(), whole, "cut at {cut}");
        }
    }

    #[test]
    fn a_missing_or_cut_header_is_an_empty_log() {
        let directory = directory();
        let path = directory.path().join("metrics.csv");
        assert_eq!(read(&path).unwrap(), []);
        fs::write(&path, "step,ta").unwrap();
        assert_eq!(read(&path).unwrap(), []);
        MetricsLog::resume(&path, 9).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "step,tag,value\n");
    }

    #[test]
    fn another_file_is_refused_with_its_line() {
        let directory = directory();
        let path = directory.path().join("metrics.csv");
        for (text, place) in [
            ("epoch,loss\n1,2\n", ":1:"),
            ("1,train/loss,2.0\n", ":1:"),
            ("step,tag,value\n1,train/loss,two\n", ":2:"),
            ("step,tag,value\n1,train/loss,2.0\n-1,train/loss,2.0\n", ":3:"),
        ] {
            fs::write(&path, text).unwrap();
            let error = MetricsLog::resume(&path, 1).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains(&format!("metrics.csv{place}")), "{error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), text, "a refused file is not touched");
        }
        fs::write(&path, "step,tag,value\n1,train/loss\n").unwrap();
        assert_eq!(MetricsLog::resume(&path, 1).unwrap_err().exit_code(), 2);
        fs::write(&path, b"step,tag,value\n1,\xff\xff,1\n").unwrap();
        assert_eq!(MetricsLog::resume(&path, 1).unwrap_err().exit_code(), 2);
    }

    #[test]
    fn whatever_happened_to_the_file_a_checkpoint_brings_its_part_back() {
        let directory = directory();
        let path = directory.path().join("metrics.csv");
        let mut log = MetricsLog::create(&path).unwrap();
        log_steps(&mut log, 1..=3);
        log.flush().unwrap();
        let kept = fs::read_to_string(&path).unwrap();
        log_steps(&mut log, 4..=5);
        log.flush().unwrap();
        let whole = fs::read(&path).unwrap();
        let restored = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            let mut notes = Vec::new();
            restore(&path, &kept, &mut |note| notes.push(note.to_string())).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), kept);
            notes.len()
        };
        for length in 0..=whole.len() {
            assert_eq!(restored(&whole[..length]), usize::from(length < kept.len()), "cut to {length}");
        }
        let mut flipped = whole.clone();
        for bit in 0..whole.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(restored(&flipped), usize::from(bit / 8 < kept.len()), "bit {bit}");
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        fs::remove_file(&path).unwrap();
        restore(&path, &kept, &mut |_| ()).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), kept);
    }

    #[test]
    fn damaged_lines_of_times_are_left_out_and_counted() {
        let directory = directory();
        let path = directory.path().join("timing.csv");
        fs::write(
            &path,
            b"step,tag,value\n1,time/step_ms,2.5\n2,time/step\xff_ms,2.25\n\n3,time/step_ms,2.0\n4,time",
        )
        .unwrap();
        let (rows, damaged) = read_undamaged(&path).unwrap();
        assert_eq!((rows.len(), damaged), (2, 2));
        let (_, damaged) = MetricsLog::resume_without_damaged(&path, 1).unwrap();
        assert_eq!(damaged, 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "step,tag,value\n1,time/step_ms,2.5\n");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_is_an_error() {
        let path = Path::new("/dev/full");
        let mut log = MetricsLog {
            path: path.to_path_buf(),
            writer: csv::Writer::from_writer(File::options().write(true).open(path).unwrap()),
            kept: HashSet::new(),
        };
        log.record(1, "train/loss", 1.0).unwrap();
        assert_eq!(log.sync().unwrap_err().exit_code(), 1);
    }
}
