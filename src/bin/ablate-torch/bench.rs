//! `ablate bench`: the speed of an experiment's training and decoding on this machine.

use ablate_base::error::{Error, Result};
use ablate_base::signal::StopFlag;
use ablate_command::commands::bench::Arguments;
use ablate_command::commands::{Places, print, print_json};
use ablate_compute::experiment::bench::{Effort, Report, Split, Training, bench, export_updates};
use ablate_compute::train::TaskKind;
use ablate_trial::config::load_experiment;
use ablate_trial::telemetry::format::{bytes, counted, quantity, thousands};

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
    print(&text(&report, experiment.task()))
}

fn text(report: &Report, task: TaskKind) -> String {
    let Report { provenance, peak, .. } = report;
    let precision = format!("{:?}", report.precision).to_lowercase();
    let text = if report.random_text { "random text, the corpus is not prepared" } else { "its own text" };
    let mut out = format!(
        "{} ({}), {}, {precision}, libtorch {}\n{} parameters, {text}\npeak: {} GFLOP/s in a matrix product, {} GB/s in a copy\n",
        provenance.device_name,
        provenance.device,
        counted(provenance.threads, "thread"),
        provenance.libtorch,
        thousands(report.parameters),
        giga(peak.flops_per_second),
        giga(peak.copy_bytes_per_second),
    );
    if let Some(training) = &report.training {
        out += &of_training(training, task, provenance.device != "cpu");
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

fn of_training(training: &Training, task: TaskKind, on_card: bool) -> String {
    let [predicted, all] = [training.target_tokens_per_second, training.tokens_per_second].map(quantity);
    let rates = match task {
        TaskKind::Translation | TaskKind::Parsing => {
            format!("{predicted} target tokens/s, {all} source + target tokens/s")
        }
        TaskKind::LanguageModelling => format!("{predicted} tokens/s"),
        TaskKind::MaskedLanguageModelling => {
            format!("{predicted} hidden tokens/s, {all} read + hidden tokens/s")
        }
        TaskKind::WordVectors => format!("{predicted} predictions/s"),
    };
    let mut out = format!("\ntraining: {rates}, {} steps/s\n", quantity(training.steps_per_second));
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

/// Returns a line like `  12.3 ms a step: data 1 %, forward 30 %`.
fn split(split: &Split, of: &str) -> String {
    let share = |seconds: f64| format!("{:.1} %", 100.0 * seconds / split.total);
    let phases: Vec<String> =
        split.phases.iter().map(|(phase, &seconds)| format!("{} {}", phase.name(), share(seconds))).collect();
    format!("  {} ms {of}: {}\n", quantity(1e3 * split.total), phases.join(", "))
}

fn giga(value: f64) -> String {
    quantity(value / 1e9)
}
