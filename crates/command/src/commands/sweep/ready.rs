//! A sweep that has passed the checks of its files, its options and its text. Nothing has been written yet.

use super::arguments::Arguments;
use crate::cards;
use crate::commands::{OpenSweep, Places};
use crate::config::DeviceChoice;
use crate::error::{Error, Result};
use crate::experiment::run_files::check_vacant;
use crate::experiment::run_paths;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::corpora::Corpora;
use crate::sweep::devices::{self, CardPool, Need};
use crate::sweep::drawing::Drawing;
use crate::sweep::launch::LauncherKind;
use crate::sweep::launch::slurm::slurm_spec::SlurmSpec;
use crate::sweep::policy::{MOST_WORKERS, Policy};
use crate::sweep::selection::Selection;
use crate::sweep::spec::SweepSpec;
use crate::sweep::trial::{Trial, replaced_settings, run_dir};
use crate::sweep::{directory, plan};
use crate::telemetry::console::print_message;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A checked sweep: its trials, its directory, and the devices or the cluster that trains it.
pub struct Ready<'a> {
    pub spec: SweepSpec,
    pub trials: Vec<Trial>,
    pub sweep_dir: PathBuf,
    pub search: Option<Drawing>,
    /// The trials that a search has still to draw, as row and seed.
    pub to_come: BTreeSet<(String, u64)>,
    pub slurm: SlurmSpec,
    pub only: Selection,
    pub corpora: Corpora<'a>,
    /// The cards among which trials are divided, if they are.
    pub pool: Option<CardPool>,
    pub workers: usize,
    pub committed: CommittedRecords,
}

impl<'a> Ready<'a> {
    /// Checks everything that can be refused before the first trial, and prints notes on likely mistakes.
    ///
    /// # Errors
    /// The first problem that is found.
    pub fn check(arguments: &Arguments, sweep: OpenSweep, places: &'a Places) -> Result<Self> {
        let OpenSweep { spec, mut trials, dir: sweep_dir, search } = sweep;
        directory::check(&sweep_dir)?;
        let to_come = search.as_ref().map_or_else(BTreeSet::new, Drawing::runs_to_come);
        let rows = trials.iter().map(|trial| trial.row.as_str());
        directory::check_rows(&sweep_dir, rows.chain(to_come.iter().map(|(row, _)| row.as_str())))?;
        trials.iter().try_for_each(|trial| check_vacant(&run_dir(&sweep_dir, trial)))?;
        to_come
            .iter()
            .try_for_each(|(row, seed)| check_vacant(&run_paths::run_dir(&sweep_dir, row, *seed)))?;
        let devices = devices(arguments, &spec)?;
        if devices.is_some() {
            // A trial sees its card alone.
            trials.iter_mut().for_each(|trial| trial.experiment.run.device = DeviceChoice::Cuda(0));
        }
        let workers = arguments.workers.or(spec.workers);
        if let Some(workers) = workers.filter(|workers| !(1..=MOST_WORKERS).contains(workers)) {
            return Err(Error::user(format!(
                "--workers {workers} is out of range: expected 1 to {MOST_WORKERS}"
            )));
        }
        Policy { max_trials: arguments.max_trials, max_hours: arguments.max_hours, ..Policy::default() }
            .check_options()?;
        let slurm =
            SlurmSpec { max_running: arguments.workers.or(spec.slurm.max_running), ..spec.slurm.clone() };
        slurm.check(&|_| None)?;
        if search.is_some() && arguments.launcher == LauncherKind::Slurm {
            check_search_on_slurm(arguments, &slurm)?;
        }
        let only = Selection::parse(&arguments.only, &trials)?;
        let of_others = directory::note_of_other_rows(&sweep_dir, &arguments.sweep, |row| {
            trials.iter().any(|trial| trial.row == row)
                || search.as_ref().is_some_and(|search| search.lists(row, None))
        })?;
        let notes = replaced_settings(&trials).into_iter().chain(of_others);
        notes.for_each(|note| print_message(&format!("note: {note}")));
        let mut corpora = Corpora::new(&places.data);
        check_text(&mut corpora, &trials, search.as_ref())?;
        let pool = devices.map(|names| pool(&names, &trials, to_come.len(), places)).transpose()?;
        let all = trials.len() + to_come.len();
        let workers = match arguments.launcher {
            // Without a number: as many as the cards hold, or one.
            LauncherKind::Local => {
                workers.unwrap_or_else(|| pool.as_ref().map_or(1, |pool| pool.capacity(0..all)))
            }
            LauncherKind::Slurm => slurm.max_running.unwrap_or(all).max(1),
        };
        let committed = CommittedRecords::read(&arguments.committed.reuse_records)?;
        Ok(Ready { spec, trials, sweep_dir, search, to_come, slurm, only, corpora, pool, workers, committed })
    }

    /// Prepares generated corpora that are not there, and checks their text as [`check`](Self::check) does.
    pub fn prepare_text(&mut self) -> Result<()> {
        self.corpora.prepare(&self.trials, &self.committed)?;
        check_text(&mut self.corpora, &self.trials, self.search.as_ref())
    }
}

/// The cards of this machine that the options or the sweep name. A cluster gives its jobs their cards itself.
fn devices(arguments: &Arguments, spec: &SweepSpec) -> Result<Option<Vec<String>>> {
    match (arguments.launcher, arguments.devices.is_empty()) {
        (LauncherKind::Local, true) => Ok(spec.devices.clone()),
        (LauncherKind::Local, false) => Ok(Some(arguments.devices.clone())),
        (LauncherKind::Slurm, true) => Ok(None),
        (LauncherKind::Slurm, false) => {
            Err(Error::user("--devices are this machine's; with --launcher slurm state them under [slurm]"))
        }
    }
}

/// Checks whether all rows suit the text, and draws that a search may come to.
fn check_text(corpora: &mut Corpora, trials: &[Trial], search: Option<&Drawing>) -> Result<()> {
    corpora.check(trials)?;
    search.filter(|search| search.to_come() > 0).map_or(Ok(()), |search| search.drawer.probe_text(corpora))
}

/// Refuses options with which a search cannot run on a cluster: it learns from finished trials.
fn check_search_on_slurm(arguments: &Arguments, slurm: &SlurmSpec) -> Result<()> {
    if arguments.detach {
        return Err(Error::user(
            "--detach leaves trials to the cluster, but the next draws of [search] follow from their results; leave it \
             out, and interrupt the command when it may go on later",
        ));
    }
    if slurm.max_running.is_none() {
        return Err(Error::user(
            "with [search] and --launcher slurm, state how many trials run at once with --workers or max_running under \
             [slurm]: else all draws are made before any result is there",
        ));
    }
    Ok(())
}

/// Returns the cards called `names`, with the memory that each trial needs. Each of the `to_come` trials that are still
/// to be drawn counts like the largest of `trials`.
fn pool(names: &[String], trials: &[Trial], to_come: usize, places: &Places) -> Result<CardPool> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let cards = cards::list().map_err(|error| {
        Error::user(format!(
            "devices: the cards of this machine cannot be listed: {error}; is its driver installed?"
        ))
    })?;
    let loads = devices::resolve(names, &cards, visible.as_deref())?;
    let needs = plan::card_needs(trials, &places.results, &places.data)?;
    let mut bytes: Vec<u64> = needs.into_iter().map(Need::bytes).collect();
    bytes.resize(trials.len() + to_come, bytes.iter().copied().max().unwrap_or(0));
    Ok(CardPool::new(loads, bytes))
}
