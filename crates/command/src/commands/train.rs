//! The command line of `ablate train`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file.
    pub experiment: PathBuf,
    /// Change a setting: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Name of the run's directory below the results directory. By default the name of the experiment.
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Print the record of the run as one JSON document.
    #[arg(long)]
    pub json: bool,
}
