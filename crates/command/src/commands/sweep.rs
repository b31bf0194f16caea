//! `ablate sweep`: all trials, then the table.

use super::{OpenSweep, Places, failure_text, print, print_json, print_styled, screen, terminal_width};
use crate::cards;
use crate::config::DeviceChoice;
use crate::error::{Error, Result};
use crate::experiment::LOG_FILE;
use crate::experiment::run_files::check_vacant;
use crate::files;
use crate::results::record::Record;
use crate::results::render::Tabulated;
use crate::signal::StopFlag;
use crate::sweep::board::Stage;
use crate::sweep::committed::{self, CommittedRecords};
use crate::sweep::corpora::Corpora;
use crate::sweep::devices::{self, CardPool, Need};
use crate::sweep::expand::TrialPurpose;
use crate::sweep::json_event::SweepEvent;
use crate::sweep::launch::LauncherKind;
use crate::sweep::launch::launcher::Setup;
use crate::sweep::launch::slurm::slurm_spec::SlurmSpec;
use crate::sweep::ledger::{self, Ledger};
use crate::sweep::made::MadeSweep;
use crate::sweep::policy::{MOST_WORKERS, Policy};
use crate::sweep::progress_display::SweepProgress;
use crate::sweep::scheduler::{Scheduler, Tally};
use crate::sweep::selection::Selection;
use crate::sweep::spec::SweepSpec;
use crate::sweep::state::StateKind;
use crate::sweep::survey::Survey;
use crate::sweep::tensorboard::SweepView;
use crate::sweep::trial::{Trial, replaced_settings, run_dir};
use crate::sweep::trial_queue::PendingTrial;
use crate::sweep::{collect, directory, driver, place, plan, record_file};
use crate::telemetry::console::print_message;
use clap::Args;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file, or an experiment of which --axis and --seeds make a sweep.
    pub sweep: PathBuf,
    /// Make a sweep of an experiment: section.key=value,value,… tries each value, with those of other --axis in all
    /// combinations. May be repeated.
    #[arg(long = "axis", value_name = "KEY=VALUES")]
    pub axes: Vec<String>,
    /// Make a sweep of an experiment: train each row once with each of these seeds. By default 1.
    #[arg(long, value_name = "SEEDS", value_delimiter = ',')]
    pub seeds: Vec<u64>,
    /// File for the sweep that --axis and --seeds make. By default it is called by the experiment and the settings that
    /// vary, in sweeps/ if there is such a folder.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Print which trials are finished, which are left and what they cost. Starts no training.
    #[arg(long)]
    pub plan: bool,
    /// With --plan: measure the time of a few micro-batches for models that have not run on this machine yet.
    #[arg(long, requires = "plan")]
    pub probe: bool,
    /// Print JSON for programs: with --plan one document, otherwise one event per line on standard output instead of
    /// the table.
    #[arg(long)]
    pub json: bool,
    /// Where trials run: on this machine, or as Slurm jobs with the resources of the sweep's [slurm].
    #[arg(long, value_enum, default_value_t = LauncherKind::Local)]
    pub launcher: LauncherKind,
    /// With --launcher slurm: submit jobs and return without waiting. The same command finds the jobs later.
    #[arg(long, conflicts_with = "plan")]
    pub detach: bool,
    /// Number of trials that run at the same time. With --launcher slurm it replaces the sweep's `max_running`.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// GPUs over which the trials are spread, several on one GPU if its memory allows it: cuda:0,cuda:1, or cuda for
    /// all.
    #[arg(long, value_name = "CARDS", value_delimiter = ',')]
    pub devices: Vec<String>,
    /// Run, or plan, only these trials: a row, `ROW/seed-N`, or `failed` for all trials that failed, including those
    /// that are not tried again otherwise. May be repeated.
    #[arg(long, value_name = "WHAT")]
    pub only: Vec<String>,
    /// Stop the sweep when a trial has failed and is not tried again. Running trials save their state.
    #[arg(long)]
    pub fail_fast: bool,
    /// Largest number of trials to start. Replaces the sweep's `max_trials`.
    #[arg(long, value_name = "N")]
    pub max_trials: Option<usize>,
    /// Number of hours after which running trials save their state and the sweep stops. Replaces the sweep's
    /// `max_hours`.
    #[arg(long, value_name = "H")]
    pub max_hours: Option<f64>,
    #[command(flatten)]
    pub committed: Committed,
    /// Change a setting of every trial: section.key=value. May be repeated. Several values of an experiment's setting are
    /// an --axis.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// Records that stand for trials.
