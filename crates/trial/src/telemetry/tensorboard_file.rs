//! A TensorBoard event file that a resumed run continues without doubled or missing points.
//!
//! The crate `tensorboard-rs` frames the records; its own file writer names files by the second, flushes in the
//! background and panics on a full disk, so we write the file ourselves. A directory has one writer and, except for the
//! moment of a replacement, one file with events. A new file holds all events of the old one that are to stay: it is
//! written under a name that TensorBoard does not read, synced to the disk, renamed, and only then is the old file
//! emptied. The empty file stays: if TensorBoard's Python loader is just reading a file that is removed, it never goes
//! on to the next (2.21, `directory_watcher.py`). Nothing is ever appended to a file of an earlier process, because its
//! end may be torn.

use super::metrics_log::Row;
use super::tensorboard_event;
use super::view_log::{Content, View};
use crate::error::{Error, Result};
use crate::figures::Png;
use crate::files;
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use tensorboard_proto::event::Event;
use tensorboard_rs::record_writer::RecordWriter;

/// File names consist of this, a generation of ten digits, and [`SUFFIX`]; TensorBoard reads every file whose name
/// contains `tfevents`, in the order of names.
const PREFIX: &str = "events.out.tfevents.";
const SUFFIX: &str = ".ablate";
/// The parts before and after the generation for a file that is not complete yet.
const TEMPORARY_PREFIX: &str = "events-";
const TEMPORARY_SUFFIX: &str = ".tmp";

/// Writes events to its own file.
///
/// Events reach the file at [`flush`](Self::flush) and the disk at [`sync`](Self::sync). After an error the
/// file may end in a part of a record; readers stop there, and nothing more should be written.
pub struct EventWriter {
    path: PathBuf,
    records: RecordWriter<BufWriter<File>>,
    /// The same open file as in `records`, which gives no access to it.
    file: File,
    /// Step and tag of the events that were taken over from an earlier file.
    kept: HashSet<(u64, String)>,
}

impl EventWriter {
    /// Creates a file without points; earlier events of this writer in the directory are removed.
    ///
    /// # Errors
    /// [`Error::Io`] if the directory or the file cannot be written.
    pub fn create(dir: &Path) -> Result<Self> {
        Self::take_over(dir, &[])
    }

    /// Continues the file of an interrupted run; events beyond `step`, the checkpoint's, are dropped.
    ///
    /// `points` and `views` are the values that the run has recorded so far in its text files, and all that the new
    /// file holds: the old file may end early after a full disk or lack a time without TensorBoard. It only provides
    /// the wall time of each value. The caller writes the start and end of the session ([`super::hparams`]) again, with
    /// the texts and pictures that are not recorded.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read or written; the old file is then still there.
    pub fn resume(dir: &Path, step: u64, points: &[Row], views: &[View]) -> Result<Self> {
        // Every file is complete when it gets its name, so the newest has all events. An older one beside it is left
        // from a replacement that was interrupted, and its events are in the newest.
        let old = match own_files(dir)?.last() {
            Some((_, newest)) => tensorboard_event::read(newest)?,
            None => Vec::new(),
        };
        let mut events = Vec::new();
        for row in points.iter().filter(|row| row.step <= step) {
            events.push(tensorboard_event::scalar(row.step, &row.tag, row.value));
        }
        for view in views.iter().filter(|view| view.step <= step) {
            events.push(view_event(view)?);
        }
        // Stable: values of one step stay in the order in which they were recorded.
        events.sort_by_key(tensorboard_event::step);
        keep_times(&mut events, &old);
        Self::take_over(dir, &events)
    }

    fn take_over(dir: &Path, events: &[Event]) -> Result<Self> {
        files::create_dir(dir)?;
        let old = own_files(dir)?;
        let generation = last_generation(dir)?.map_or(1, |last| last.saturating_add(1));
        let path = dir.join(format!("{PREFIX}{generation:010}{SUFFIX}"));
        let temporary = dir.join(format!("{TEMPORARY_PREFIX}{generation:010}{TEMPORARY_SUFFIX}"));

        let emptied =
            |path: &Path| files::open_own(File::options().write(true).create(true).truncate(true), path);
        let file = emptied(&temporary).map_err(Error::io("create", &temporary))?;
        let second = file.try_clone().map_err(Error::io("open", &temporary))?;
        let mut writer = EventWriter {
            path,
            records: RecordWriter::new(BufWriter::new(file)),
            file: second,
            kept: events.iter().filter_map(key).collect(),
        };
        writer.write(&tensorboard_event::file_version())?;
        writer.write(&tensorboard_event::session_start())?;
        for event in events {
            writer.write(event)?;
        }
        writer.sync()?;
        files::rename(&temporary, &writer.path)?;
        for (_, path) in old {
            emptied(&path).map_err(Error::io("empty", &path))?;
        }
        Ok(writer)
    }

