//! The command line of `ablate export`.

use crate::export::Format;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run.
    pub run: PathBuf,
    /// Format to write. If the format cannot represent a setting of the run, the command names the setting and writes
    /// nothing.
    #[arg(long, value_enum)]
    pub format: Format,
    /// Directory to create. A directory that is not empty is refused.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
}
