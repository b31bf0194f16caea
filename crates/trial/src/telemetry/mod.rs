//! The output of a run: metrics as text, TensorBoard, progress on the terminal.
//!
//! [`Telemetry`] writes a run directory's files. Values that equal runs share go to `metrics.csv`, times and rates to
//! `timing.csv`, texts and histograms to `views.jsonl`, all of them to TensorBoard. The text files are the record, so
//! their errors are returned; TensorBoard's files are a view of them, and training goes on without them.

pub mod chart_layout;
pub mod console;
pub mod format;
pub mod growing_file;
pub mod hparams;
pub mod metrics_log;
pub mod observer;
pub mod projector;
mod tensorboard_event;
pub mod tensorboard_file;
pub mod view_log;

use crate::error::Result;
use crate::figures::Png;
use crate::files;
use console::print_message;
use growing_file::Line;
use hparams::{Outcome, Session};
use metrics_log::{MetricsLog, Row};
use std::path::Path;
use tensorboard_file::EventWriter;
use view_log::{Content, Histogram, View, ViewLog};

/// File of the values that equal runs share, in a run directory.
pub const METRICS_FILE: &str = "metrics.csv";
/// File of times and rates, in a run directory.
pub const TIMING_FILE: &str = "timing.csv";
/// File of texts and histograms, in a run directory.
pub const VIEWS_FILE: &str = "views.jsonl";

/// The files of one run that grow while it trains.
pub struct Telemetry {
    metrics: MetricsLog,
    timing: MetricsLog,
    views: ViewLog,
    /// `None` if TensorBoard is not wanted, and after an error.
    tensorboard: Option<EventWriter>,
}

impl Telemetry {
    /// Opens the files in `run_dir`, which is created if it is missing. With `resume_step`, the checkpoint's, later
    /// values are dropped; without it, all values of earlier attempts.
    ///
    /// # Errors
    /// [`Error::Io`](crate::error::Error::Io), and [`Error::User`](crate::error::Error::User) if a file to resume
    /// is not a metrics file. Errors in TensorBoard's files are reported on stderr and switch it off.
    pub fn open(run_dir: &Path, resume_step: Option<u64>, tensorboard: bool) -> Result<Self> {
        files::create_dir(run_dir)?;
        let path = |name: &str| run_dir.join(name);
        let (metrics, (timing, damaged), (views, torn)) = match resume_step {
            Some(step) => (
                MetricsLog::resume(&path(METRICS_FILE), step)?,
                MetricsLog::resume_undamaged(&path(TIMING_FILE), step)?,
                ViewLog::resume_undamaged(&path(VIEWS_FILE), step)?,
            ),
            None => (
                MetricsLog::create(&path(METRICS_FILE))?,
                (MetricsLog::create(&path(TIMING_FILE))?, 0),
                (ViewLog::create(&path(VIEWS_FILE))?, 0),
            ),
        };
        for (name, damaged) in [(TIMING_FILE, damaged), (VIEWS_FILE, torn)] {
            if damaged > 0 {
                print_message(&format!(
                    "warning: {damaged} damaged lines of {} are left out",
                    path(name).display()
                ));
            }
        }
        let events = match (tensorboard, resume_step) {
            (true, Some(step)) => recorded_events(run_dir, step).map(Some),
            (true, None) => EventWriter::create(run_dir).map(Some),
            (false, None) => tensorboard_file::remove_files(run_dir).map(|()| None),
            (false, Some(_)) => Ok(None),
        };
        let tensorboard = events.unwrap_or_else(|error| {
            report_loss(&error);
            None
        });
        Ok(Telemetry { metrics, timing, views, tensorboard })
    }

    /// Writes the settings of the run for TensorBoard's HParams page; to be called after [`open`](Self::open).
    pub fn session_start(&mut self, session: &Session) {
        self.show(|events| events.session_start(session));
    }

    /// Writes the outcome of the run for TensorBoard's HParams page. An interrupted run that will be resumed has none.
    pub fn session_end(&mut self, outcome: Outcome) {
        self.show(|events| events.session_end(outcome).and_then(|()| events.sync()));
    }

