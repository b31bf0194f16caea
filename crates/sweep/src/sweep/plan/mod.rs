//! The plan of a sweep: what it would run and what that costs (`ablate sweep --plan`). Needs no corpus and writes
//! nothing.
//!
//! The types of `planned` are the JSON of `--plan --json`.

mod history;
mod planned;
mod price;
mod probe_process;
mod render;
mod search;

pub use planned::{Change, Plan, PlannedKey, PlannedRow, PlannedSearch, PlannedTrial, Totals};
pub use price::{Price, makespan};
pub use render::render;

use super::committed::CommittedRecords;
use super::corpora::how_to_prepare;
use super::devices::Need;
use super::drawing::Drawing;
use super::selection::Selection;
use super::state::{StateKind, TrialState};
use super::trial::{Trial, run_dir};
use super::varied::varied;
use crate::device::{available_memory, available_threads};
use crate::error::Result;
use crate::experiment::run_files::has_checkpoint;
use crate::experiment::run_paths::CHECKPOINTS;
use crate::files::{folder_bytes, free_space};
use crate::results::index::Index;
use crate::results::varied::RowSettings;
use crate::sequence::distinct;
use history::History;
use price::CostEstimator;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The input of a plan.
pub struct Request<'a> {
    pub trials: &'a [Trial],
    /// Directory of all runs; earlier runs tell times.
    pub results: &'a Path,
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    /// Records that stand for trials.
    pub committed: &'a CommittedRecords,
    /// The selected trials; others are left out.
    pub only: &'a Selection,
    pub workers: usize,
    /// Whether to measure, in separate processes, the shapes that no earlier run had.
    pub probe: bool,
    /// The search that will draw further trials.
    pub search: Option<&'a Drawing>,
}

/// Plans a sweep from its trials.
///
/// # Errors
/// A corpus that exists and is damaged; a run directory that cannot be read.
pub fn plan(request: &Request) -> Result<Plan> {
    let workers = request.workers.max(1);
    let threads = (available_threads() / workers).max(1);
    let mut estimator =
        CostEstimator::new(request.data_root, History::scan(request.results), threads, request.probe);
    let (mut rows, mut trials, mut unprepared) = (Vec::<PlannedRow>::new(), Vec::new(), Vec::new());
    let (mut first_trials, mut recorded) = (Vec::new(), Vec::new());
    let mut shared = Shared { index: Index::scan(request.results), first: BTreeMap::new() };
    for trial in request.trials {
        let experiment = &trial.experiment;
        let (identity, training) = estimator.corpora.identities_with(experiment, request.committed)?.unzip();
        if estimator.corpora.of(experiment)?.is_none() {
            unprepared.push(how_to_prepare(trial));
        }
        let run_dir = run_dir(request.sweep_dir, trial);
        let mut state = TrialState::of(&run_dir, experiment, identity.as_deref())?;
        if let (Some(identity), Some(training)) = (&identity, training) {
            state = match request.committed.of(identity).filter(|_| !state.state.is_done()) {
                Some(found) => {
                    let why = format!("the record in {} stands for it", found.place());
                    TrialState::new(StateKind::Recorded, experiment.training.steps, why)
                }
                None => shared.state_with_reuse(trial, identity, training, &run_dir, state),
            };
        }
        if !request.only.plans(trial, state.state) {
            continue;
        }
        let row = match rows.last_mut().filter(|row| row.row == trial.row) {
            Some(row) => row,
            None => {
                rows.push(new_row(trial, estimator.price(experiment)?));
                first_trials.push(trial);
                let last = rows.len() - 1;
                &mut rows[last]
            }
        };
        if state.state == StateKind::Recorded {
            recorded.push(trial);
        }
        row.seeds.push(trial.seed);
        *row.states.entry(state.state).or_default() += 1;
        trials.push(planned(trial, run_dir, identity, state, &row.price));
    }
    let totals = totals(request, workers, &rows, &trials);
    let (settings, values) = varied(&first_trials);
    rows.iter_mut().zip(values).for_each(|(row, values)| row.settings = values);
    // Draws that may never be made are not measured.
    estimator.probe = false;
    let search = |drawing: &Drawing| search::planned(drawing, &mut estimator, workers);
    let search = request.search.filter(|_| request.only.is_all()).map(search).transpose()?;
    let notes = estimator.corpora.notes_on_records(&recorded, request.committed)?;
    let unprepared = distinct(unprepared);
    Ok(Plan { rows, trials, totals, search, unprepared, settings, notes })
}

/// Returns each trial's need of a card's memory, as measured in earlier runs of its shape, else as estimated.
///
/// # Errors
/// A corpus that exists and is damaged.
pub fn card_needs(trials: &[Trial], results: &Path, data_root: &Path) -> Result<Vec<Need>> {
    let mut estimator = CostEstimator::new(data_root, History::scan(results), 1, false);
    trials.iter().map(|trial| estimator.need(&trial.experiment)).collect()
}

