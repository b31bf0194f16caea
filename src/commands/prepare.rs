//! `ablate prepare`: text to tokens.

use super::{Places, print, print_json};
use crate::config::load_experiment;
use crate::data::prepare::prepare;
use crate::error::Result;
use crate::telemetry::console::say;
use clap::Args;
use serde_json::json;
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
    /// Print one JSON document: directory, fingerprint and counts.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    let prepared = prepare(&experiment.data, &places.data, arguments.source.as_deref(), &mut say)?;
    if arguments.json {
        let found = json!({
            "directory": prepared.directory(),
            "fingerprint": prepared.fingerprint(),
            "counts": prepared.counts(),
        });
        return print_json(&found);
    }
    print(&format!("{}\n", prepared.directory().display()))
}
