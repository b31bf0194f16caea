//! Metrics as a text file, `step,tag,value`: `metrics.csv` and `timing.csv` of a run.
//!
//! The file depends on the values alone: numbers are the shortest decimals that read back as the same `f64`, so equal
//! runs have equal files.

use super::growing_file::{GrowingFile, Line, whole_lines};
use crate::error::{Error, Result};
use crate::files;
use std::fmt::Display;
use std::path::Path;

/// A value of a metric at a step.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Optimizer updates done.
    pub step: u64,
    /// The name of the metric: `train/loss`.
    pub tag: String,
    pub value: f64,
}

/// `metrics.csv` or `timing.csv` of a run that trains.
pub type MetricsLog = GrowingFile<Row>;

impl MetricsLog {
    /// [`resume_undamaged`](Self::resume_undamaged) for values that are the record, where damage is an error.
    ///
    /// # Errors
    /// [`Error::User`] if a line is damaged; see [`read`].
    pub fn resume(path: &Path, step: u64) -> Result<Self> {
        Self::start(path, read(path)?, step)
    }
}

impl Line for Row {
    const HEADER: &'static str = "step,tag,value\n";

    fn step(&self) -> u64 {
        self.step
    }

    fn tag(&self) -> &str {
        &self.tag
    }

    fn text(&self) -> Result<String> {
        // `{:?}` is the shortest decimal that reads back as the same number, with an exponent if that is shorter.
        let fields = [self.step.to_string(), self.tag.clone(), format!("{:?}", self.value)];
        let broken = |error: &dyn Display| Error::failed(format!("a line of metrics: {error}"));
        let mut writer = csv::WriterBuilder::new().buffer_capacity(64).from_writer(Vec::new());
        writer.write_record(fields).map_err(|error| broken(&error))?;
        let bytes = writer.into_inner().map_err(|error| broken(&error))?;
        String::from_utf8(bytes).map_err(|error| broken(&error))
    }

    fn parse(line: &[u8]) -> Option<Row> {
        let line = std::str::from_utf8(line).ok()?;
        // A CSV reader per line is slow, and only quoted fields need it.
        if !line.contains('"') {
            return parse(&csv::StringRecord::from_iter(line.split(',')));
        }
        let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(line.as_bytes());
        parse(&reader.records().next()?.ok()?)
    }
}

/// Reads the rows of a metrics file in their order, also while a run is writing it.
///
/// A last line without its end is left out, because it may be cut inside a number. A missing file has no rows.
///
/// # Errors
/// [`Error::User`] names the line if the file is not a metrics file.
pub fn read(path: &Path) -> Result<Vec<Row>> {
    let bytes = whole_lines(path)?;
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    let mut rows = Vec::new();
    for (index, record) in reader.records().enumerate() {
        let record = record.map_err(failure("read", path))?;
        if index == 0 && record.iter().eq(Row::HEADER.trim_end().split(',')) {
            continue;
        }
        rows.push(parse(&record).filter(|_| index > 0).ok_or_else(|| {
            let line = record.position().map_or(1, |position| position.line());
            Error::user(format!(
                "{}:{line}: {:?} is not a line of a metrics file; expected \"{}\" first and then lines like \
                 \"100,train/loss,4.25\"; delete the run directory to start the run again",
                path.display(),
                record.iter().collect::<Vec<_>>().join(","),
                Row::HEADER.trim_end()
            ))
        })?);
    }
    Ok(rows)
}

/// Resets the file at `path` to the text that a checkpoint kept of it, and so drops the lines of later updates. If the
/// text before them differs, it was damaged, and `report` gets a message.
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

fn parse(record: &csv::StringRecord) -> Option<Row> {
    match record.iter().collect::<Vec<_>>()[..] {
        [step, tag, value] => {
            Some(Row { step: step.parse().ok()?, tag: tag.to_string(), value: value.parse().ok()? })
        }
        _ => None,
    }
}

/// Converts an error of the csv crate, for `map_err`.
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

    fn row(step: u64, tag: &str, value: f64) -> Row {
        Row { step, tag: tag.to_string(), value }
    }

    fn log_steps(log: &mut MetricsLog, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            log.record(&row(step, "train/loss", 10.0 / step as f64)).unwrap();
            log.record(&row(step, "train/lr", 1e-7 * step as f64)).unwrap();
        }
    }

    #[test]
    fn values_read_back_bit_by_bit() {
        let directory = directory();
        let path = directory.path().join("metrics.csv");
        let values = [1.0, -0.0, 0.1 + 0.2, 1e-300, 1e300, f64::MIN_POSITIVE, f64::INFINITY, 24.8, f64::NAN];
        let mut log = MetricsLog::create(&path).unwrap();
        for (step, value) in values.iter().enumerate() {
            log.record(&row(step as u64, "a, \"b\"", *value)).unwrap();
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
        log.record(&row(50, "train/loss", 8.25)).unwrap();
        log.record(&row(50, "train/lr", 1.5e-7)).unwrap();
        log.record(&row(50, "dev/bleu", 27.0)).unwrap();
        log.flush().unwrap();
        assert_eq!(
            fs::read_to_string(&path).unwrap(),
            "step,tag,value\n50,train/loss,8.25\n50,train/lr,1.5e-7\n50,dev/bleu,27.0\n"
        );
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
        let (rows, damaged) = Row::read_undamaged(&path).unwrap();
        assert_eq!((rows.len(), damaged), (2, 2));
        let (_, damaged) = MetricsLog::resume_undamaged(&path, 1).unwrap();
        assert_eq!(damaged, 2);
        assert_eq!(fs::read_to_string(&path).unwrap(), "step,tag,value\n1,time/step_ms,2.5\n");
    }
}
