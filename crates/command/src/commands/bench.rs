//! The command line of `ablate bench`.

use crate::experiment::measurement::Half;
use clap::Args;
use clap::builder::RangedU64ValueParser;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file, or the config.toml of a run.
    pub experiment: PathBuf,
    /// Directory of a finished run. Its scored weights are used for decoding, so that translations have ordinary
    /// lengths.
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// Change a setting: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Measure only this half.
    #[arg(long, value_enum, value_name = "HALF")]
    pub only: Option<Half>,
    /// Number of updates before the measurement starts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = up_to_most(0))]
    pub warmup: usize,
    /// Number of updates to time. The split into phases takes as many again.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = up_to_most(1))]
    pub updates: usize,
    /// Number of test sentences to translate.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = up_to_most(1))]
    pub sentences: usize,
    /// Number of times to translate them.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = up_to_most(1))]
    pub passes: usize,
    /// Longest duration of each measurement, in seconds. A longer one ends early and reports what it has measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = duration)]
    pub seconds: f64,
    /// Do not measure. Write the batches of these updates and the initial weights into this directory for another
    /// program, and print the loss that it must compute (scripts/bench/torch_peer.py).
    #[arg(long, value_name = "DIR", conflicts_with_all = ["run", "only"])]
    pub export: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Largest number of updates, sentences or passes.
const MOST: u64 = 1_000_000;

fn up_to_most(least: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(least..=MOST)
}

fn duration(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        Ok(_) => Err("expected a number from 0 to 1000000".to_string()),
        Err(error) => Err(format!("{error}")),
    }
}
