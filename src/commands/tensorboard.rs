//! `ablate tensorboard`: TensorBoard's files of a sweep anew, from its run directories.

use super::{OpenSweep, Places};
use crate::config::{configuration_hash, load_experiment};
use crate::error::{Error, Result};
use crate::experiment::view::is_run;
use crate::experiment::{CONFIG_FILE, is_at_work};
use crate::sweep::collect::{self, run_dir};
use crate::sweep::driver;
use crate::sweep::expand::{Purpose, Trial};
use crate::sweep::tensorboard::SweepView;
use crate::telemetry::console::say;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Settings that the sweep was run with.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let OpenSweep { spec, trials, dir: sweep_dir } =
        OpenSweep::load(Purpose::Show, &arguments.sweep, &arguments.sets, places)?;
    let mut runs = Vec::new();
    for trial in &trials {
        let run_dir = run_dir(&sweep_dir, trial);
        if is_run(&run_dir)? {
            runs.push((trial, run_dir));
        }
    }
    if runs.is_empty() {
        return Err(Error::user(format!(
            "{} holds no run of this sweep; run `ablate sweep {}`",
            sweep_dir.display(),
            arguments.sweep.display()
        )));
    }
    let _lock = driver::lock(&sweep_dir)?;
    let mut view = SweepView::open(&spec, &sweep_dir, &trials);
    for (trial, run_dir) in &runs {
        if is_at_work(run_dir)? {
            say(&format!("{}: a process is at work there, and writes its files itself", run_dir.display()));
            continue;
        }
        // What the run was trained with, which the sweep may since have changed.
        let experiment = load_experiment(&run_dir.join(CONFIG_FILE), &[])?;
        let trial = Trial { experiment, ..(*trial).clone() };
        view.begin(&trial, run_dir);
        view.rewrite(&trial, run_dir);
    }
    runs.iter().for_each(|(trial, _)| view.end(trial));
    let records = collect::records(&sweep_dir, &trials, |trial, record| {
        record.configuration_hash == configuration_hash(&trial.experiment)
    })?;
    view.conclude(&collect::table(&spec, &sweep_dir, &places.data, &trials, &records)?);
    say(&format!("{} runs written anew: tensorboard --logdir {}", runs.len(), sweep_dir.display()));
    Ok(())
}
