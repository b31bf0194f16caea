//! `ablate prepare`: text to tokens.

use super::{Places, print};
use crate::config::load_experiment;
use crate::data::prepare::prepare;
use crate::error::Result;
use crate::telemetry::console::say;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file.
    pub experiment: PathBuf,
    /// Directory that holds the corpus's files.
    #[arg(long, value_name = "DIR")]
    pub source: Option<PathBuf>,
    /// Change a setting: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    let prepared = prepare(&experiment.data, &places.data, arguments.source.as_deref(), &mut say)?;
    print(&format!("{}\n", prepared.directory().display()))
}
