//! A sweep as a whole in TensorBoard: the columns of the HParams page, the charts of the Custom Scalars page, the
//! table, and for each row the mean over its seeds with its spread.
//!
//! The columns, charts and table are in the sweep's own directory, the means in `<row>/mean`. All of this follows from
//! the run directories: if a file cannot be written, a warning is printed and the sweep continues.

mod charts;
mod columns;
pub mod mean_directory;
mod spread;

use super::collect;
use super::spec::SweepSpec;
use super::table_section;
use super::trial::Trial;
use crate::error::Result;
use crate::experiment::view::{is_run, rewrite_events, write_difference};
use crate::results::metric::METRICS;
use crate::results::render::Tabulated;
use crate::results::table::ResultTable;
use crate::telemetry::console::print_message;
use crate::telemetry::hparams::ExperimentSummary;
use crate::telemetry::tensorboard_file::EventWriter;
use mean_directory::remove_mean;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Duration, Instant};

/// Shortest time between two rewrites of means and table, which is also at least [`SHARE`] times the duration of a
/// rewrite: with many trials a rewrite takes a while, and the trials must not wait for it.
const INTERVAL: Duration = Duration::from_secs(2);
const SHARE: u32 = 100;

/// Writes TensorBoard's view of a sweep.
pub struct SweepView<'a> {
    spec: &'a SweepSpec,
    sweep_dir: &'a Path,
    /// The columns in the sweep's own file.
    columns: ExperimentSummary,
    /// None after an error.
    root: Option<Root>,
    /// Rows with trials that ended since their mean was written.
    behind: BTreeSet<String>,
    /// The earliest time of the next rewrite.
    due: Instant,
}

/// The sweep's own file.
struct Root {
    events: EventWriter,
    /// The step of the last table.
    ended: Option<u64>,
}

impl<'a> SweepView<'a> {
    /// Starts the sweep's own file again, with columns and charts.
    pub fn open(spec: &'a SweepSpec, sweep_dir: &'a Path, trials: &[Trial]) -> Self {
        let columns = columns::summary(&METRICS, spec, trials);
        let begin = || {
            let mut events = EventWriter::create(sweep_dir)?;
            events.experiment(&columns)?;
            events.layout(&charts::layout(&METRICS, trials))?;
            events.sync()?;
            Ok(Root { events, ended: None })
        };
        let root = warn_on_error(begin());
        // Earlier versions wrote the mean of one seed, too.
        if !charts::has_means(trials) {
            warn_on_error(trials.iter().try_for_each(|trial| remove_mean(&sweep_dir.join(&trial.row))));
        }
        SweepView { spec, sweep_dir, columns, root, behind: BTreeSet::new(), due: Instant::now() }
    }

    /// Called after a draw of a search. Starts the sweep's own file again if it adds a column or a value of one.
    pub fn extend(&mut self, trials: &[Trial]) {
        if self.root.is_some() && columns::summary(&METRICS, self.spec, trials) != self.columns {
            let behind = std::mem::take(&mut self.behind);
            *self = SweepView { behind, due: self.due, ..SweepView::open(self.spec, self.sweep_dir, trials) };
        }
    }

    /// Called before a trial starts. Writes its differences from the base row of `trials` for the trial's own page.
    pub fn begin(&self, trials: &[Trial], trial: &Trial, run_dir: &Path) {
        let base = base(self.spec, trials);
        warn_on_error(write_difference(run_dir, &trial.experiment, &base.experiment, &base.row));
    }

    /// Called when a trial is over. The mean of its row and the table change with the next [`refresh`](Self::refresh).
    pub fn end(&mut self, trial: &Trial) {
        self.behind.insert(trial.row.clone());
    }

    /// Writes the means and the table that have changed, unless this was done a moment ago.
    pub fn refresh(&mut self, trials: &[Trial]) {
        let begun = Instant::now();
        if self.behind.is_empty() || begun < self.due {
            return;
        }
        self.write_means(trials);
        let SweepView { spec, sweep_dir, .. } = *self;
        self.write(|root| write_table(spec, sweep_dir, trials, root));
        self.due = Instant::now() + INTERVAL.max(begun.elapsed() * SHARE);
    }