#[derive(Debug, Args)]
pub struct Committed {
    /// Take the records of identical trials from this records.jsonl, or from all such files below a directory, instead
    /// of training them. May be repeated.
    #[arg(long, value_name = "FILE or DIR")]
    pub reuse_records: Vec<PathBuf>,
}

pub fn run(mut arguments: Arguments, places: &Places) -> Result<()> {
    let Arguments { sweep: file, axes, seeds, sets, save, .. } = &arguments;
    let Some(made) = MadeSweep::of(file, axes, seeds, sets)? else {
        if save.is_some() {
            return Err(Error::user("--save is for the sweep that --axis and --seeds make; leave it out"));
        }
        let sweep = OpenSweep::load(TrialPurpose::Train, &arguments.sweep, &arguments.sets, places)?;
        return run_sweep(arguments, sweep, places);
    };
    let saved = made.save(save.as_deref())?;
    // The file states them, so that `status`, `table` and `report` need no --set.
    (arguments.sweep, arguments.sets) = (saved.path.clone(), Vec::new());
    match OpenSweep::load(TrialPurpose::Train, &arguments.sweep, &arguments.sets, places) {
        Ok(sweep) if !arguments.plan => {
            print_message(&format!("the sweep is saved as {}", saved.path.display()));
            run_sweep(arguments, sweep, places)
        }
        // What is refused leaves no file behind, and neither does a plan.
        loaded => {
            let outcome = loaded.and_then(|sweep| run_sweep(arguments, sweep, places));
            let discarded = saved.discard();
            outcome.and(discarded)
        }
    }
}