    /// Writes one point of the curve `tag`.
    ///
    /// Skips a value that the file already held when the run was resumed: a run that was stopped after its checkpoint
    /// repeats the values of the checkpoint's step.
    pub fn scalar(&mut self, tag: &str, step: u64, value: f64) -> Result<()> {
        if self.has(step, tag) { Ok(()) } else { self.write(&tensorboard_event::scalar(step, tag, value)) }
    }

    /// Writes a text or a histogram, with the same rule as [`scalar`](Self::scalar).
    pub fn view(&mut self, view: &View) -> Result<()> {
        if self.has(view.step, &view.tag) { Ok(()) } else { self.write(&view_event(view)?) }
    }

    /// Writes a text that no log of the run holds; TensorBoard shows it as Markdown.
    pub fn text(&mut self, step: u64, tag: &str, markdown: &str) -> Result<()> {
        self.write(&tensorboard_event::text(step, tag, markdown)?)
    }

    /// Writes a picture.
    pub fn image(&mut self, step: u64, tag: &str, picture: &Png) -> Result<()> {
        self.write(&tensorboard_event::image(step, tag, picture))
    }

    /// Passes all events to the operating system, so that a running TensorBoard sees them.
    pub fn flush(&mut self) -> Result<()> {
        self.records.flush().map_err(Error::io("write", &self.path))
    }

    /// Writes all events to the disk; to be called before a checkpoint is written.
    pub fn sync(&mut self) -> Result<()> {
        self.flush()?;
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }

    /// Appends one record.
    pub(super) fn write(&mut self, event: &Event) -> Result<()> {
        self.records.write(&tensorboard_event::encode(event)?).map_err(Error::io("write", &self.path))
    }

    fn has(&self, step: u64, tag: &str) -> bool {
        !self.kept.is_empty() && self.kept.contains(&(step, tag.to_string()))
    }
}

/// Whether a name is that of a file that this writer makes.
pub fn is_own_file(name: &str) -> bool {
    numbered(name, PREFIX, SUFFIX).is_some() || is_temporary(name)
}

/// Whether a name is that of a file that this writer has not completed.
pub fn is_temporary(name: &str) -> bool {
    numbered(name, TEMPORARY_PREFIX, TEMPORARY_SUFFIX).is_some()
}

/// The generation between two parts of a name: ten digits.
fn numbered(name: &str, prefix: &str, suffix: &str) -> Option<u64> {
    let digits = name.strip_prefix(prefix)?.strip_suffix(suffix)?;
    let ten = digits.len() == 10 && digits.bytes().all(|byte| byte.is_ascii_digit());
    ten.then(|| digits.parse().ok()).flatten()
}

/// Removes the files that a writer left in the directory, for a run that starts from the beginning without TensorBoard.
pub(super) fn remove_files(dir: &Path) -> Result<()> {
    own_files(dir)?.iter().try_for_each(|(_, path)| files::remove(path))
}

/// Gives `events`, sorted by step, the wall times of the `old` ones of the same step and tag. Other events get the time
/// of the event before them.
fn keep_times(events: &mut [Event], old: &[Event]) {
    let times: HashMap<_, _> =
        old.iter().filter_map(|event| Some((key(event)?, event.get_wall_time()))).collect();
    let mut last = None;
    for event in events {
        let known = key(event).and_then(|key| times.get(&key)).copied();
        last = known.or(last);
        event.set_wall_time(last.unwrap_or_else(|| event.get_wall_time()));
    }
}

fn view_event(view: &View) -> Result<Event> {
    match &view.content {
        Content::Text(markdown) => tensorboard_event::text(view.step, &view.tag, markdown),
        Content::Histogram(histogram) => Ok(tensorboard_event::histogram(view.step, &view.tag, histogram)),
    }
}