    /// Called at the end of the sweep. Writes the means and the table with its comparisons.
    pub fn conclude(&mut self, trials: &[Trial], table: &ResultTable) {
        self.write_means(trials);
        self.write(|root| {
            // The last table may be of the same number of ended trials, but has no comparisons.
            root.ended = None;
            root.show(table)
        });
    }

    /// Writes to the sweep's own file, which is not written any more after an error.
    fn write(&mut self, write: impl FnOnce(&mut Root) -> Result<()>) {
        if let Some(root) = &mut self.root
            && warn_on_error(write(root)).is_none()
        {
            self.root = None;
        }
    }

    fn write_means(&mut self, trials: &[Trial]) {
        for row in std::mem::take(&mut self.behind) {
            warn_on_error(spread::write(self.sweep_dir, trials, &row));
        }
    }

    /// Writes a run's own file again from its directory, for example after a crash.
    pub fn rewrite(&self, trial: &Trial, run_dir: &Path) {
        if trial.experiment.run.tensorboard {
            warn_on_error(is_run(run_dir).and_then(|is_run| match is_run {
                true => rewrite_events(run_dir, &trial.experiment, &trial.row),
                false => Ok(()),
            }));
        }
    }
}

/// Writes the table of the values so far. The last table comes from [`SweepView::conclude`].
fn write_table(spec: &SweepSpec, sweep_dir: &Path, trials: &[Trial], root: &mut Root) -> Result<()> {
    let records = collect::records_of_settings(sweep_dir, trials);
    let reused = &BTreeMap::new();
    let table = collect::values(&collect::Sources { spec, sweep_dir, trials, records: &records, reused })?;
    if ended(&table) == trials.len() as u64 { Ok(()) } else { root.show(&table) }
}

impl Root {
    /// Writes the table if further trials have ended since the last one. Their number is the step, because TensorBoard
    /// shows the highest step first.
    fn show(&mut self, table: &ResultTable) -> Result<()> {
        let ended = ended(table);
        if self.ended.replace(ended) != Some(ended) {
            self.events.text(ended, "comparison/table", &Tabulated::of(table)?.markdown())?;
        }
        self.events.sync()
    }
}

/// Returns the number of trials that have finished or failed.
fn ended(table: &ResultTable) -> u64 {
    (table.rows.iter().map(|row| row.finished).sum::<usize>() + table.failures.len()) as u64
}

/// Returns a trial of the row with which others are compared: the table's base row, else the first row.
fn base<'t>(spec: &SweepSpec, trials: &'t [Trial]) -> &'t Trial {
    let label = table_section::base(spec, trials);
    let named = trials.iter().find(|trial| Some(trial.row.as_str()) == label);
    named.unwrap_or_else(|| trials.first().expect("a sweep has trials"))
}

/// Prints an error as a warning: TensorBoard's files are no reason to end a sweep.
fn warn_on_error<T>(outcome: Result<T>) -> Option<T> {
    outcome.map_err(|error| print_message(&format!("warning: TensorBoard's files: {error}"))).ok()
}

#[cfg(test)]
mod tests {
    use super::super::examples::of_demo;
    use super::*;

    #[test]
    fn runs_differ_from_the_row_that_the_table_compares_with() {
        let rows = "[[row]]\nlabel = \"a\"\n[[row]]\nlabel = \"b\"\nset = { \"model.layers\" = 1 }\n";
        let of_base = |table: &str, second: &str| {
            let rows = rows.replace("\"b\"", &format!("{second:?}"));
            let (spec, trials) = of_demo(&format!("seeds = [1]\n{table}{rows}"));
            base(&spec, &trials).row.clone()
        };
        assert_eq!(of_base("", "b"), "a");
        assert_eq!(of_base("", "base"), "base");
        assert_eq!(of_base("[table]\nbase = \"b\"\n", "b"), "b");
    }
}
