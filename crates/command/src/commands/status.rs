//! `ablate status`: the states of a sweep's trials, also from another terminal.

use super::{OpenSweep, Places, failure_text, print, print_json};
use crate::clock;
use crate::error::Result;
use crate::sweep::board;
use crate::sweep::expand::TrialPurpose;
use crate::sweep::status::Status;
use crate::telemetry::console::terminal_size;
use crate::telemetry::format::duration;
use clap::Args;
use std::io::IsTerminal;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Sweep file.
    pub sweep: PathBuf,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Setting with which the sweep was run: section.key=value. May be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    pub sets: Vec<String>,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let OpenSweep { spec, trials, dir, search } =
        OpenSweep::load(TrialPurpose::Show, &arguments.sweep, &arguments.sets, places)?;
    let to_come = search.as_ref().map_or(0, |search| search.runs_to_come().len());
    let status = Status::read(&spec.name, &dir, &places.data, &trials, to_come)?;
    match arguments.json {
        true => print_json(&status),
        false => print(&text(&status)),
    }
}

/// Returns the status as text: all trials, and the reasons of failures.
fn text(status: &Status) -> String {
    let now = clock::seconds();
    let driver = match (&status.driver, status.at_work) {
        (Some(driver), _) => format!(
            "a driver (`ablate sweep`) is at work: process {} on {}, for {}",
            driver.process,
            driver.host,
            duration(now - driver.since)
        ),
        (None, true) => "a driver (`ablate sweep`) is at work".to_string(),
        (None, false) => "no driver (`ablate sweep`) is at work".to_string(),
    };
    let lines: Vec<_> = status.trials.iter().map(|trial| trial.line()).collect();
    let to_come = match status.to_come {
        0 => String::new(),
        count => format!("; {count} more trials to be drawn"),
    };
    let mut text = format!("{}: {driver}\n{}{to_come}\n", status.directory.display(), board::counts(&lines));
    if let Some(error) = &status.queue_error {
        text += &format!(
            "Slurm's queue cannot be asked, so that jobs may have come to an end meanwhile: {error}\n"
        );
    }
    // In a file, lines are not shortened.
    let width = match std::io::stdout().is_terminal() {
        true => terminal_size().map_or(100, |(width, _)| width),
        false => usize::MAX,
    };
    for line in board::render(&lines, width, usize::MAX) {
        text += &format!("{line}\n");
    }
    let failed = status.trials.iter().filter_map(|trial| Some((trial, trial.failure.as_ref()?)));
    for (index, (trial, failure)) in failed.enumerate() {
        let log = trial.log.as_deref().unwrap_or(&trial.run_dir);
        text += if index == 0 { "\nfailed:\n" } else { "" };
        text += &format!("{}\n", failure_text(&trial.row, trial.seed, failure, log));
    }
    text
}
