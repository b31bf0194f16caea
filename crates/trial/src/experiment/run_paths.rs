//! The paths of a run's files.

use crate::data::Split;
pub use crate::train::checkpoint_files::CHECKPOINTS;
use std::path::{Path, PathBuf};

/// The resolved configuration in a run directory, loadable as an experiment.
pub const CONFIG_FILE: &str = "config.toml";
/// The output of a trial that ran as a process of a sweep.
pub const LOG_FILE: &str = "log.txt";
/// The ending of a trial's last job, if it ran as a job of Slurm.
pub const ENDING_FILE: &str = "ending.json";
/// The events of a trial that runs as a job of Slurm.
pub const EVENTS_FILE: &str = "events.jsonl";
/// A record that did not verify and was moved aside.
pub const DAMAGED_RECORD: &str = "record.json.damaged";

/// The lock file, locked while a process works in a run directory.
pub const LOCK_FILE: &str = ".lock";
/// The folder of the translations in a run directory.
pub const HYPOTHESES: &str = "hypotheses";
/// The weights that gave the scores of a finished run, below its directory.
pub const SCORED_PATH: &str = "checkpoints/scored.weights.safetensors";
/// The name of the scored weights among the checksums of a record.
pub const WEIGHTS_CHECKSUM: &str = "weights";

/// The path of a run's translations of a split, below its directory.
pub fn hypotheses_file(split: Split) -> String {
    format!("{HYPOTHESES}/{}.txt", split.name())
}

/// The directory of a run: `<results>/<experiment>/seed-<n>` for `ablate train`, `<results>/<sweep>/<row>/seed-<n>` for
/// a trial.
pub fn run_dir(folder: &Path, name: &str, seed: u64) -> PathBuf {
    folder.join(name).join(format!("seed-{seed}"))
}

/// Returns the seed in the name of a run directory.
pub fn seed_of(run_dir: &Path) -> Option<u64> {
    let name = run_dir.file_name()?.to_str()?;
    let seed = name.strip_prefix("seed-")?.parse().ok()?;
    (format!("seed-{seed}") == name).then_some(seed)
}
