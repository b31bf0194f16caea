//! `ablate probe`: what a trial costs, measured in a process of its own. `ablate sweep --plan --probe` starts it.

use super::{Places, print};
use crate::config::load_experiment;
use crate::error::{Error, Result};
use crate::experiment::probe::probe;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file.
    pub experiment: PathBuf,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let measurement = probe(&load_experiment(&arguments.experiment, &[])?, &places.data)?;
    let text = serde_json::to_string(&measurement).map_err(|e| Error::failed(e.to_string()))?;
    print(&format!("{text}\n"))
}
