//! What another program needs to train the same: batches, fresh weights, settings. `scripts/bench/torch_peer.py`
//! reads it.

use crate::config::Experiment;
use crate::data::collate::collate;
use crate::data::store::Store;
use crate::device;
use crate::error::{Error, Result};
use crate::experiment::provenance::commit;
use crate::files;
use crate::model::implementations::Implementations;
use crate::model::mode::Mode;
use crate::model::{ModelConfig, Network, VocabularySizes};
use crate::task;
use crate::train::checkpoint::Checkpoints;
use crate::train::loss::cross_entropy;
use crate::train::run_state::Progress;
use crate::train::stream::BatchStream;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;

/// What the other program has to find, too.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// Of the first update with these weights: smoothed, nats per target token, without dropout.
    pub loss: f64,
    /// Of the first update.
    pub target_tokens: usize,
}

/// The pairs of the first `count` updates of a training, micro-batch by micro-batch.
///
/// # Errors
/// As [`BatchStream::start`].
pub fn first_updates(store: &Store, experiment: &Experiment, count: usize) -> Result<Vec<Vec<Vec<u32>>>> {
    let start = Progress::default();
    // Masked language models and word vectors, which alone need the vocabulary, have no peer.
    let source = task::of(experiment, 0).batches(store);
    let mut stream = BatchStream::start(&*source, &experiment.training, &start)?;
    Ok((0..count).map(|_| stream.next_update()).collect())
}

/// Refuses a model that the other program does not know.
///
/// # Errors
/// A user error that names the setting.
pub fn check_model(model: &ModelConfig) -> Result<()> {
    Implementations::of(model).torch_peer.map_err(|unknown| {
        Error::user(format!(
            "{} does not fit into --export, which writes for the Transformer of scripts/bench/torch_peer.py: {}; leave \
             --export out to measure this program alone",
            unknown.setting, unknown.known
        ))
    })
}

/// The files of an export; by the first one it is known again, which is written first.
const FILES: [&str; 3] = ["experiment.json", "batches.json", "scored.weights.safetensors"];

/// Refuses a folder with files of these names that no export has made, as the checkpoints of a run.
///
/// # Errors
/// A user error that names them.
pub fn check_place(folder: &Path) -> Result<()> {
    let settings = files::read_if_exists(&folder.join(FILES[0])).ok().flatten().unwrap_or_default();
    let settings: Value = serde_json::from_slice(&settings).unwrap_or_default();
    let own = ["model", "training", "vocabulary", "commit"].iter().all(|key| settings.get(key).is_some());
    let taken: Vec<&str> =
        FILES.into_iter().filter(|name| folder.join(name).symlink_metadata().is_ok()).collect();
    if own || taken.is_empty() {
        return Ok(());
    }
    Err(Error::user(format!(
        "{} holds {}, which no export of `ablate bench` has made; choose another directory for --export",
        folder.display(),
        taken.join(", ")
    )))
}

/// Writes `experiment.json`, `batches.json` (updates of micro-batches of pairs) and `scored.weights.safetensors`.
///
/// # Errors
/// If `folder` cannot be written. It was looked at by [`check_place`].
pub fn export(
    folder: &Path,
    experiment: &Experiment,
    sizes: VocabularySizes,
    store: &Store,
    model: &dyn Network,
    updates: &[Vec<Vec<u32>>],
) -> Result<Exported> {
    files::create_dir(folder)?;
    let settings = json!({
        "model": experiment.model.with_head_widths_stated(),
        "training": experiment.training,
        "vocabulary": sizes.target,
        "threads": tch::get_num_threads(),
        "hardware": device::hardware(model.device()),
        "parameters": model.weights().parameters(),
        "commit": commit(),
    });
    write(&folder.join(FILES[0]), &settings)?;
    let pair = |&i: &u32| json!([store.source(i as usize), store.target(i as usize)]);
    let batch = |pairs: &Vec<u32>| pairs.iter().map(pair).collect::<Value>();
    let batches: Value = updates.iter().map(|update| update.iter().map(batch).collect::<Value>()).collect();
    write(&folder.join(FILES[1]), &batches)?;
    Checkpoints::open(folder)?.save_scored(model.weights())?;
    let (mut nats, mut tokens) = (0.0, 0);
    for pairs in &updates[0] {
        let batch = collate(store, pairs, model.device())?;
        nats += tch::no_grad(|| {
            let logits = model.logits(&model.hidden(&batch, &Mode::evaluation()));
            let loss = cross_entropy(&logits, &batch.targets, experiment.training.label_smoothing);
            loss.smoothed.double_value(&[])
        });
        tokens += batch.target_tokens;
    }
    Ok(Exported { loss: nats / tokens as f64, target_tokens: tokens })
}

fn write(path: &Path, value: &Value) -> Result<()> {
    files::write_atomically(path, value.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_export_replaces_an_earlier_one_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        check_place(&path("absent")).unwrap();
        std::fs::write(path("notes.txt"), "mine").unwrap();
        check_place(folder.path()).unwrap();
        for name in FILES {
            std::fs::write(path(name), "{}").unwrap();
            let error = check_place(folder.path()).unwrap_err();
            assert!(error.exit_code() == 2 && error.to_string().contains(name), "{error}");
            std::fs::remove_file(path(name)).unwrap();
        }
        let settings = json!({"model": {}, "training": {}, "vocabulary": 9, "commit": "abc"});
        std::fs::write(path(FILES[0]), settings.to_string()).unwrap();
        std::fs::write(path(FILES[1]), "[]").unwrap();
        check_place(folder.path()).unwrap();
    }
}