    /// Records the distribution of the numbers of a tensor.
    pub fn histogram(&mut self, step: u64, tag: &str, histogram: Histogram) -> Result<()> {
        self.record(View { step, tag: tag.to_string(), content: Content::Histogram(histogram) })
    }

    /// Shows a picture, in TensorBoard alone: it can be drawn again from the files in the run directory.
    pub fn image(&mut self, step: u64, tag: &str, picture: &Png) {
        self.show(|events| events.image(step, tag, picture));
    }

    /// Records a value that equal runs share: losses, scores, counts.
    pub fn metric(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        self.metrics.record(&Row { step, tag: tag.to_string(), value })?;
        self.show(|events| events.scalar(tag, step, value));
        Ok(())
    }

    /// Records a value that differs between equal runs: times, rates, memory.
    pub fn timing(&mut self, step: u64, tag: &str, value: f64) -> Result<()> {
        self.timing.record(&Row { step, tag: tag.to_string(), value })?;
        self.show(|events| events.scalar(tag, step, value));
        Ok(())
    }

    /// Records a text in Markdown.
    pub fn text(&mut self, step: u64, tag: &str, markdown: &str) -> Result<()> {
        self.record(View { step, tag: tag.to_string(), content: Content::Text(markdown.to_string()) })
    }

    fn record(&mut self, view: View) -> Result<()> {
        self.views.record(&view)?;
        self.show(|events| events.view(&view));
        Ok(())
    }

    /// Passes everything to the operating system, so that other programs see it.
    pub fn flush(&mut self) -> Result<()> {
        self.metrics.flush()?;
        self.timing.flush()?;
        self.views.flush()?;
        self.show(EventWriter::flush);
        Ok(())
    }

    /// Writes all values so far to the disk, so that they survive a crash. To be called before the checkpoint of a step
    /// is written, when that whole step is recorded: a run that resumes from the checkpoint records later values again.
    pub fn sync(&mut self) -> Result<()> {
        self.metrics.sync()?;
        self.timing.sync()?;
        self.views.sync()?;
        self.show(EventWriter::sync);
        Ok(())
    }

    /// Writes to TensorBoard; after the first error TensorBoard is switched off.
    fn show(&mut self, write: impl FnOnce(&mut EventWriter) -> Result<()>) {
        if let Some(events) = &mut self.tensorboard
            && let Err(error) = write(events)
        {
            report_loss(&error);
            self.tensorboard = None;
        }
    }
}

/// Replaces the event file by a new one with the values that the text files of a run recorded up to `step`. Damaged
/// lines are left out.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io) if a file cannot be read or written; the old event file is then still there.
pub fn recorded_events(run_dir: &Path, step: u64) -> Result<EventWriter> {
    let (mut points, _) = Row::read_undamaged(&run_dir.join(METRICS_FILE))?;
    points.extend(Row::read_undamaged(&run_dir.join(TIMING_FILE))?.0);
    let (views, _) = View::read_undamaged(&run_dir.join(VIEWS_FILE))?;
    EventWriter::resume(run_dir, step, &points, &views)
}