fn key(event: &Event) -> Option<(u64, String)> {
    Some((tensorboard_event::step(event), tensorboard_event::tag(event)?.to_string()))
}

/// Generation and path of this writer's files in the directory, oldest first.
fn own_files(dir: &Path) -> Result<Vec<(u64, PathBuf)>> {
    let mut files: Vec<_> = names(dir)?
        .into_iter()
        .filter_map(|name| Some((numbered(&name, PREFIX, SUFFIX)?, dir.join(name))))
        // The target of a link is not ours, so it is not emptied.
        .filter(|(_, path)| !path.is_symlink())
        .collect();
    files.sort();
    Ok(files)
}

/// The highest generation in the directory. Files of other programs count, because their numbers (seconds since 1970)
/// would otherwise come after ours.
fn last_generation(dir: &Path) -> Result<Option<u64>> {
    Ok(names(dir)?.iter().filter_map(|name| generation(name)).max())
}

fn generation(name: &str) -> Option<u64> {
    name.strip_prefix(PREFIX)?.split('.').next()?.parse().ok()
}

/// The file names of a directory; empty if there is no directory. Names that are not UTF-8 are not ours.
fn names(dir: &Path) -> Result<Vec<String>> {
    let entries = match std::fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        other => other.map_err(Error::io("read", dir))?,
    };
    let mut names = Vec::new();
    for entry in entries {
        names.extend(entry.map_err(Error::io("read", dir))?.file_name().into_string());
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::super::view_log::Histogram;
    use super::*;
    use std::fs;

    /// The scalars in the one event file of a directory: (step, tag, value) in their order.
    fn scalars(dir: &Path) -> Vec<(u64, String, f32)> {
        let mut files = own_files(dir).unwrap();
        let (_, newest) = files.pop().unwrap();
        assert!(files.iter().all(|(_, path)| fs::metadata(path).unwrap().len() == 0));
        let events = tensorboard_event::read(&newest).unwrap();
        assert_eq!(events[0].get_file_version(), "brain.Event:2");
        assert!(events[1].has_session_log());
        let value = |event| tensorboard_event::scalar_value(event).unwrap_or_default();
        events[2..]
            .iter()
            .map(|e| (tensorboard_event::step(e), tensorboard_event::tag(e).unwrap().to_string(), value(e)))
            .collect()
    }

    fn log_steps(writer: &mut EventWriter, steps: impl Iterator<Item = u64>) {
        for step in steps {
            writer.scalar("train/loss", step, 10.0 / step as f64).unwrap();
            writer.scalar("train/lr", step, 1e-4 * step as f64).unwrap();
        }
        writer.flush().unwrap();
    }

    fn rows(steps: std::ops::RangeInclusive<u64>) -> Vec<Row> {
        steps
            .flat_map(|step| {
                [("train/loss", 10.0 / step as f64), ("train/lr", 1e-4 * step as f64)]
                    .map(|(tag, value)| Row { step, tag: tag.to_string(), value })
            })
            .collect()
    }

    fn expected(steps: std::ops::RangeInclusive<u64>) -> Vec<(u64, String, f32)> {
        rows(steps).into_iter().map(|row| (row.step, row.tag, row.value as f32)).collect()
    }

    #[test]
    fn wherever_the_file_was_cut_a_resumed_run_has_each_point_once() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        log_steps(&mut EventWriter::create(dir).unwrap(), 1..=5);
        let (_, path) = own_files(dir).unwrap().remove(0);
        let bytes = fs::read(&path).unwrap();
        for cut in (0..bytes.len()).step_by(7) {
            remove_files(dir).unwrap();
            fs::write(&path, &bytes[..cut]).unwrap();
            let mut writer = EventWriter::resume(dir, 3, &rows(1..=3), &[]).unwrap();
            log_steps(&mut writer, 3..=6);
            assert_eq!(scalars(dir), expected(1..=6), "cut at {cut}");
        }
    }

    #[test]
    fn an_interrupted_change_over_doubles_nothing() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        log_steps(&mut EventWriter::create(dir).unwrap(), 1..=5);
        let (_, old) = own_files(dir).unwrap().remove(0);
        let content = fs::read(&old).unwrap();
        drop(EventWriter::resume(dir, 4, &rows(1..=4), &[]).unwrap());
        // As if the process had ended between renaming the new file and removing the old one.
        fs::write(&old, content).unwrap();
        fs::write(dir.join("events-0000000003.tmp"), "rubbish of a still earlier attempt").unwrap();
        let mut writer = EventWriter::resume(dir, 4, &rows(1..=4), &[]).unwrap();
        log_steps(&mut writer, 5..=6);
        assert_eq!(scalars(dir), expected(1..=6));
        assert_eq!(fs::read_dir(dir).unwrap().count(), 3, "the file and two empty ones before it");
    }

    #[test]
    fn resuming_keeps_wall_times_and_fills_gaps() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let mut writer = EventWriter::create(dir).unwrap();
        for (step, seconds) in [(1, 1000.0), (4, 4000.0)] {
            let mut event = tensorboard_event::scalar(step, "train/loss", 10.0 / step as f64);
            event.set_wall_time(seconds);
            writer.write(&event).unwrap();
        }
        drop(writer);
        drop(EventWriter::resume(dir, 5, &rows(1..=9), &[]).unwrap());
        let mut found = scalars(dir);
        found.sort_by_key(|(step, tag, _)| (*step, tag.clone()));
        assert_eq!(found, expected(1..=5));
        let events = tensorboard_event::read(&own_files(dir).unwrap().pop().unwrap().1).unwrap();
        let times: Vec<_> =
            events[2..].iter().map(|e| (tensorboard_event::step(e), e.get_wall_time())).collect();
        assert!(times.is_sorted(), "{times:?}");
        assert_eq!((times[0], times[times.len() - 1]), ((1, 1000.0), (5, 4000.0)));
    }

    #[test]
    fn a_new_file_is_read_after_those_of_other_programs_and_leaves_them() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let foreign = dir.join("events.out.tfevents.1763717539.host.12.0");
        let copy = dir.join("events.out.tfevents.0000000001.copy.ablate");
        [&foreign, &copy].iter().for_each(|path| fs::write(path, "x").unwrap());
        let writer = EventWriter::create(dir).unwrap();
        assert!(writer.path > foreign);
        drop(EventWriter::create(dir).unwrap());
        assert!([&foreign, &copy].iter().all(|path| fs::read(path).unwrap() == b"x"));
        assert_eq!(fs::metadata(&writer.path).unwrap().len(), 0);
    }

    #[test]
    fn the_recorded_points_decide() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let mut writer = EventWriter::create(dir).unwrap();
        writer.scalar("train/loss", 1, 99.0).unwrap();
        writer.scalar("unknown", 1, 1.0).unwrap();
        writer.scalar("train/lr", 1, 1e-4).unwrap();
        drop(writer);
        drop(EventWriter::resume(dir, 2, &rows(1..=2), &[]).unwrap());
        let mut found = scalars(dir);
        found.sort_by_key(|(step, tag, _)| (*step, tag.clone()));
        assert_eq!(found, expected(1..=2));
    }

    #[test]
    fn texts_and_histograms_come_from_their_log_once_each_and_what_is_in_no_log_goes() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        let text = View { step: 5, tag: "dev/samples".into(), content: Content::Text("a".into()) };
        let counts = Histogram { min: 0.0, max: 1.0, counts: vec![2, 1] };
        let histogram = View { step: 5, tag: "weights/x".into(), content: Content::Histogram(counts) };
        let later = View { step: 7, ..text.clone() };
        let mut writer = EventWriter::create(dir).unwrap();
        [&text, &histogram, &later].iter().for_each(|view| writer.view(view).unwrap());
        writer.text(0, "run/configuration", "# resolved").unwrap();
        writer.image(9, "attention", &Png { width: 1, height: 1, bytes: vec![1] }).unwrap();
        drop(writer);
        let views = [text.clone(), histogram.clone(), later];
        let mut writer = EventWriter::resume(dir, 6, &[], &views).unwrap();
        writer.view(&text).unwrap();
        writer.view(&histogram).unwrap();
        writer.flush().unwrap();
        let found: Vec<_> = scalars(dir).into_iter().map(|(step, tag, _)| (step, tag)).collect();
        assert_eq!(found, [(5, "dev/samples".to_string()), (5, "weights/x".to_string())]);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let taken = directory.path().join("taken");
        fs::write(&taken, "").unwrap();
        assert!(EventWriter::create(&taken).is_err());
        assert!(EventWriter::resume(&taken, 1, &[], &[]).is_err());
    }
}
