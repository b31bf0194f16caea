//! `ablate keep`: a job of Slurm's, which looks after one trial. The batch script becomes it.

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
