//! The command line of `ablate translate`.

use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Directory of a finished run.
    pub run: PathBuf,
    /// Number of hypotheses that the search keeps at each step. 1 is greedy search. By default that of the experiment.
    #[arg(long, value_name = "N")]
    pub beam: Option<usize>,
    /// Number of finished hypotheses to print for each line, best first, as `line ||| score ||| text`. Lines are
    /// counted from 0.
    #[arg(long, value_name = "N")]
    pub n_best: Option<usize>,
    /// Print one JSON object per line: the source, and its translations with their scores, best first.
    #[arg(long)]
    pub json: bool,
    /// Change another setting of `[decoding]` or `[run]`: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}