fn run_sweep(arguments: Arguments, sweep: OpenSweep, places: &Places) -> Result<()> {
    let OpenSweep { spec, mut trials, dir: sweep_dir } = sweep;
    directory::check(&sweep_dir)?;
    directory::check_rows(&sweep_dir, trials.iter().map(|trial| trial.row.as_str()))?;
    trials.iter().try_for_each(|trial| check_vacant(&run_dir(&sweep_dir, trial)))?;
    // A cluster gives its jobs their cards itself.
    let of_sweep = spec.devices.as_ref().filter(|_| arguments.launcher == LauncherKind::Local);
    if arguments.launcher != LauncherKind::Local && !arguments.devices.is_empty() {
        return Err(Error::user(
            "--devices are this machine's; with --launcher slurm state them under [slurm]",
        ));
    }
    let devices = match (arguments.devices.is_empty(), of_sweep) {
        (false, _) => Some(arguments.devices.clone()),
        (true, of_sweep) => of_sweep.cloned(),
    };
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
        .check_values(&|_| None)?;
    let slurm = SlurmSpec { max_running: arguments.workers.or(spec.slurm.max_running), ..spec.slurm.clone() };
    slurm.check(&|_| None)?;
    let only = Selection::parse(&arguments.only, &trials)?;
    let of_others = directory::note_of_other_rows(&sweep_dir, &arguments.sweep, &trials)?;
    let notes = replaced_settings(&trials).into_iter().chain(of_others);
    notes.for_each(|note| print_message(&format!("note: {note}")));
    let mut corpora = Corpora::new(&places.data);
    corpora.check(&trials)?;
    let pool = devices.map(|names| pool(&names, &trials, places)).transpose()?;
    // Without a number: as many as the cards hold, or one.
    let fitting = || pool.as_ref().map_or(1, |pool| pool.capacity(0..trials.len()));
    let workers = workers.unwrap_or_else(fitting);
    let committed = CommittedRecords::read(&arguments.committed.reuse_records)?;
    if arguments.plan {
        let plan = plan::plan(&plan::Request {
            trials: &trials,
            results: &places.results,
            sweep_dir: &sweep_dir,
            data_root: &places.data,
            committed: &committed,
            only: &only,
            workers,
            probe: arguments.probe,
        })?;
        let recorded = plan.trials.iter().filter(|trial| trial.state.state == StateKind::Recorded).count();
        if let Some(note) = committed.note(recorded).filter(|_| plan.unprepared.is_empty()) {
            print_message(&format!("note: {note}"));
        }
        if let Some(limits) = limits_beyond_plan(&arguments, &spec) {
            print_message(&format!(
                "note: the plan shows all trials that are left; {limits} would end the sweep before"
            ));
        }
        return match arguments.json {
            true => print_json(&plan),
            false => print(&plan::render(&plan, terminal_width())),
        };
    }
    if arguments.detach && arguments.launcher == LauncherKind::Local {
        return Err(Error::user("--detach leaves trials to a cluster; add --launcher slurm"));
    }
    arguments.launcher.check(&slurm, &sweep_dir, &places.data)?;
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    // Of two drivers the second one is refused at once, and a sweep that is refused leaves no directory.
    let early = sweep_dir.is_dir().then(|| driver::lock(&sweep_dir)).transpose()?;
    corpora.prepare(&trials)?;
    corpora.check(&trials)?;
    files::create_dir(&sweep_dir)?;
    let _lock = early.map_or_else(|| driver::lock(&sweep_dir), Ok)?;
    let policy = Policy {
        max_trials: arguments.max_trials.or(spec.policy.max_trials),
        max_hours: arguments.max_hours.or(spec.policy.max_hours),
        fail_fast: arguments.fail_fast,
        ..spec.policy.clone()
    };
    let progress = SweepProgress::new(&trials, workers, arguments.json);
    let scheduler = Scheduler {
        results: &places.results,
        sweep_dir: &sweep_dir,
        data_root: &places.data,
        trials: &trials,
        policy: &policy,
        progress: &progress,
        stop: &stop,
        detach: arguments.detach,
    };
    let call = Call {
        spec: &spec,
        sweep_file: &arguments.sweep,
        scheduler: &scheduler,
        launcher: arguments.launcher,
        slurm,
        workers,
        pool,
        only,
        committed,
    };
    let outcome = call.run();
    let (tally, ending) = match outcome {
        Ok(tally) => {
            let ending = conclude(&tally, &trials, &sweep_dir);
            (tally, ending)
        }
        Err(error) => (Tally { stopped: Some(error.to_string()), ..Tally::default() }, Err(error)),
    };
    progress.tell(&SweepEvent::SweepEnded {
        finished: tally.finished,
        failed: tally.failed.len(),
        halved: tally.halved,
        stopped: tally.stopped.as_deref(),
        exit_code: ending.as_ref().map_or_else(Error::exit_code, |()| 0),
    });
    ending
}

/// Names the limits that may end the sweep before its trials do; a plan does not foresee that.
fn limits_beyond_plan(arguments: &Arguments, spec: &SweepSpec) -> Option<String> {
    let trials =
        arguments.max_trials.or(spec.policy.max_trials).map(|trials| format!("max_trials = {trials}"));
    let hours = arguments.max_hours.or(spec.policy.max_hours).map(|hours| format!("max_hours = {hours}"));
    let failure = arguments.fail_fast.then(|| "--fail-fast".to_string());
    let limits: Vec<String> = trials.into_iter().chain(hours).chain(failure).collect();
    (!limits.is_empty()).then(|| limits.join(" or "))
}

/// The cards called `names` with what the trials take of them.
fn pool(names: &[String], trials: &[Trial], places: &Places) -> Result<CardPool> {
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok();
    let cards = cards::list().map_err(|error| {
        Error::user(format!(
            "devices: the cards of this machine cannot be listed: {error}; is its driver installed?"
        ))
    })?;
    let loads = devices::resolve(names, &cards, visible.as_deref())?;
    let needs = plan::card_needs(trials, &places.results, &places.data)?;
    Ok(CardPool::new(loads, needs.into_iter().map(Need::bytes).collect()))
}

/// One call of the command.
struct Call<'a> {
    spec: &'a SweepSpec,
    sweep_file: &'a Path,
    scheduler: &'a Scheduler<'a>,
    launcher: LauncherKind,
    slurm: SlurmSpec,
    workers: usize,
    pool: Option<CardPool>,
    only: Selection,
    committed: CommittedRecords,
}

