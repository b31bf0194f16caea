//! Where a run has its files.

use crate::data::Split;
pub use crate::train::checkpoint_files::CHECKPOINTS;
use std::path::{Path, PathBuf};

/// The resolved configuration in a run directory, loadable as an experiment.
pub const CONFIG_FILE: &str = "config.toml";
/// What a trial printed, when it ran as a process of a sweep.
pub const LOG_FILE: &str = "log.txt";
/// How the last job of a trial ended, when it ran as a job of Slurm.
pub const ENDING_FILE: &str = "ending.json";
/// What a trial tells while it runs as a job of Slurm.
pub const EVENTS_FILE: &str = "events.jsonl";
/// A record that did not verify, set aside.
pub const DAMAGED_RECORD: &str = "record.json.damaged";

/// Held while a process works in a run directory.
pub const LOCK_FILE: &str = ".lock";
/// The folder of the translations in a run directory.
pub const HYPOTHESES: &str = "hypotheses";
/// The weights that the scores of a finished run are of, below its directory.
pub const SCORED_PATH: &str = "checkpoints/scored.weights.safetensors";
/// The scored weights among the checksums of a record.
pub const WEIGHTS_CHECKSUM: &str = "weights";

/// Where a run keeps its translations of a split, below its directory.
pub fn hypotheses_file(split: Split) -> String {
    format!("{HYPOTHESES}/{}.txt", split.name())
}

/// The directory of a run: `<results>/<experiment>/seed-<n>` of `ablate train`, `<results>/<sweep>/<row>/seed-<n>` of a
/// trial.
pub fn run_dir(folder: &Path, name: &str, seed: u64) -> PathBuf {
    folder.join(name).join(format!("seed-{seed}"))
}

/// Gives the seed that a run directory is named by.
pub fn seed_of(run_dir: &Path) -> Option<u64> {
    let name = run_dir.file_name()?.to_str()?;
    let seed = name.strip_prefix("seed-")?.parse().ok()?;
    (format!("seed-{seed}") == name).then_some(seed)
}
