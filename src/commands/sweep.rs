//! `ablate sweep`: all trials, then the table.

use super::{Places, print, stem, terminal_width};
use crate::error::{Error, Result};
use crate::experiment::LOG_FILE;
use crate::files;
use crate::results::render;
use crate::signal::StopFlag;
use crate::sweep::expand::{Trial, expand};
use crate::sweep::policy::Policy;
use crate::sweep::scheduler::{Scheduler, Survey, Tally};
use crate::sweep::selection::Selection;
use crate::sweep::spec::SweepSpec;
use crate::sweep::tensorboard::SweepView;
use crate::sweep::{collect, plan};
use clap::Args;
use std::path::Path;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Print what is done, what is left and what it costs; start nothing.
    #[arg(long)]
    pub plan: bool,
    /// With --plan: time some micro-batches of what has not run here yet.
    #[arg(long, requires = "plan")]
    pub probe: bool,
    /// With --plan: one JSON document, with every trial.
    #[arg(long, requires = "plan")]
    pub json: bool,
    /// Trials that run at once.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// Run these only: a row, `ROW/seed-N`, or `failed` for trials that failed, those that would fail again
    /// included. May be repeated.
    #[arg(long, value_name = "WHAT")]
    pub only: Vec<String>,
    /// Stop the sweep, in order, at the first trial that fails for good.
    #[arg(long)]
    pub fail_fast: bool,
    /// Start at most so many trials; in place of the sweep's `max_trials`.
    #[arg(long, value_name = "N")]
    pub max_trials: Option<usize>,
    /// Stop, in order, after so many hours; in place of the sweep's `max_hours`.
    #[arg(long, value_name = "H")]
    pub max_hours: Option<f64>,
    /// Change a setting of every trial: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let spec = SweepSpec::load(&arguments.sweep)?;
    let trials = expand(&spec, &arguments.sets)?;
    let sweep_dir = places.results.join(stem(&arguments.sweep)?);
    let workers = arguments.workers.or(spec.workers).unwrap_or(1);
    if workers == 0 {
        return Err(Error::user("--workers 0 would run nothing; use 1 or more"));
    }
    if arguments.plan {
        let plan = plan::plan(&plan::Request {
            trials: &trials,
            results: &places.results,
            sweep_dir: &sweep_dir,
            data_root: &places.data,
            workers,
            probe: arguments.probe,
        })?;
        return print(&if arguments.json { plan.to_json()? } else { plan::render(&plan, terminal_width()) });
    }
    files::create_dir(&sweep_dir)?;
    let Some(_lock) = files::lock(&sweep_dir.join(".lock"))? else {
        return Err(Error::user(format!("another sweep is at work in {}", sweep_dir.display())));
    };
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    let policy = Policy {
        max_trials: arguments.max_trials.or(spec.policy.max_trials),
        max_hours: arguments.max_hours.or(spec.policy.max_hours),
        fail_fast: arguments.fail_fast,
        ..spec.policy.clone()
    };
    policy.check(&trials)?;
    let scheduler = Scheduler {
        results: &places.results,
        sweep_dir: &sweep_dir,
        data_root: &places.data,
        trials: &trials,
        workers,
        policy: &policy,
        stop: &stop,
    };
    let Survey { identities, finished, failures, jobs } = scheduler.survey()?;
    let all = trials.len();
    let only = Selection::parse(&arguments.only, &trials)?;
    let (jobs, left): (Vec<_>, Vec<_>) =
        jobs.into_iter().partition(|job| only.wants(&trials[job.trial], failures.get(&job.trial)));
    let left: Vec<usize> = left.into_iter().map(|job| job.trial).collect();
    let mut tally = if jobs.is_empty() {
        match finished.len() == all {
            true => eprintln!("all {all} trials are finished already; nothing to train"),
            false => {
                eprintln!("{all} trials, {} finished already; nothing else is to be run", finished.len())
            }
        }
        Tally { finished: finished.len(), ..Tally::default() }
    } else {
        eprintln!(
            "{all} trials, {} finished already; {} to run, up to {workers} at once",
            finished.len(),
            jobs.len()
        );
        let view = SweepView::open(&spec, &sweep_dir, &trials);
        scheduler.run(jobs, finished.len(), &view)?
    };
    let records = collect::records(&sweep_dir, &trials, |trial, record| {
        let number = trials.iter().position(|other| std::ptr::eq(other, trial));
        number.is_some_and(|number| record.identity == identities[number])
    })?;
    let table = collect::table(&spec, &sweep_dir, &trials, &records)?;
    collect::write(&arguments.sweep, &sweep_dir, &table, &records)?;
    print(&format!("{}\n", render::terminal(&table, terminal_width()).trim_end()))?;
    eprintln!("\nresults: {0}   compare: tensorboard --logdir {0}", sweep_dir.display());
    let hopeless = left.iter().filter_map(|number| Some((*number, failures.get(number)?.clone())));
    tally.failed.extend(hopeless);
    tally.failed.sort_by_key(|(number, _)| *number);
    conclude(&tally, &trials, &sweep_dir)
}

/// Says what is not finished, and why; the exit code follows from it.
fn conclude(tally: &Tally, trials: &[Trial], sweep_dir: &Path) -> Result<()> {
    let all = trials.len();
    if tally.halved > 0 {
        eprintln!("halving let {} trials go no further", tally.halved);
    }
    if !tally.failed.is_empty() {
        eprintln!("\nfailed:");
    }
    for (number, failure) in &tally.failed {
        let trial = &trials[*number];
        let log = collect::run_dir(sweep_dir, trial).join(LOG_FILE);
        let last = failure.detail.lines().last().unwrap_or_default();
        let attempts =
            if failure.attempts > 1 { format!(", {} attempts", failure.attempts) } else { String::new() };
        eprintln!(
            "  {} seed {}: {}{attempts}; {}\n    {last}",
            trial.row,
            trial.seed,
            failure.reason,
            log.display()
        );
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
