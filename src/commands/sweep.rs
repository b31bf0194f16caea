//! `ablate sweep`: all trials, then the table.

use super::{Places, print, stem, terminal_width};
use crate::error::{Error, Result};
use crate::experiment::settings;
use crate::files;
use crate::results::render;
use crate::signal::StopFlag;
use crate::sweep::expand::{Trial, expand};
use crate::sweep::scheduler::{Scheduler, Tally};
use crate::sweep::spec::SweepSpec;
use crate::sweep::{collect, plan};
use crate::telemetry::hparams::{ExperimentSummary, HParamColumn, MetricColumn, write_experiment};
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
    let scheduler =
        Scheduler { sweep_dir: &sweep_dir, data_root: &places.data, trials: &trials, workers, stop: &stop };
    let queue = scheduler.queue()?;
    let identities = queue.identities.clone();
    let (all, pending) = (trials.len(), queue.pending.len());
    let tally = if pending == 0 {
        eprintln!("all {all} trials are finished already; nothing to train");
        Tally { finished: all, ..Tally::default() }
    } else {
        eprintln!("{all} trials, {} finished already; up to {workers} at once", all - pending);
        if let Err(error) = write_experiment(&sweep_dir, &summary(&spec.name, &trials)) {
            eprintln!("warning: {error}; TensorBoard's HParams page will guess its columns");
        }
        scheduler.run(queue)?
    };
    let records = collect::records(&sweep_dir, &trials, |trial, record| {
        let number = trials.iter().position(|other| std::ptr::eq(other, trial));
        number.is_some_and(|number| record.identity == identities[number])
    })?;
    let table = collect::table(&spec, &sweep_dir, &trials, &records)?;
    collect::write(&arguments.sweep, &sweep_dir, &table, &records)?;
    print(&format!("{}\n", render::terminal(&table, terminal_width()).trim_end()))?;
    eprintln!("\nresults: {0}   compare: tensorboard --logdir {0}", sweep_dir.display());
    conclude(&tally, all, &sweep_dir)
}

/// The exit code follows from what is not finished.
fn conclude(tally: &Tally, all: usize, sweep_dir: &Path) -> Result<()> {
    if tally.stopped {
        return Err(Error::Stopped(format!("with {} of {all} trials finished", tally.finished)));
    }
    if tally.failed > 0 {
        return Err(Error::failed(format!(
            "{} of {all} trials failed (their logs are in {}); the same command tries them again",
            tally.failed,
            sweep_dir.display()
        )));
    }
    Ok(())
}

/// The columns of TensorBoard's HParams page: the settings that vary, and the scores.
fn summary(name: &str, trials: &[Trial]) -> ExperimentSummary {
    let all: Vec<_> = trials.iter().map(|trial| settings(&trial.experiment)).collect();
    let keys = all.first().into_iter().flat_map(|first| first.keys());
    let columns = keys.filter_map(|key| {
        let column = HParamColumn::from_values(
            key.clone(),
            all.iter().filter_map(|settings| settings.get(key)).cloned(),
        );
        column.differs.then_some(column)
    });
    let metric = |tag: &str, title: &str| MetricColumn { tag: tag.into(), title: title.into() };
    ExperimentSummary {
        name: name.to_string(),
        description: format!("{} trials of the sweep {name}", trials.len()),
        hparams: columns.collect(),
        metrics: vec![
            metric("final/test_bleu", "test BLEU"),
            metric("final/dev_bleu", "dev BLEU"),
            metric("final/dev_perplexity", "dev perplexity"),
            metric("best/dev_perplexity", "best dev perplexity"),
        ],
    }
}
