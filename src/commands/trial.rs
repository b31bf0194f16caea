//! `ablate trial`: one trial of a sweep. The sweep starts it and reads its standard output.

use super::Places;
use crate::error::{Error, Result};
use crate::experiment::{Trial, run_configuration};
use crate::signal::StopFlag;
use crate::sweep::progress_display::EventPipe;
use crate::telemetry::console::TrainingProgress;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of the run, with its config.toml.
    pub run_dir: PathBuf,
    /// Pause after this update.
    #[arg(long, value_name = "STEP")]
    pub until: Option<u64>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    let experiment = run_configuration(&arguments.run_dir, &[])?;
    let label = experiment.label.clone().unwrap_or_default();
    let trial = Trial {
        experiment: &experiment,
        label: &label,
        run_dir: &arguments.run_dir,
        data_root: &places.data,
        results: &places.results,
        until: arguments.until,
    };
    let mut observer = (TrainingProgress::new(&label, experiment.training.steps), EventPipe);
    trial.run(&mut observer, &stop).map(|_| ())
}