fn report_loss(error: &crate::error::Error) {
    print_message(&format!(
        "warning: {error}; training goes on without TensorBoard, and the next start fills the gap from {METRICS_FILE}"
    ));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn train(telemetry: &mut Telemetry, steps: std::ops::RangeInclusive<u64>) {
        for step in steps {
            telemetry.metric(step, "train/loss", 10.0 / step as f64).unwrap();
            telemetry.timing(step, "train/tokens_per_second", 6000.0 + step as f64).unwrap();
        }
        telemetry.flush().unwrap();
    }

    /// (step, tag, value) of the run's events, which lie in one file.
    fn shown(dir: &Path) -> Vec<(u64, String, f32)> {
        let files: Vec<_> = fs::read_dir(dir)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| {
                path.to_string_lossy().contains("tfevents") && fs::metadata(path).unwrap().len() > 0
            })
            .collect();
        assert_eq!(files.len(), 1, "{files:?}");
        let events = tensorboard_event::read(&files[0]).unwrap();
        events[2..]
            .iter()
            .map(|e| {
                (
                    tensorboard_event::step(e),
                    tensorboard_event::tag(e).unwrap().to_string(),
                    tensorboard_event::scalar_value(e).unwrap(),
                )
            })
            .collect()
    }

    fn recorded(dir: &Path) -> Vec<(u64, String, f32)> {
        let mut rows = metrics_log::read(&dir.join(METRICS_FILE)).unwrap();
        rows.extend(metrics_log::read(&dir.join(TIMING_FILE)).unwrap());
        rows.sort_by_key(|row| row.step);
        rows.into_iter().map(|row| (row.step, row.tag, row.value as f32)).collect()
    }

    #[test]
    fn deterministic_values_and_times_go_to_different_files_and_both_to_tensorboard() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path().join("row/seed-1");
        let mut telemetry = Telemetry::open(&dir, None, true).unwrap();
        train(&mut telemetry, 1..=3);
        let tags = |name| {
            let mut tags: Vec<_> =
                metrics_log::read(&dir.join(name)).unwrap().into_iter().map(|row| row.tag).collect();
            tags.dedup();
            tags
        };
        assert_eq!(tags(METRICS_FILE), ["train/loss"]);
        assert_eq!(tags(TIMING_FILE), ["train/tokens_per_second"]);
        assert_eq!(shown(&dir), recorded(&dir));
    }

    #[test]
    fn a_resumed_run_has_the_points_of_an_uninterrupted_one() {
        let directory = tempfile::tempdir().unwrap();
        let (whole, resumed) = (directory.path().join("whole"), directory.path().join("resumed"));
        train(&mut Telemetry::open(&whole, None, true).unwrap(), 1..=9);
        train(&mut Telemetry::open(&resumed, None, true).unwrap(), 1..=6);
        train(&mut Telemetry::open(&resumed, Some(4), true).unwrap(), 5..=7);
        // Once without TensorBoard: the gap is filled later.
        train(&mut Telemetry::open(&resumed, Some(6), false).unwrap(), 7..=8);
        train(&mut Telemetry::open(&resumed, Some(8), true).unwrap(), 9..=9);
        assert_eq!(shown(&resumed), shown(&whole));
        for name in [METRICS_FILE, TIMING_FILE] {
            assert_eq!(fs::read(resumed.join(name)).unwrap(), fs::read(whole.join(name)).unwrap());
        }
    }

    #[test]
    fn a_fresh_start_forgets_an_earlier_attempt() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        train(&mut Telemetry::open(dir, None, true).unwrap(), 1..=6);
        train(&mut Telemetry::open(dir, None, true).unwrap(), 1..=2);
        assert_eq!(shown(dir), recorded(dir));
        assert_eq!(shown(dir).len(), 4);
        drop(Telemetry::open(dir, None, false).unwrap());
        assert!(recorded(dir).is_empty());
        assert_eq!(fs::read_dir(dir).unwrap().count(), 3, "only the text files stay");
    }

    #[test]
    fn an_error_of_tensorboard_does_not_end_training() {
        let directory = tempfile::tempdir().unwrap();
        let dir = directory.path();
        // A directory in the way of the file that the writer wants to create.
        fs::create_dir(dir.join("events-0000000001.tmp")).unwrap();
        let mut telemetry = Telemetry::open(dir, None, true).unwrap();
        assert!(telemetry.tensorboard.is_none());
        train(&mut telemetry, 1..=3);
        telemetry.sync().unwrap();
        assert_eq!(recorded(dir).len(), 6);

        let mut telemetry = Telemetry::open(&dir.join("other"), None, true).unwrap();
        telemetry.show(|_| Err(crate::error::Error::failed("no space")));
        assert!(telemetry.tensorboard.is_none());
        train(&mut telemetry, 1..=1);
    }
}
