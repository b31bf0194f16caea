//! What another program needs to train the same: batches, fresh weights, settings. `scripts/bench/torch_peer.py`
//! reads it.

use crate::config::Experiment;
use crate::data::collate::collate;
use crate::data::store::Store;
use crate::device;
use crate::error::{Error, Result};
use crate::experiment::COMMIT;
use crate::files;
use crate::model::dropout::Mode;
use crate::model::{Network, VocabularySizes};
use crate::train::checkpoint::{Checkpoints, Progress};
use crate::train::loss::cross_entropy;
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
    let start = Progress { step: 0, epoch: 0, micro_batch: 0, best: None };
    let mut stream = BatchStream::start(store, &experiment.training, &start)?;
    Ok((0..count).map(|_| stream.next_update()).collect())
}

/// Writes `batches.json` (updates of micro-batches of pairs), `experiment.json` and `scored.weights.safetensors`.
///
/// # Errors
/// If `folder` cannot be written.
pub fn export(
    folder: &Path,
    experiment: &Experiment,
    sizes: VocabularySizes,
    store: &Store,
    model: &dyn Network,
    updates: &[Vec<Vec<u32>>],
) -> Result<Exported> {
    files::create_dir(folder)?;
    Checkpoints::open(folder)?.save_scored(model.weights())?;
    let pair = |&i: &u32| json!([store.source(i as usize), store.target(i as usize)]);
    let batch = |pairs: &Vec<u32>| pairs.iter().map(pair).collect::<Value>();
    let batches: Value = updates.iter().map(|update| update.iter().map(batch).collect::<Value>()).collect();
    write(&folder.join("batches.json"), &batches)?;
    let mut settings = serde_json::to_value(&experiment.model).map_err(|e| Error::failed(e.to_string()))?;
    settings["d_k"] = experiment.model.d_k().into();
    settings["d_v"] = experiment.model.d_v().into();
    let settings = json!({
        "model": settings,
        "training": experiment.training,
        "vocabulary": sizes.target,
        "threads": tch::get_num_threads(),
        "hardware": device::hardware(model.device()),
        "parameters": model.weights().parameters(),
        "commit": COMMIT,
    });
    write(&folder.join("experiment.json"), &settings)?;
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
    std::fs::write(path, value.to_string()).map_err(Error::io("write", path))
}
