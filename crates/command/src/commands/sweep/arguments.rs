//! The command line of `ablate sweep`.

use crate::sweep::launch::LauncherKind;
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file, or an experiment of which --axis and --seeds make a sweep.
    pub sweep: PathBuf,
    /// Make a sweep of an experiment: section.key=value,value,… tries each value, with those of other --axis in all
    /// combinations. May be repeated.
    #[arg(long = "axis", value_name = "KEY=VALUES")]
    pub axes: Vec<String>,
    /// Make a sweep of an experiment: train each row once with each of these seeds. By default 1.
    #[arg(long, value_name = "SEEDS", value_delimiter = ',', value_parser = seed)]
    pub seeds: Vec<u64>,
    /// File for the sweep that --axis and --seeds make. By default it is called by the experiment and the settings that
    /// vary, in sweeps/ if there is such a folder.
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Print which trials are finished, which are left and what they cost. Starts no training.
    #[arg(long)]
    pub plan: bool,
    /// With --plan: measure the time of a few micro-batches for models that have not run on this machine yet.
    #[arg(long, requires = "plan")]
    pub probe: bool,
    /// Print JSON for programs: with --plan one document, otherwise one event per line on standard output instead of
    /// the table.
    #[arg(long)]
    pub json: bool,
    /// Where trials run: on this machine, or as Slurm jobs with the resources of the sweep's [slurm].
    #[arg(long, value_enum, default_value_t = LauncherKind::Local)]
    pub launcher: LauncherKind,
    /// With --launcher slurm: submit jobs and return without waiting. The same command finds the jobs later.
    #[arg(long, conflicts_with = "plan")]
    pub detach: bool,
    /// Number of trials that run at the same time. With --launcher slurm it replaces the sweep's `max_running`.
    #[arg(long, value_name = "N")]
    pub workers: Option<usize>,
    /// GPUs over which the trials are spread, several on one GPU if its memory allows it: cuda:0,cuda:1, or cuda for
    /// all.
    #[arg(long, value_name = "CARDS", value_delimiter = ',')]
    pub devices: Vec<String>,
    /// Run, or plan, only these trials: a row, also the label of a [[row]] for all its combinations; `ROW/seed-N`; or
    /// `failed` for all trials that failed, including those that are not tried again otherwise. May be repeated.
    #[arg(long, value_name = "WHAT")]
    pub only: Vec<String>,
    /// Stop the sweep when a trial has failed and is not tried again. Running trials save their state.
    #[arg(long)]
    pub fail_fast: bool,
    /// Largest number of trials to start. Replaces the sweep's `max_trials`.
    #[arg(long, value_name = "N")]
    pub max_trials: Option<usize>,
    /// Number of hours after which running trials save their state and the sweep stops. Replaces the sweep's
    /// `max_hours`.
    #[arg(long, value_name = "H")]
    pub max_hours: Option<f64>,
    #[command(flatten)]
    pub committed: Committed,
    /// Change a setting of every trial: section.key=value. May be repeated. Several values of an experiment's setting are
    /// an --axis.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

/// A seed of `--seeds`.
fn seed(word: &str) -> std::result::Result<u64, String> {
    let help = "write whole numbers with commas between them, as in 1,2,3";
    word.trim().parse().map_err(|_| help.to_string())
}

/// Records that stand for trials.
#[derive(Debug, Args)]
pub struct Committed {
    /// Take the records of identical trials from this records.jsonl, or from all such files below a directory, instead
    /// of training them. May be repeated.
    #[arg(long, value_name = "FILE or DIR")]
    pub reuse_records: Vec<PathBuf>,
}
