//! How fast training updates are: prints JSON. `scripts/bench/train_speed.py` runs it beside Python torch.
//!
//! `cargo bench --bench train_speed -- EXPERIMENT [--set KEY=VALUE]… [--data DIR] [--warmup N] [--updates N] [--export DIR]`
//!
//! An update is what the trainer does: batches from the store, forward, backward, Adam. `--export`
//! writes instead of measuring: the batches, the fresh weights, and their loss without dropout.

mod common;

use ablate::config::{Experiment, load_experiment, validate_vocabulary};
use ablate::data::collate::collate;
use ablate::data::prepare;
use ablate::data::prepared::Prepared;
use ablate::data::{Split, store::Store};
use ablate::error::{Error, Result};
use ablate::model::Transformer;
use ablate::model::dropout::Mode;
use ablate::train::Precision;
use ablate::train::adam::Adam;
use ablate::train::checkpoint::{Checkpoints, Progress};
use ablate::train::loss::cross_entropy;
use ablate::train::step::{Updates, hidden_states};
use ablate::train::stream::BatchStream;
use clap::Parser;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tch::{Device, Kind};

#[derive(Parser)]
struct Arguments {
    experiment: PathBuf,
    /// A change of the experiment: section.key=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Where prepared data lies.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Updates before the clock starts.
    #[arg(long, default_value_t = 3)]
    warmup: usize,
    /// Updates that are timed.
    #[arg(long, default_value_t = 10)]
    updates: usize,
    /// Write batches, weights and loss here.
    #[arg(long, value_name = "DIR")]
    export: Option<PathBuf>,
    /// What cargo says to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    common::finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<Value> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    if experiment.training.precision != Precision::Float32 {
        return Err(Error::user("training.precision must be float32: that is what is measured"));
    }
    let data = prepare::open(&experiment.data, &arguments.data)?;
    validate_vocabulary(&experiment, data.tokenizers.sizes())?;
    let device = ablate::device::open(&experiment.run)?;
    let store = data.split(Split::Train)?;
    let start = Progress { step: 0, epoch: 0, micro_batch: 0, best: None };
    let mut stream = BatchStream::start(&store, &experiment.training, &start)?;
    let updates: Vec<Vec<Vec<u32>>> =
        (0..arguments.warmup + arguments.updates).map(|_| stream.next_update()).collect();
    let model = Transformer::build(
        &experiment.model,
        data.tokenizers.sizes(),
        experiment.training.seed,
        Kind::Float,
        device,
    );
    match &arguments.export {
        Some(folder) => export(folder, &experiment, &data, &store, &model, &updates),
        None => measure(&experiment, &store, &model, &updates, arguments.warmup),
    }
}

fn measure(
    experiment: &Experiment,
    store: &Store,
    model: &Transformer,
    updates: &[Vec<Vec<u32>>],
    warmup: usize,
) -> Result<Value> {
    let config = &experiment.training;
    let mut adam = Adam::build(config, model.weights());
    let all = Updates { model, config, d_model: experiment.model.d_model, store };
    let (mut milliseconds, mut tokens) = (Vec::new(), Vec::new());
    for (number, micro_batches) in (1..).zip(updates) {
        let begun = Instant::now();
        // The loss that the update returns is on the host, so a GPU has done its work.
        let stats = all.step(&mut adam, micro_batches, number, false)?;
        if number as usize > warmup {
            milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
            tokens.push(stats.target_tokens);
        }
    }
    Ok(json!({ "milliseconds": milliseconds, "target_tokens": tokens, "threads": tch::get_num_threads() }))
}

/// Writes `batches.json` (updates of micro-batches of pairs), `experiment.json` and
/// `scored.weights.safetensors`; gives the loss of the first update, smoothed and per token.
fn export(
    folder: &Path,
    experiment: &Experiment,
    data: &Prepared,
    store: &Store,
    model: &Transformer,
    updates: &[Vec<Vec<u32>>],
) -> Result<Value> {
    Checkpoints::open(folder)?.save_scored(model.weights())?;
    let pair = |&i: &u32| json!([store.source(i as usize), store.target(i as usize)]);
    let batch = |pairs: &Vec<u32>| pairs.iter().map(pair).collect::<Value>();
    let batches: Value = updates.iter().map(|update| update.iter().map(batch).collect::<Value>()).collect();
    write(&folder.join("batches.json"), &batches)?;
    let mut model_settings =
        serde_json::to_value(&experiment.model).map_err(|e| Error::failed(e.to_string()))?;
    model_settings["d_k"] = experiment.model.d_k().into();
    model_settings["d_v"] = experiment.model.d_v().into();
    let settings = json!({
        "model": model_settings,
        "training": experiment.training,
        "vocabulary": data.tokenizers.target().len(),
        "threads": tch::get_num_threads(),
        "hardware": ablate::device::hardware(Device::Cpu),
        "parameters": model.weights().parameters(),
        "commit": ablate::experiment::COMMIT,
    });
    write(&folder.join("experiment.json"), &settings)?;
    let (mut nats, mut tokens) = (0.0, 0);
    for pairs in &updates[0] {
        let batch = collate(store, pairs, model.device())?;
        nats += tch::no_grad(|| {
            let logits = model.logits(&hidden_states(model, &batch, &Mode::evaluation()));
            cross_entropy(&logits, &batch.targets, experiment.training.label_smoothing)
                .smoothed
                .double_value(&[])
        });
        tokens += batch.target_tokens;
    }
    Ok(json!({ "loss": nats / tokens as f64, "target_tokens": tokens }))
}

fn write(path: &Path, value: &Value) -> Result<()> {
    std::fs::write(path, value.to_string()).map_err(Error::io("write", path))
}
