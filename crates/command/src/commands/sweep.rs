//! `ablate sweep`: all trials, then the table.

mod call;

use super::{OpenSweep, Places, failure_text, print, print_json, terminal_width};
use crate::cards;
use crate::config::DeviceChoice;
use crate::error::{Error, Result};
use crate::experiment::LOG_FILE;
use crate::experiment::run_files::check_vacant;
use crate::experiment::run_paths;
use crate::files;
use crate::signal::StopFlag;
use crate::sweep::committed::CommittedRecords;
use crate::sweep::corpora::Corpora;
use crate::sweep::devices::{self, CardPool, Need};
use crate::sweep::drawing::Drawing;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::json_event::SweepEvent;
use crate::sweep::launch::LauncherKind;
use crate::sweep::launch::slurm::slurm_spec::SlurmSpec;
use crate::sweep::made::MadeSweep;
use crate::sweep::policy::{MOST_WORKERS, Policy};
use crate::sweep::progress_display::SweepProgress;
use crate::sweep::scheduler::{Scheduler, Tally, Work};
use crate::sweep::searching::Searching;
use crate::sweep::selection::Selection;
use crate::sweep::spec::SweepSpec;
use crate::sweep::state::StateKind;
use crate::sweep::trial::{Trial, replaced_settings, run_dir};
use crate::sweep::{directory, driver, plan};
use crate::telemetry::console::print_message;
use crate::telemetry::format::counted;
use call::Call;
use clap::Args;
use std::collections::{BTreeMap, BTreeSet};
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
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', value_parser = seed)]
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

/// A seed of `--seeds`.
fn seed(word: &str) -> std::result::Result<u64, String> {
    let help = "write whole numbers with commas between them, as in 1,2,3";
    word.trim().parse().map_err(|_| help.to_string())
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
        return run_sweep(arguments, sweep, None, places);
    };
    let saved = made.save(save.as_deref())?;
    // The file states them, so that `status`, `table` and `report` need no --set.
    (arguments.sweep, arguments.sets) = (saved.path.clone(), Vec::new());
    match OpenSweep::load(TrialPurpose::Train, &arguments.sweep, &arguments.sets, places) {
        Ok(sweep) if !arguments.plan => {
            let sweep_dir = sweep.dir.clone();
            let told = format!("the sweep is saved as {}", saved.path.display());
            match run_sweep(arguments, sweep, Some(&told), places) {
                // It was refused before it began: a sweep that has begun has a directory.
                Err(error) if !sweep_dir.exists() => saved.discard().and(Err(error)),
                outcome => outcome,
            }
        }
        // What is refused leaves no file behind, and neither does a plan.
        loaded => {
            let outcome = loaded.and_then(|sweep| run_sweep(arguments, sweep, None, places));
            let outcome = outcome.map_err(|error| made.at_words(error, &saved.path));
            let discarded = saved.discard();
            outcome.and(discarded)
        }
    }
}

