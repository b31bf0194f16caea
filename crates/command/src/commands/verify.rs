//! The command line of `ablate verify`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run.
    pub run: PathBuf,
    /// Also compute translations and losses of dev and test again with the stored weights, and compare them.
    #[arg(long)]
    pub decode: bool,
    /// Print one JSON document. The exit code does not change.
    #[arg(long)]
    pub json: bool,
}
