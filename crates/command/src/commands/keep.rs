//! `ablate keep`: the process of a Slurm job, which supervises one trial. The batch script execs it.

use super::Places;
use crate::error::Result;
use crate::sweep::launch::slurm::keeper;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// File of the submission: `<sweep>/.slurm/N.json`.
    pub submission: PathBuf,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    keeper::keep(&arguments.submission, &places.data, &places.results)
}
