//! A sweep as a whole in TensorBoard: the columns of the HParams page, the charts of the Custom Scalars page, the
//! table, and for each row the mean over its seeds with its spread.
//!
//! The columns, charts and table are in the sweep's own directory, the means in `<row>/mean`. All of it follows
//! from the run directories, and TensorBoard's files are a view: what cannot be written is said, once.

mod charts;
mod columns;
mod spread;

use super::collect;
use super::expand::Trial;
use super::spec::SweepSpec;
use crate::config::configuration_hash;
use crate::error::Result;
use crate::experiment::view::{is_run, rewrite_events, write_difference};
use crate::results::render::Tabulated;
use crate::results::table::ResultTable;
use crate::telemetry::console::say;
use crate::telemetry::tensorboard::EventWriter;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The directory of a row's mean, beside those of its seeds.
pub(super) const MEAN: &str = "mean";

/// Writes what TensorBoard shows of a sweep; may be shared by threads.
pub struct SweepView<'a> {
    spec: &'a SweepSpec,
    sweep_dir: &'a Path,
    trials: &'a [Trial],
    /// Absent after an error.
    root: Mutex<Option<Root>>,
}

/// The sweep's own file.
struct Root {
    events: EventWriter,
    /// The step of the last table.
    ended: Option<u64>,
}

impl<'a> SweepView<'a> {
    /// Begins the sweep's own file anew, with columns and charts.
    pub fn open(spec: &'a SweepSpec, sweep_dir: &'a Path, trials: &'a [Trial]) -> Self {
        let begin = || {
            let mut events = EventWriter::create(sweep_dir)?;
            events.experiment(&columns::summary(spec, trials))?;
            events.layout(&charts::layout(trials))?;
            events.sync()?;
            Ok(Root { events, ended: None })
        };
        SweepView { spec, sweep_dir, trials, root: Mutex::new(heard(begin())) }
    }

    /// A trial is about to start: what sets it apart from the base row is for its own page to tell.
    pub fn begin(&self, trial: &Trial, run_dir: &Path) {
        let base = base(self.trials);
        heard(write_difference(run_dir, &trial.experiment, &base.experiment, &base.row));
    }

    /// A trial is over: the mean of its row, and the table.
    pub fn update(&self, trial: &Trial) {
        // Held for the means too: a directory has one writer.
        let mut root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        heard(spread::write(self.sweep_dir, self.trials, &trial.row));
        if let Some(open) = root.as_mut()
            && heard(self.write_table(open)).is_none()
        {
            *root = None;
        }
    }

    /// The sweep is over, as far as it goes: the table with its comparisons.
    pub fn conclude(&self, table: &ResultTable) {
        let mut root = self.root.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = root.as_mut()
            && heard(open.show(table)).is_none()
        {
            *root = None;
        }
    }

    /// The values so far. The last table comes from [`conclude`](Self::conclude).
    fn write_table(&self, root: &mut Root) -> Result<()> {
        let records = collect::records(self.sweep_dir, self.trials, |trial, record| {
            record.configuration_hash == configuration_hash(&trial.experiment)
        })?;
        let table = collect::values(self.spec, self.sweep_dir, self.trials, &records)?;
        if ended(&table) == self.trials.len() as u64 { Ok(()) } else { root.show(&table) }
    }

    /// Writes a run's own file anew from its directory, as after a crash that left no end.
    pub fn rewrite(&self, trial: &Trial, run_dir: &Path) {
        if trial.experiment.run.tensorboard {
            heard(is_run(run_dir).and_then(|is_run| match is_run {
                true => rewrite_events(run_dir, &trial.experiment, &trial.row),
                false => Ok(()),
            }));
        }
    }
}

impl Root {
    /// Step by step more trials have ended; TensorBoard shows the latest table first.
    fn show(&mut self, table: &ResultTable) -> Result<()> {
        let ended = ended(table);
        if self.ended.replace(ended) != Some(ended) {
            self.events.text(ended, "comparison/table", &Tabulated::of(table)?.markdown())?;
        }
        self.events.sync()
    }
}

/// How many trials have ended, well or badly.
fn ended(table: &ResultTable) -> u64 {
    (table.rows.iter().map(|row| row.finished).sum::<usize>() + table.failures.len()) as u64
}

/// The row that the others are compared with: the one called `base`, else the first.
fn base(trials: &[Trial]) -> &Trial {
    let named = trials.iter().find(|trial| trial.row == super::label::PLAIN);
    named.unwrap_or_else(|| trials.first().expect("a sweep has trials"))
}

fn heard<T>(outcome: Result<T>) -> Option<T> {
    outcome.map_err(|error| say(&format!("warning: TensorBoard's files: {error}"))).ok()
}
