//! How fast training updates are: prints JSON. `scripts/bench/train_speed.py` runs it beside Python torch.
//!
//! `cargo bench --bench train_speed -- EXPERIMENT [--set KEY=VALUE]… [--data DIR] [--warmup N] [--updates N] [--export DIR]`
//!
//! An update is what the trainer does: batches from the store, forward, backward, Adam. `--export`
//! writes instead of measuring: the batches, the fresh weights, and their loss without dropout
//! (`ablate bench --export`, of prepared text alone).

mod common;

use ablate::config::{Experiment, load_experiment};
use ablate::data::Split;
use ablate::data::prepare;
use ablate::error::{Error, Result};
use ablate::experiment::bench::peer_export::{check_experiment, check_place, export, first_updates};
use ablate::experiment::limits::DataLimits;
use ablate::experiment::single_update::single_update;
use ablate::experiment::state_commit;
use ablate::model::{self, Network};
use ablate::task;
use ablate::train::Precision;
use ablate::train::adam::Adam;
use ablate::train::batch_source::BatchSource;
use ablate::train::step::Updates;
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
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
    state_commit(env!("ABLATE_COMMIT"));
    common::finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<Value> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    if experiment.training.precision != Precision::Float32 {
        return Err(Error::user("training.precision must be float32: that is what is measured"));
    }
    if let Some(folder) = &arguments.export {
        check_experiment(&experiment)?;
        check_place(folder)?;
    }
    let data = prepare::open(&experiment.data, &arguments.data)?;
    let limits = DataLimits::of(&experiment.data, Some(&data))?;
    limits.check(&experiment)?;
    let sizes = limits.vocabulary(&experiment);
    let device = ablate::device::open(&experiment.run)?;
    let store = data.split(Split::Train)?;
    let model = model::build(&experiment.model, sizes, experiment.training.seed, Kind::Float, device);
    let count = arguments.warmup + arguments.updates;
    match &arguments.export {
        Some(folder) => {
            let exported = export(folder, &experiment, sizes, &store, &*model, count)?;
            serde_json::to_value(exported).map_err(|error| Error::failed(error.to_string()))
        }
        None => {
            let batches = task::of(&experiment, sizes.target).batches(&store);
            let updates = first_updates(&*batches, &experiment.training, count)?;
            measure(&experiment, &*batches, &*model, &updates, arguments.warmup)
        }
    }
}

fn measure(
    experiment: &Experiment,
    source: &dyn BatchSource,
    model: &dyn Network,
    updates: &[Vec<Vec<u32>>],
    warmup: usize,
) -> Result<Value> {
    let config = &experiment.training;
    let mut adam = Adam::build(config, model.weights());
    let all = Updates { model, config };
    let (mut milliseconds, mut tokens) = (Vec::new(), Vec::new());
    for (number, micro_batches) in (1..).zip(updates) {
        let begun = Instant::now();
        let batches = micro_batches.iter().map(|examples| source.collate(examples, Device::Cpu));
        let batches: Vec<_> = batches.collect();
        // The loss that the update returns is on the host, so a GPU has done its work.
        let stats = single_update(&all, &mut adam, &batches, number)?;
        if number as usize > warmup {
            milliseconds.push(begun.elapsed().as_secs_f64() * 1e3);
            tokens.push(stats.target_tokens);
        }
    }
    Ok(json!({ "milliseconds": milliseconds, "target_tokens": tokens, "threads": tch::get_num_threads() }))
}
