//! Measures the time and memory that self-attention takes, by its span and the length of a sequence, and prints JSON.
//!
//! `cargo bench --bench span_speed -- [--lengths 1024,2048,4096,8192] [--device cpu] [--threads 0] [--repetitions 5]`
//!
//! The encoder of one layer without a feed-forward sub-layer reads one sentence and computes the gradients of all its
//! weights. Every span but the full one computes with 127 or 128 keys for a query (with `local` the query sees 64 of them),
//! so that the columns can be compared. Memory is what the process, or on a GPU libtorch, takes beyond the weights.

mod common;

use ablate::config::experiment::{DeviceChoice, RunConfig};
use ablate::device::{self, card_memory, forget_peak_memory, hardware, peak_memory, settle};
use ablate::error::{Error, Result};
use ablate::model::mode::Mode;
use ablate::model::{AttentionConfig, EncoderDecoder, ModelConfig, Network, Span};
use clap::Parser;
use serde_json::{Value, json};
use std::process::ExitCode;
use std::time::Instant;
use tch::{Device, Kind, Tensor};

#[derive(Parser)]
struct Arguments {
    /// Numbers of tokens of the sentence.
    #[arg(long, value_delimiter = ',', default_values_t = [1_024, 2_048, 4_096, 8_192])]
    lengths: Vec<i64>,
    /// Device, stated as in run.device.
    #[arg(long, default_value = "cpu")]
    device: String,
    /// Number of threads, stated as in run.threads.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Number of passes that are timed, after one that is not.
    #[arg(long, default_value_t = 5)]
    repetitions: usize,
    /// Flag that cargo gives to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

const VOCABULARY: i64 = 1_000;

const SPANS: [(&str, Span); 4] = [
    ("full", Span::Full),
    ("local", Span::Local(64)),
    ("linformer", Span::Linformer(128)),
    ("big_bird", Span::BigBird { block: 16, random: 3, global: 2 }),
];

fn main() -> ExitCode {
    common::finish(run(&Arguments::parse()))
}

fn run(arguments: &Arguments) -> Result<Value> {
    let Some(&longest) = arguments.lengths.iter().max().filter(|_| arguments.lengths.iter().all(|&n| n > 0))
    else {
        return Err(Error::user("--lengths takes numbers of tokens, 1 or more"));
    };
    let device = arguments.device.parse::<DeviceChoice>().map_err(Error::user)?;
    let device = device::open(&RunConfig { device, threads: arguments.threads, ..Default::default() })?;
    let mut found = Vec::new();
    for (name, span) in SPANS {
        let config = ModelConfig {
            layers: 1,
            d_model: 256,
            heads: 4,
            feed_forward: false,
            dropout: 0.0,
            learned_positions: longest,
            attention: AttentionConfig { span, ..Default::default() },
            ..Default::default()
        };
        let model = EncoderDecoder::build(&config, VOCABULARY as usize, 1, Kind::Float, device);
        for &length in &arguments.lengths {
            found.push(measure(name, &model, length, arguments.repetitions.max(1)));
        }
    }
    Ok(json!({ "hardware": hardware(device), "threads": tch::get_num_threads(), "spans": found }))
}

/// Measures one span at one length: the time of a pass, median and fastest, and the memory beyond the weights.
fn measure(span: &str, model: &EncoderDecoder, length: i64, repetitions: usize) -> Value {
    let device = model.device();
    let source =
        ((Tensor::arange(length, (Kind::Int64, device)) * 7).remainder(VOCABULARY - 3) + 3).unsqueeze(0);
    let pass = || {
        let begun = Instant::now();
        model.encode(&source, &[length], &Mode::evaluation()).output.square().mean(Kind::Float).backward();
        settle(device);
        begun.elapsed().as_secs_f64()
    };
    pass();
    forget_peak_memory(device);
    let before = peak(device);
    let mut seconds: Vec<f64> = (0..repetitions).map(|_| pass()).collect();
    let taken = peak(device).zip(before).map(|(after, before)| after.saturating_sub(before));
    seconds.sort_by(f64::total_cmp);
    json!({
        "span": span,
        "length": length,
        "milliseconds": 1e3 * seconds[seconds.len() / 2],
        "fastest_milliseconds": 1e3 * seconds[0],
        "memory_bytes": taken,
    })
}

/// Returns the largest number of bytes held since [`forget_peak_memory`]; None where it is not known.
fn peak(device: Device) -> Option<u64> {
    match device {
        Device::Cpu => peak_memory(),
        _ => card_memory(device).map(|memory| memory.peak),
    }
}
