//! A run and its directory: whose it is, which files it has, what it took, what it left. Training is in `crates/compute`.

pub mod attempts;
pub mod claim;
pub mod compared;
mod finished;
pub mod limits;
pub mod measurement;
pub mod resume;
pub mod reuse;
pub mod run_files;
pub mod translations;
pub mod view;

pub use claim::{claim, claimed_identity};
pub use finished::{finished_run, run_configuration, scored_weights_hold};
pub use translations::{bleu_config, recorded_hypotheses};

use crate::config::Experiment;
use crate::error::{Error, Result};
use crate::files;
use crate::results::metric::DEV_BLEU;
use crate::telemetry::hparams::HParamValue;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The resolved configuration in a run directory, loadable as an experiment.
pub const CONFIG_FILE: &str = "config.toml";
/// The checkpoints in a run directory.
pub const CHECKPOINTS: &str = "checkpoints";
/// What a trial printed, when it ran as a process of a sweep.
pub const LOG_FILE: &str = "log.txt";
/// How the last job of a trial ended, when it ran as a job of Slurm.
pub const ENDING_FILE: &str = "ending.json";
/// What a trial tells while it runs as a job of Slurm.
pub const EVENTS_FILE: &str = "events.jsonl";
/// A record that did not verify, set aside.
pub const DAMAGED_RECORD: &str = "record.json.damaged";

/// The scored weights among the checksums of a record.
pub const WEIGHTS: &str = "weights";

/// Whether a value of the last update is one of the final scores, measured once training is over.
pub fn is_final(tag: &str) -> bool {
    tag == DEV_BLEU || ["test/", "final/", "best/"].iter().any(|kind| tag.starts_with(kind))
}

/// Held while a process works in a run directory.
pub const LOCK_FILE: &str = ".lock";
/// Below the results directory: a lock for each trial at work, named by its identity.
const LOCKS: &str = ".locks";

/// The lock of one trial among all runs below `results`, so that two sweeps never train the same at
/// once; `None` if somebody holds it.
pub fn lock_trial(results: &Path, identity: &str) -> Result<Option<files::Lock>> {
    let folder = results.join(LOCKS);
    files::create_shared_dir(&folder)?;
    // One of this user's that was made before it was to be shared.
    files::share(&folder);
    files::lock(&folder.join(identity)).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Error::user(format!(
            "{} belongs to another user and cannot be written; its owner opens it to the group with `chmod -R g+rwX`, \
             or choose another place with --results",
            folder.display()
        )),
        other => other,
    })
}

/// The lock of a run directory that is there; `None` if a process works in it.
pub fn lock_run(run_dir: &Path) -> Result<Option<files::Lock>> {
    files::lock(&run_dir.join(LOCK_FILE))
}

/// Whether a process works in the run directory.
pub fn is_at_work(run_dir: &Path) -> Result<bool> {
    files::is_locked(&run_dir.join(LOCK_FILE))
}

/// Whether no process works in the run directory or, elsewhere, on the same trial.
pub fn is_free(run_dir: &Path, results: &Path, identity: &str) -> Result<bool> {
    Ok(!is_at_work(run_dir)? && !files::is_locked(&results.join(LOCKS).join(identity))?)
}

/// The directory of `ablate train`: `<results>/<experiment>/seed-<n>`.
pub fn run_dir(results: &Path, name: &str, seed: u64) -> PathBuf {
    results.join(name).join(format!("seed-{seed}"))
}

/// Every setting that can change a result but the seed, by key, with absent ones resolved.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let resolved = Experiment { model: experiment.model.with_head_widths_stated(), ..experiment.clone() };
    let mut settings = BTreeMap::new();
    let value = serde_json::to_value(&resolved).unwrap_or_default();
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(serde_json::Value::as_object) else { continue };
        for (key, value) in table.iter().filter(|(key, _)| *key != "seed") {
            let value = match value {
                serde_json::Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
                serde_json::Value::Bool(flag) => HParamValue::Bool(*flag),
                serde_json::Value::String(text) => HParamValue::Text(text.clone()),
                other => HParamValue::Text(
                    other.get("name").and_then(|n| n.as_str()).unwrap_or_default().to_string(),
                ),
            };
            settings.insert(format!("{section}.{key}"), value);
        }
    }
    settings
}