impl Call<'_> {
    /// Runs what is to be run, and writes and prints the table.
    fn run(&self) -> Result<Tally> {
        let Scheduler { results, data_root, sweep_dir, trials, progress, .. } = *self.scheduler;
        let workers = self.workers;
        let Survey { identities, finished, failures, pending } = self.scheduler.survey()?;
        let committed =
            |pending: &PendingTrial| self.committed.of(&pending.identity).map(|found| (pending.trial, found));
        let reused: BTreeMap<usize, &committed::Committed> = pending.iter().filter_map(committed).collect();
        let (pending, left): (Vec<_>, Vec<_>) = pending
            .into_iter()
            .filter(|pending| !reused.contains_key(&pending.trial))
            .partition(|pending| self.only.wants(&trials[pending.trial], failures.get(&pending.trial)));
        let (all, finished_before) = (trials.len(), finished.len() + reused.len());
        progress.tell(&SweepEvent::SweepStarted {
            sweep: &self.spec.name,
            directory: sweep_dir,
            trials: all,
            finished: finished_before,
            to_run: pending.len(),
            workers,
        });
        finished.keys().for_each(|&number| progress.set(number, Stage::Finished, ""));
        for pending in &left {
            match failures.get(&pending.trial) {
                Some(failure) => progress.set(pending.trial, Stage::Failed, &failure.reason),
                None => progress.set(pending.trial, StateKind::NeverStarted.into(), "not asked for"),
            }
        }
        self.move_unlisted_runs()?;
        if let Some(note) = self.committed.note(reused.len()) {
            progress.message(&format!("note: {note}"));
        }
        self.note_reused(&reused)?;
        self.keep_records(finished, &reused)?;
        let from = match reused.len() {
            0 => String::new(),
            count => format!(" ({count} by committed records)"),
        };
        let (mut tally, mut view) = if pending.is_empty() {
            progress.message(&match finished_before == all {
                true => format!("all {all} trials are finished already{from}; nothing to train"),
                false => format!(
                    "{all} trials, {finished_before} finished already{from}; nothing else is to be run"
                ),
            });
            (Tally { finished: finished_before, ..Tally::default() }, None)
        } else {
            let mut launcher = self.launcher.open(&Setup {
                sweep_dir,
                data_root,
                results,
                workers,
                trials: pending.len(),
                threads: trials.first().map_or(0, |trial| trial.experiment.run.threads),
                pool: self.pool.as_ref(),
                slurm: &self.slurm,
            })?;
            progress.message(&format!(
                "{all} trials, {finished_before} finished already{from}; {} to run, {}",
                pending.len(),
                launcher.describe()
            ));
            let mut view = SweepView::open(self.spec, sweep_dir, trials);
            let tally = self.scheduler.run(pending, finished_before, launcher.as_mut(), &mut view);
            progress.close();
            (tally?, Some(view))
        };
        let hopeless =
            left.iter().filter_map(|pending| Some((pending.trial, failures.get(&pending.trial)?.clone())));
        tally.failed.extend(hopeless);
        tally.failed.sort_by_key(|(number, _)| *number);
        self.tabulate(&identities, &reused, view.as_mut())?;
        Ok(tally)
    }

    /// Writes the records of the trials that are finished already; each of the others adds its own when it finishes.
    fn keep_records(
        &self,
        finished: BTreeMap<usize, Record>,
        reused: &BTreeMap<usize, &committed::Committed>,
    ) -> Result<()> {
        let Scheduler { sweep_dir, trials, .. } = *self.scheduler;
        let mut records = finished;
        records.extend(reused.iter().map(|(&number, found)| (number, found.under(&trials[number].row))));
        match records.is_empty() {
            true => Ok(()),
            false => record_file::add(sweep_dir, trials, &records),
        }
    }

    /// Moves the runs of rows and seeds away that the sweep no longer has, and says so.
    fn move_unlisted_runs(&self) -> Result<()> {
        let Scheduler { sweep_dir, trials, progress, .. } = *self.scheduler;
        for moved in place::move_unlisted_runs(sweep_dir, trials)? {
            let to = moved.to.display().to_string();
            progress.message(&format!(
                "{}: the sweep no longer has it; the run is in {to}",
                moved.from.display()
            ));
            Ledger::open(sweep_dir)?.note(&ledger::Event {
                event: ledger::Kind::Superseded,
                row: &moved.row,
                seed: moved.seed,
                identity: &moved.identity,
                reason: Some(&to),
            })?;
        }
        Ok(())
    }

    /// Tells whoever watches, and the ledger once, which trials committed records stand for.
    fn note_reused(&self, reused: &BTreeMap<usize, &committed::Committed>) -> Result<()> {
        let Scheduler { sweep_dir, trials, progress, .. } = *self.scheduler;
        let known = match reused.is_empty() {
            true => Vec::new(),
            false => ledger::read(sweep_dir)?,
        };
        for (&number, found) in reused {
            let (trial, place) = (&trials[number], found.place());
            progress
                .message(&format!("{} seed {}: the record in {place} stands for it", trial.row, trial.seed));
            progress.note(number, ledger::Kind::Recorded, Some(&place));
            progress.set(number, StateKind::Recorded.into(), &format!("by {place}"));
            let identity = &found.record.identity;
            let last = known.iter().rfind(|entry| entry.identity == *identity && entry.row == trial.row);
            if last.is_none_or(|entry| entry.event != ledger::Kind::Recorded) {
                Ledger::open(sweep_dir)?.note(&ledger::Event {
                    event: ledger::Kind::Recorded,
                    row: &trial.row,
                    seed: trial.seed,
                    identity,
                    reason: Some(&place),
                })?;
            }
        }
        Ok(())
    }

    fn tabulate(
        &self,
        identities: &[String],
        reused: &BTreeMap<usize, &committed::Committed>,
        view: Option<&mut SweepView>,
    ) -> Result<()> {
        let Scheduler { sweep_dir, data_root, trials, progress, .. } = *self.scheduler;
        let mut records =
            collect::records(sweep_dir, trials, |number, record| record.identity == identities[number]);
        for (&number, found) in reused {
            records[number].get_or_insert_with(|| found.under(&trials[number].row));
        }
        let mut table = collect::table(self.spec, sweep_dir, data_root, trials, &records)?;
        table.notes.extend(collect::note_of_reused(trials, reused));
        // Kept first: standard output may be full. What cannot be kept is shown all the same.
        let kept = collect::write(self.sweep_file, sweep_dir, &table, trials, &records);
        // Standard output has events with --json. A table without values tells nothing.
        let is_shown = !progress.is_json() && records.iter().any(Option::is_some);
        let shown = match is_shown {
            true => print_styled(&Tabulated::of(&table)?.terminal(screen())),
            false => Ok(()),
        };
        for note in kept? {
            progress.message(&format!("warning: {note}"));
        }
        if let Some(view) = view {
            view.conclude(&table);
        }
        progress.message(&format!("\nresults: {0}   compare: tensorboard --logdir {0}", sweep_dir.display()));
        shown
    }
}

