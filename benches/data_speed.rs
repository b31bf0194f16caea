//! Measures opening, checking and ordering a prepared corpus, and padding and collating batches; prints JSON.
//!
//! `cargo bench --bench data_speed -- EXPERIMENT [--data DIR] [--set KEY=VALUE]… [--tokens N]…`

mod common;

use ablate::config::load_experiment;
use ablate::data::batch::Batching;
use ablate::data::{Split, prepare};
use ablate::device::peak_memory;
use ablate::error::Result;
use ablate::train::batch_source::BatchSource;
use ablate::train::examples::Examples;
use ablate::train::pairs::Pairs;
use clap::Parser;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;
use tch::Device;

#[derive(Parser)]
struct Arguments {
    experiment: PathBuf,
    /// A change of the experiment: section.key=value.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Where prepared data lies.
    #[arg(long, default_value = "data")]
    data: PathBuf,
    /// Padded tokens of a micro-batch, a side.
    #[arg(long, default_values_t = [4_096, 25_000])]
    tokens: Vec<usize>,
    /// Flag that cargo gives to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    common::finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<Value> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    let data = prepare::open(&experiment.data, &arguments.data)?;
    let begun = Instant::now();
    let store = data.split_unverified(Split::Train)?;
    let open = begun.elapsed().as_secs_f64();
    let begun = Instant::now();
    store.verify()?;
    let verify = begun.elapsed().as_secs_f64();
    let mut epochs = Vec::new();
    for &tokens in &arguments.tokens {
        let batching = Batching { tokens, packed_length: experiment.training.packed_length };
        let before = peak_memory();
        let begun = Instant::now();
        let source = Pairs { store: &store, seed: experiment.training.seed, batching, prefix: None };
        let batches = source.epoch(0);
        let order = begun.elapsed().as_secs_f64();
        let shapes = batches.iter().map(|pairs| source.shape(pairs));
        let padded = shapes.fold([0, 0], |sum, shape| {
            [sum[0] + shape.pairs * shape.source, sum[1] + shape.pairs * shape.target]
        });
        let real = [store.source_tokens(), store.target_tokens()].map(|ids| ids + store.len() as u64);
        let waste = |real: u64, padded: u64| 1.0 - real as f64 / padded as f64;
        let begun = Instant::now();
        let mut collated = 0;
        for pairs in batches.iter().take(1000) {
            collated += source.collate(pairs, Device::Cpu).target_tokens;
        }
        epochs.push(json!({
            "micro_batch_tokens": tokens,
            "packed_length": batching.packed_length,
            "micro_batches": batches.len(),
            "order_seconds": order,
            "peak_memory_bytes_before_and_after": [before, peak_memory()],
            "padding_source": waste(real[0], padded[0]),
            "padding_target": waste(real[1], padded[1]),
            "padding": waste(real[0] + real[1], padded[0] + padded[1]),
            "collated_target_tokens_per_second": collated as f64 / begun.elapsed().as_secs_f64(),
        }));
    }
    Ok(json!({
        "pairs": store.len(),
        "tokens": [store.source_tokens(), store.target_tokens()],
        "open_seconds": open,
        "verify_seconds": verify,
        "epochs": epochs,
    }))
}
