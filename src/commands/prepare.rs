//! `ablate prepare`: text to tokens.

use super::print;
use crate::cli::{Places, PrepareArguments};
use crate::config::load_experiment;
use crate::data::prepare::prepare;
use crate::error::Result;

pub fn run(arguments: PrepareArguments, places: &Places) -> Result<()> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    let prepared = prepare(&experiment.data, &places.data, arguments.source.as_deref(), &mut |line| {
        eprintln!("{line}")
    })?;
    print(&format!("{}\n", prepared.directory().display()))
}
