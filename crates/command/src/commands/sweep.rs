//! `ablate sweep`: all trials, then the table.

mod arguments;
mod call;
mod ready;

pub use arguments::{Arguments, Committed};

use super::{OpenSweep, Places, failure_text, print, print_json, terminal_width};
use crate::error::{Error, Result};
use crate::experiment::LOG_FILE;
use crate::files;
use crate::signal::StopFlag;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::json_event::SweepEvent;
use crate::sweep::launch::{LauncherKind, process};
use crate::sweep::made::MadeSweep;
use crate::sweep::policy::Policy;
use crate::sweep::progress_display::SweepProgress;
use crate::sweep::scheduler::{Scheduler, Tally, Work};
use crate::sweep::searching::Searching;
use crate::sweep::spec::SweepSpec;
use crate::sweep::trial::run_dir;
use crate::sweep::{driver, plan};
use crate::telemetry::console::print_message;
use crate::telemetry::format::counted;
use call::Call;
use ready::Ready;
use std::collections::BTreeMap;
use std::path::Path;

pub fn run(mut arguments: Arguments, places: &Places) -> Result<()> {
    // Trials are started by it, also after a build has replaced its file.
    process::this_program()?;
    let Arguments { sweep: file, axes, seeds, sets, save, .. } = &arguments;
    let Some(made) = MadeSweep::of(file, axes, seeds, sets)? else {
        if save.is_some() {
            return Err(Error::user("--save is for the sweep that --axis and --seeds make; leave it out"));
        }
        let sweep = OpenSweep::load(TrialPurpose::Train, &arguments.sweep, &arguments.sets, places)?;
        return run_sweep(arguments, sweep, &mut || {}, places);
    };
    let saved = made.save(save.as_deref())?;
    // The file states them, so that `status`, `table` and `report` need no --set.
    (arguments.sweep, arguments.sets) = (saved.path.clone(), Vec::new());
    let mut has_begun = false;
    let mut begin = || {
        has_begun = true;
        print_message(&format!("the sweep is saved as {}", saved.path.display()));
    };
    let outcome = OpenSweep::load(TrialPurpose::Train, &arguments.sweep, &arguments.sets, places)
        .and_then(|sweep| run_sweep(arguments, sweep, &mut begin, places));
    if has_begun {
        return outcome;
    }
    // A refused sweep leaves no file behind, and neither does a plan.
    let outcome = outcome.map_err(|error| made.at_words(error, &saved.path));
    let discarded = saved.discard();
    outcome.and(discarded)
}

/// Plans or trains a sweep. Calls `begin` after all checks, before the training.
fn run_sweep(arguments: Arguments, sweep: OpenSweep, begin: &mut dyn FnMut(), places: &Places) -> Result<()> {
    let ready = Ready::check(&arguments, sweep, places)?;
    if arguments.plan {
        show_plan(&arguments, &ready, places)
    } else {
        train(&arguments, ready, begin, places)
    }
}

/// Prints which trials are finished, which are left and what they cost.
fn show_plan(arguments: &Arguments, ready: &Ready, places: &Places) -> Result<()> {
    let plan = plan::plan(&plan::Request {
        trials: &ready.trials,
        results: &places.results,
        sweep_dir: &ready.sweep_dir,
        data_root: &places.data,
        committed: &ready.committed,
        only: &ready.only,
        workers: ready.workers,
        probe: arguments.probe,
        search: ready.search.as_ref(),
    })?;
    plan.notes.iter().for_each(|note| print_message(&format!("note: {note}")));
    if let Some(limits) = limits_beyond_plan(arguments, &ready.spec) {
        print_message(&format!(
            "note: the plan shows all trials that are left; {limits} would end the sweep before"
        ));
    }
    match arguments.json {
        true => print_json(&plan),
        false => print(&plan::render(&plan, terminal_width())),
    }
}

/// Trains the trials that are left, and writes the table.
fn train(arguments: &Arguments, mut ready: Ready, begin: &mut dyn FnMut(), places: &Places) -> Result<()> {
    if arguments.detach && arguments.launcher == LauncherKind::Local {
        return Err(Error::user("--detach leaves trials to a cluster; add --launcher slurm"));
    }
    arguments.launcher.check(&ready.slurm, &ready.sweep_dir, &places.data)?;
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    // A second driver is refused at once. A refused sweep leaves no directory, so that a new one is locked below.
    let early = ready.sweep_dir.is_dir().then(|| driver::lock(&ready.sweep_dir)).transpose()?;
    ready.prepare_text()?;
    let Ready {
        spec,
        trials,
        sweep_dir,
        search,
        to_come,
        slurm,
        only,
        mut corpora,
        pool,
        workers,
        committed,
    } = ready;
    files::create_dir(&sweep_dir)?;
    begin();
    let _lock = early.map_or_else(|| driver::lock(&sweep_dir), Ok)?;
    let policy = Policy {
        max_trials: arguments.max_trials.or(spec.policy.max_trials),
        max_hours: arguments.max_hours.or(spec.policy.max_hours),
        fail_fast: arguments.fail_fast,
        ..spec.policy.clone()
    };
    let progress = SweepProgress::new(&trials, workers, arguments.json);
    // With --only, the named trials run and the search draws no others.
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
        policy: &policy,
        progress: &progress,
        stop: &stop,
        detach: arguments.detach,
    };
    let call = Call {
        spec: &spec,
        sweep_file: &arguments.sweep,
        data_root: &places.data,
        scheduler: &scheduler,
        launcher: arguments.launcher,
        slurm,
        workers,
        pool,
        only,
        committed: &committed,
    };
    let mut tally = Tally::default();
    let ending = match call.run(&mut corpora, &mut work, &mut tally) {
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

/// Names the limits that may end the sweep before its trials do; a plan does not foresee that.
fn limits_beyond_plan(arguments: &Arguments, spec: &SweepSpec) -> Option<String> {
    let trials =
        arguments.max_trials.or(spec.policy.max_trials).map(|trials| format!("max_trials = {trials}"));
    let hours = arguments.max_hours.or(spec.policy.max_hours).map(|hours| format!("max_hours = {hours}"));
    let failure = arguments.fail_fast.then(|| "--fail-fast".to_string());
    let limits: Vec<String> = trials.into_iter().chain(hours).chain(failure).collect();
    (!limits.is_empty()).then(|| limits.join(" or "))
}

/// Prints which trials are not finished, and why. Returns the error that sets the exit code.
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
