//! Exports batches, fresh weights and settings, so that another program can train the same model on the same data
//! (`scripts/bench/torch_peer.py`).

use crate::config::Experiment;
use crate::data::Vocabulary;
use crate::data::collate::Batch;
use crate::data::store::Store;
use crate::device;
use crate::error::{Error, Result};
use crate::experiment::provenance::commit;
use crate::files;
use crate::model::cost::Cost;
use crate::model::implementations::Implementations;
use crate::model::mode::Mode;
use crate::model::{Network, VocabularySizes};
use crate::task;
use crate::train::TrainingConfig;
use crate::train::batch_source::BatchSource;
use crate::train::checkpoint::Checkpoints;
use crate::train::checkpoint_files::SCORED;
use crate::train::learning_rate::learning_rate;
use crate::train::loss::cross_entropy;
use crate::train::run_state::Progress;
use crate::train::stream::BatchStream;
use serde::Serialize;
use serde_json::{Value, json};
use std::path::Path;
use tch::{Device, Kind, Tensor};

/// Values that the other program must reproduce.
#[derive(Debug, Serialize)]
pub struct Exported {
    /// Loss of the first update with these weights: smoothed, in nats per target token, without dropout.
    pub loss: f64,
    /// Number of target tokens in the first update.
    pub target_tokens: usize,
}

/// Returns the examples of the first `count` updates of a training: updates of micro-batches of indices.
///
/// # Errors
/// The errors of [`BatchStream::start`].
fn first_updates(
    source: &dyn BatchSource,
    config: &TrainingConfig,
    count: usize,
) -> Result<Vec<Vec<Vec<u32>>>> {
    let start = Progress::default();
    let mut stream = BatchStream::start(source, config, &start)?;
    Ok((0..count).map(|_| stream.next_update()).collect())
}

/// Refuses an experiment that the other program does not support.
///
/// # Errors
/// A user error that names the setting.
pub fn check_experiment(experiment: &Experiment) -> Result<()> {
    let refused = |setting: &str, known: &str| {
        Err(Error::user(format!(
            "{setting} does not fit into --export, which writes for the models of scripts/bench/torch_peer.py: {known}; \
             leave --export out to measure this program alone"
        )))
    };
    if experiment.data.vocabulary == Vocabulary::Separate {
        return refused("data.vocabulary = \"separate\"", "both of their sides have one vocabulary");
    }
    if experiment.training.passes() > 1 {
        let setting = format!("training.r_drop = {}", experiment.training.r_drop);
        return refused(&setting, "they pass once through the model");
    }
    match Implementations::of(&experiment.model).torch_peer {
        Ok(()) => Ok(()),
        Err(unknown) => refused(unknown.setting, unknown.known),
    }
}

/// The files of an export. The first one, which is written first, identifies a folder as an export.
const FILES: [&str; 3] = ["experiment.json", "batches.json", SCORED];

/// Refuses a folder in which other files than an export's have these names, such as the checkpoints of a run.
///
/// # Errors
/// A user error that names the files.
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