/// The work of other trials, done or still to be done, that a trial can use.
struct Shared {
    index: Index,
    /// The first trial of each training that is not finished, by training identity.
    first: BTreeMap<String, String>,
}

impl Shared {
    /// Returns the state of a trial, given that finished runs and trainings are reused.
    fn state_with_reuse(
        &mut self,
        trial: &Trial,
        identity: &str,
        training: String,
        run_dir: &Path,
        state: TrialState,
    ) -> TrialState {
        if state.state == StateKind::Finished {
            return state;
        }
        let is_running = state.state == StateKind::Running;
        let steps = trial.experiment.training.steps;
        if let Some(other) = self.index.same(identity).filter(|other| !is_running && *other != run_dir) {
            let why = format!("the same trial finished in {}, which is taken over", other.display());
            return TrialState::new(StateKind::FinishedElsewhere, steps, why);
        }
        let name = || format!("{} seed {}", trial.row, trial.seed);
        if is_running || state.state != StateKind::Changed && has_checkpoint(run_dir) {
            self.first.entry(training).or_insert_with(name);
            return state;
        }
        let trained = self.index.same_training(&training).filter(|other| has_checkpoint(other));
        let why = match (trained, self.first.get(&training)) {
            (Some(other), _) => format!("the training of {} is used; only decoding is left", other.display()),
            (None, Some(first)) => format!("the training of {first} is used; only decoding is left"),
            (None, None) => {
                self.first.insert(training, name());
                return state;
            }
        };
        // The reason why a run is to be moved away is stated in any case.
        let why = [state.why.filter(|_| state.state == StateKind::Changed), Some(why)];
        TrialState::new(state.state, steps, why.into_iter().flatten().collect::<Vec<_>>().join("; "))
    }
}

fn new_row(trial: &Trial, price: Price) -> PlannedRow {
    let change = |(key, value): &(String, String)| Change { key: key.clone(), value: value.clone() };
    PlannedRow {
        row: trial.row.clone(),
        name: trial.name.clone(),
        settings: RowSettings::new(),
        group: trial.group.clone(),
        paper: trial.paper.clone(),
        seeds: Vec::new(),
        states: BTreeMap::new(),
        changes: trial.changes.iter().map(change).collect(),
        price,
    }
}

fn planned(
    trial: &Trial,
    run_dir: PathBuf,
    identity: Option<String>,
    state: TrialState,
    price: &Price,
) -> PlannedTrial {
    let finished = state.state.is_done();
    // Files of a changed or damaged run do not help the new one.
    let there = match state.state {
        StateKind::Stopped | StateKind::Running | StateKind::Failed => {
            folder_bytes(&run_dir.join(CHECKPOINTS)) as f64
        }
        _ => 0.0,
    };
    PlannedTrial {
        row: trial.row.clone(),
        seed: trial.seed,
        identity,
        updates_left: price.updates.saturating_sub(state.step),
        flops_left: if finished { 0.0 } else { price.flops_after(state.step) },
        seconds_left: if finished { Some(0.0) } else { price.seconds_after(state.step) },
        disk_bytes_left: if finished { 0.0 } else { (price.disk_bytes - there).max(0.0) },
        run_dir,
        state,
    }
}

fn totals(request: &Request, workers: usize, rows: &[PlannedRow], trials: &[PlannedTrial]) -> Totals {
    let left: Vec<&PlannedTrial> = trials.iter().filter(|trial| !trial.state.state.is_done()).collect();
    let price = |trial: &PlannedTrial| rows.iter().find(|row| row.row == trial.row).map(|row| &row.price);
    let known: Vec<f64> = left.iter().filter_map(|trial| trial.seconds_left).collect();
    // The largest trials may run at the same time.
    let at_once = |of: fn(&Price) -> f64| {
        let mut all: Vec<f64> = left.iter().filter_map(|trial| price(trial)).map(of).collect();
        all.sort_by(|a, b| b.total_cmp(a));
        all.iter().take(workers).sum::<f64>()
    };
    Totals {
        trials: trials.len(),
        finished: trials.len() - left.len(),
        workers,
        flops_left: left.iter().map(|trial| trial.flops_left).sum(),
        seconds_left: makespan(&known, workers),
        unknown_times: left.len() - known.len(),
        memory_bytes: at_once(|price| price.memory_bytes),
        memory_available_bytes: available_memory(),
        disk_bytes_left: left.iter().map(|trial| trial.disk_bytes_left).sum::<f64>()
            + at_once(|price| price.disk_passing_bytes),
        disk_free_bytes: free_space(request.results),
    }
}
