//! `ablate table`: a sweep's table, from its run directories.

use super::{Places, print, stem, terminal_width};
use crate::error::{Error, Result};
use crate::results::render;
use crate::sweep::collect;
use crate::sweep::expand::expand;
use crate::sweep::spec::SweepSpec;
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
    let spec = SweepSpec::load(&arguments.sweep)?;
    let trials = expand(&spec, &arguments.sets)?;
    let sweep_dir = places.results.join(stem(&arguments.sweep)?);
    // The settings of a record are its own; that they are the sweep's shows in the configuration's hash.
    let records = collect::records(&sweep_dir, &trials, |trial, record| {
        record.configuration_hash == crate::config::configuration_hash(&trial.experiment)
    })?;
    if records.iter().all(Option::is_none) {
        return Err(Error::user(format!(
            "{} holds no finished trial of this sweep; run `ablate sweep {}`",
            sweep_dir.display(),
            arguments.sweep.display()
        )));
    }
    let table = collect::table(&spec, &sweep_dir, &trials, &records)?;
    collect::write(&arguments.sweep, &sweep_dir, &table, &records)?;
    print(&render::terminal(&table, terminal_width()))
}