/// Says what is not finished, and why; the exit code follows from it.
fn conclude(tally: &Tally, trials: &[Trial], sweep_dir: &Path) -> Result<()> {
    let all = trials.len();
    if tally.halved > 0 {
        print_message(&format!("halving let {} trials go no further", tally.halved));
    }
    if !tally.failed.is_empty() {
        print_message("\nfailed:");
    }
    for (number, failure) in &tally.failed {
        let trial = &trials[*number];
        let log = run_dir(sweep_dir, trial).join(LOG_FILE);
        print_message(&failure_text(&trial.row, trial.seed, failure, &log));
    }
    if let Some(left) = &tally.left {
        print_message(&format!("{left}; the same command looks after them and makes the table"));
    }
    if let Some(reason) = &tally.stopped {
        return Err(Error::SweepStopped(format!(
            "{reason}; {} of {all} trials are finished",
            tally.finished
        )));
    }
    let failed = tally.failed.len();
    if failed > 0 {
        let repeats = tally.failed.iter().filter(|(_, failure)| failure.kind.repeats()).count();
        let help = match repeats {
            0 => "the same command tries them again".to_string(),
            _ => format!("{repeats} would fail again as they are; `--only failed` tries all of them"),
        };
        return Err(Error::failed(format!("{failed} of {all} trials failed; {help}")));
    }
    Ok(())
}
