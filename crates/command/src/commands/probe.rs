//! The command line of `ablate probe`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file.
    pub experiment: PathBuf,
}
