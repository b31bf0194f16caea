//! The command line of `ablate trial`.

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
