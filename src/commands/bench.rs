//! `ablate bench`: how fast an experiment trains and decodes here.

use super::{Places, print, print_json};
use crate::config::load_experiment;
use crate::error::{Error, Result};
use crate::experiment::bench::{Effort, Half, Report, Split, Training, bench, export_updates};
use crate::signal::StopFlag;
use crate::telemetry::format::{bytes, quantity, thousands};
use clap::Args;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Experiment file, or the config.toml of a run.
    pub experiment: PathBuf,
    /// Directory of a finished run. Its scored weights are used for decoding, so that translations have ordinary
    /// lengths.
    #[arg(long, value_name = "RUN")]
    pub run: Option<PathBuf>,
    /// Change a setting: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
    /// Measure only this half.
    #[arg(long, value_enum, value_name = "HALF")]
    pub only: Option<Half>,
    /// Number of updates before the measurement starts.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = count)]
    pub warmup: usize,
    /// Number of updates to time. The split into phases takes as many again.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = at_least_one)]
    pub updates: usize,
    /// Number of test sentences to translate.
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = at_least_one)]
    pub sentences: usize,
    /// Number of times to translate them.
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = at_least_one)]
    pub passes: usize,
    /// Longest duration of each measurement, in seconds. A longer one ends early and reports what it has measured.
    #[arg(long, value_name = "SECONDS", default_value_t = 60.0, value_parser = duration)]
    pub seconds: f64,
    /// Do not measure. Write the batches of these updates and the initial weights into this directory for another
    /// program, and print the loss that it must compute (scripts/bench/torch_peer.py).
    #[arg(long, value_name = "DIR", conflicts_with_all = ["run", "only"])]
    pub export: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Most updates, sentences or passes: more than anybody waits for.
const MOST: usize = 1_000_000;

fn count(text: &str) -> std::result::Result<usize, String> {
    match text.parse() {
        Ok(count) if count <= MOST => Ok(count),
        Ok(_) => Err(format!("at most {MOST}")),
        Err(error) => Err(format!("{error}")),
    }
}

fn at_least_one(text: &str) -> std::result::Result<usize, String> {
    match count(text)? {
        0 => Err("at least 1".to_string()),
        count => Ok(count),
    }
}

fn duration(text: &str) -> std::result::Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=1e6).contains(&seconds) => Ok(seconds),
        Ok(_) => Err("expected a number from 0 to 1000000".to_string()),
        Err(error) => Err(format!("{error}")),
    }
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let experiment = load_experiment(&arguments.experiment, &arguments.sets)?;
    if let Some(folder) = &arguments.export {
        let count = arguments.warmup + arguments.updates;
        return print_json(&export_updates(&experiment, &places.data, folder, count)?);
    }
    let Arguments { only, warmup, updates, sentences, passes, seconds, .. } = arguments;
    let effort = Effort { only, warmup, updates, sentences, passes, seconds };
    let stop = StopFlag::listen().map_err(Error::io("listen to", "signals"))?;
    let report = bench(&experiment, &places.data, arguments.run.as_deref(), &effort, &stop)?;
    if arguments.json {
        return print_json(&report);
    }
    print(&text(&report))
}

fn text(report: &Report) -> String {
    let Report { provenance, peak, .. } = report;
    let text = if report.random_text { "random text, the corpus is not prepared" } else { "its own text" };
    let mut out = format!(
        "{} ({}), {}, {:?}, libtorch {}\n{} parameters, {text}\npeak: {} GFLOP/s in a matrix product, {} GB/s in a copy\n",
        provenance.device_name,
        provenance.device,
        if provenance.threads == 1 { "1 thread".into() } else { format!("{} threads", provenance.threads) },
        report.precision,
        provenance.libtorch,
        thousands(report.parameters),
        giga(peak.flops_per_second),
        giga(peak.copy_bytes_per_second),
    );
    if let Some(training) = &report.training {
        out += &of_training(training, provenance.device != "cpu");
    }
    for decoding in &report.decoding {
        let name = if decoding.beam == 1 { "greedy".to_string() } else { format!("beam {}", decoding.beam) };
        out += &format!(
            "\ndecoding, {name}: {} target tokens/s, {} sentences/s\n{}",
            quantity(decoding.target_tokens_per_second),
            quantity(decoding.sentences_per_second),
            split(&decoding.split, &format!("for {} sentences", decoding.sentences)),
        );
    }
    if report.fresh_weights && !report.decoding.is_empty() {
        out += "\nThe weights are fresh, so translations end anywhere; --run RUN decodes with a finished run's.\n";
    }
    out
}

fn of_training(training: &Training, on_card: bool) -> String {
    let mut out = format!(
        "\ntraining: {} target tokens/s, {} source + target tokens/s, {} steps/s\n",
        quantity(training.target_tokens_per_second),
        quantity(training.tokens_per_second),
        quantity(training.steps_per_second),
    );
    out += &format!(
        "  {} GFLOP a step by count, {} GFLOP/s: {:.0} % of the peak\n",
        giga(training.flops_per_step),
        giga(training.flops_per_second),
        100.0 * training.peak_share
    );
    let memory = |size: Option<u64>| size.map_or("unknown".to_string(), |size| bytes(size as f64));
    out += &format!("  peak memory {}", memory(training.peak_memory_bytes));
    if on_card {
        out += &format!(", on the card {}", memory(training.peak_device_bytes));
    }
    out += &format!("\n{}", split(&training.split, "a step"));
    out
}

/// `  12.3 ms a step: data 1 %, forward 30 %`
fn split(split: &Split, of: &str) -> String {
    let share = |seconds: f64| format!("{:.1} %", 100.0 * seconds / split.total);
    let phases: Vec<String> =
        split.phases.iter().map(|(phase, &seconds)| format!("{} {}", phase.name(), share(seconds))).collect();
    format!("  {} ms {of}: {}\n", quantity(1e3 * split.total), phases.join(", "))
}

fn giga(value: f64) -> String {
    quantity(value / 1e9)
}