/// Runs or plans a sweep. `told` is said once it has passed all checks.
fn run_sweep(arguments: Arguments, sweep: OpenSweep, told: Option<&str>, places: &Places) -> Result<()> {
    let OpenSweep { spec, mut trials, dir: sweep_dir, search } = sweep;
    directory::check(&sweep_dir)?;
    let to_come = search.as_ref().map_or_else(BTreeSet::new, Drawing::runs_to_come);
    let rows = trials.iter().map(|trial| trial.row.as_str());
    directory::check_rows(&sweep_dir, rows.chain(to_come.iter().map(|(row, _)| row.as_str())))?;
    trials.iter().try_for_each(|trial| check_vacant(&run_dir(&sweep_dir, trial)))?;
    to_come.iter().try_for_each(|(row, seed)| check_vacant(&run_paths::run_dir(&sweep_dir, row, *seed)))?;
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
        .check_options()?;
    let slurm = SlurmSpec { max_running: arguments.workers.or(spec.slurm.max_running), ..spec.slurm.clone() };
    slurm.check(&|_| None)?;
    if search.is_some() && arguments.launcher == LauncherKind::Slurm {
        check_search_on_slurm(&arguments, &slurm)?;
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
    // Without a number: as many as the cards hold, or one.
    let all = trials.len() + to_come.len();
    let fitting = || pool.as_ref().map_or(1, |pool| pool.capacity(0..all));
    let workers = match arguments.launcher {
        LauncherKind::Local => workers.unwrap_or_else(fitting),
        LauncherKind::Slurm => slurm.max_running.unwrap_or(all).max(1),
    };
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
            search: search.as_ref(),
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
    check_text(&mut corpora, &trials, search.as_ref())?;
    files::create_dir(&sweep_dir)?;
    told.iter().for_each(|told| print_message(told));
    let _lock = early.map_or_else(|| driver::lock(&sweep_dir), Ok)?;
    let policy = Policy {
        max_trials: arguments.max_trials.or(spec.policy.max_trials),
        max_hours: arguments.max_hours.or(spec.policy.max_hours),
        fail_fast: arguments.fail_fast,
        ..spec.policy.clone()
    };
    let progress = SweepProgress::new(&trials, workers, arguments.json);
    // What was asked for by name is run, and nothing is drawn beside it.
    if !arguments.only.is_empty() && !to_come.is_empty() {
        progress.message("note: with --only the search makes no further draws");
    }
    let search = search.map(|drawing| {
        let (sweep_dir, data_root) = (sweep_dir.as_path(), places.data.as_path());
        let mut search = Searching::new(drawing, data_root, &committed, sweep_dir, &policy, pool.is_some());
        search.may_draw = arguments.only.is_empty();
        if let (LauncherKind::Slurm, Some(most)) = (arguments.launcher, slurm.max_running) {
            search.most_at_once = most;
        }
        search
    });
    let mut work = Work { trials, identities: Vec::new(), reused: BTreeMap::new(), search };
    let scheduler = Scheduler {
        results: &places.results,
        sweep_dir: &sweep_dir,
        data_root: &places.data,
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
        committed: &committed,
    };
    let mut tally = Tally::default();
    let ending = match call.run(&mut work, &mut tally) {
        Ok(()) => conclude(&tally, &work, &sweep_dir),
        Err(error) => {
            tally.stopped = Some(error.to_string());
            Err(error)
        }
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

/// Checks whether all rows suit the text, and draws that a search may come to.
fn check_text(corpora: &mut Corpora, trials: &[Trial], search: Option<&Drawing>) -> Result<()> {
    corpora.check(trials)?;
    search.filter(|search| search.to_come() > 0).map_or(Ok(()), |search| search.drawer.probe_text(corpora))
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

/// Refuses what a search cannot do on a cluster: it learns from trials that are finished.
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

/// The cards called `names` with what the trials take of them. Each of the further trials `to_come` counts like the
/// largest of those.
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

/// Says what is not finished, and why; the exit code follows from it.
fn conclude(tally: &Tally, work: &Work, sweep_dir: &Path) -> Result<()> {
    let trials = &work.trials;
    let all = trials.len() + work.search.as_ref().map_or(0, Searching::to_come);
    if tally.halved > 0 {
        print_message(&format!("halving let {} go no further", counted(tally.halved, "trial")));
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
            "{reason}; {} of {} finished",
            tally.finished,
            counted(all, "trial")
        )));
    }
    let failed = tally.failed.len();
    if failed > 0 {
        let repeats = tally.failed.iter().filter(|(_, failure)| failure.kind.repeats()).count();
        let help = match repeats {
            0 => "the same command tries them again".to_string(),
            _ => format!("{repeats} would fail again as they are; `--only failed` tries all of them"),
        };
        return Err(Error::failed(format!("{failed} of {} failed; {help}", counted(all, "trial"))));
    }
    Ok(())
}