/// Writes the first `count` updates: `experiment.json` (settings, and learning rate and operations of each update),
/// `batches.json` (updates of micro-batches, see [`rows_of`]) and `scored.weights.safetensors`.
///
/// # Errors
/// If `folder` cannot be written. The caller has passed it to [`check_place`] before.
pub fn export(
    folder: &Path,
    experiment: &Experiment,
    sizes: VocabularySizes,
    store: &Store,
    model: &dyn Network,
    count: usize,
) -> Result<Exported> {
    files::create_dir(folder)?;
    let Experiment { model: model_config, training, .. } = experiment;
    let updates = first_updates(&*task::of(experiment, sizes.target).batches(store), training, count)?;
    // The other program gives each sentence its own row, even if ours packs several into one.
    let unpacked = TrainingConfig { packed_length: None, ..training.clone() };
    let unpacked = Experiment { training: unpacked, ..experiment.clone() };
    let source = task::of(&unpacked, sizes.target).batches(store);
    let cost = Cost::of(model_config, sizes);
    let operations = |examples: &Vec<u32>| cost.forward(&source.shape(examples)).training();
    let flops = updates.iter().map(|update| update.iter().map(operations).sum::<f64>());
    let rate = |step| learning_rate(training, model.width(), step);
    let settings = json!({
        "model": model_config.stated_in_full(),
        "training": training,
        "vocabulary": sizes.target,
        "learning_rates": (1..=count as u64).map(rate).collect::<Vec<_>>(),
        "flops": flops.collect::<Vec<_>>(),
        "threads": tch::get_num_threads(),
        "hardware": device::hardware(model.device()),
        "parameters": model.weights().parameters(),
        "commit": commit(),
    });
    write(&folder.join(FILES[0]), &settings)?;
    let rows = |examples: &Vec<u32>| rows_of(&source.collate(examples, Device::Cpu));
    let batches = updates.iter().map(|update| update.iter().map(rows).collect::<Value>());
    write(&folder.join(FILES[1]), &batches.collect::<Value>())?;
    Checkpoints::open(folder)?.save_scored(model.weights())?;
    let (mut nats, mut tokens) = (0.0, 0);
    for examples in &updates[0] {
        let batch = source.collate(examples, model.device());
        nats += tch::no_grad(|| {
            let logits = model.logits(&model.hidden(&batch, &Mode::evaluation()));
            let loss = cross_entropy(&logits, &batch.targets, training.label_smoothing);
            loss.smoothed.double_value(&[])
        });
        tokens += batch.target_tokens;
    }
    Ok(Exported { loss: nats / tokens as f64, target_tokens: tokens })
}

/// Returns a micro-batch in the other program's form: `source` [B, S] and `input` [B, T] as in [`Batch`], and `target`
/// [B, T], the token to predict at each position or 0. For a model without a decoder `target` is [B, S].
fn rows_of(batch: &Batch) -> Value {
    let (source, input) = (&batch.source, &batch.target_input);
    let predicting = if input.size()[1] > 0 { input } else { source };
    let target = Tensor::zeros([predicting.numel() as i64], (Kind::Int64, predicting.device()))
        .scatter(0, &batch.positions, &batch.targets)
        .view_as(predicting);
    json!({ "source": ids_of(source), "input": ids_of(input), "target": ids_of(&target) })
}

/// Returns the ids of a matrix, row by row.
fn ids_of(matrix: &Tensor) -> Vec<Vec<i64>> {
    let row = |row: Tensor| Vec::try_from(row).expect("a row of ids");
    matrix.unbind(0).into_iter().map(row).collect()
}

fn write(path: &Path, value: &Value) -> Result<()> {
    files::write_atomically(path, value.to_string().as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_say_what_is_predicted_at_each_position() {
        let ids = |rows: &[[i64; 3]]| Tensor::from_slice2(rows);
        let batch = Batch {
            source: ids(&[[5, 6, 2], [7, 2, 0]]),
            source_lengths: vec![3, 2],
            target_input: ids(&[[1, 8, 0], [1, 9, 10]]),
            sentences: None,
            negatives: None,
            second_texts: None,
            positions: Tensor::from_slice(&[0i64, 1, 3, 4, 5]),
            targets: Tensor::from_slice(&[8i64, 2, 9, 10, 2]),
            target_tokens: 5,
            source_tokens: 5,
        };
        let rows = rows_of(&batch);
        assert_eq!(rows["source"], json!([[5, 6, 2], [7, 2, 0]]));
        assert_eq!(rows["input"], json!([[1, 8, 0], [1, 9, 10]]));
        assert_eq!(rows["target"], json!([[8, 2, 0], [9, 10, 2]]));
        let masked = Batch {
            target_input: Tensor::zeros([2, 0], (Kind::Int64, Device::Cpu)),
            positions: Tensor::from_slice(&[1i64, 3]),
            targets: Tensor::from_slice(&[8i64, 9]),
            ..batch
        };
        let rows = rows_of(&masked);
        assert_eq!(rows["input"], json!([[], []]));
        assert_eq!(rows["target"], json!([[0, 8, 0], [9, 0, 0]]));
    }

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
