//! Sweeps: the trials of a sweep file, their launchers, their results and their report.

// Both macros panic if the output is closed; `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod report;
pub mod search;
pub mod sweep;

use ablate_base::{cards, clock, error, files, folders, json, printable, seed, sequence, signal, subprocess};
use ablate_corpus::data;
use ablate_figures::figures;
use ablate_score::score;
use ablate_trial::{config, device, experiment, model, results, telemetry, train};
