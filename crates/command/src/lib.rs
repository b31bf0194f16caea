//! The command line, and every command that needs no libtorch.

// Both macros panic if the output is closed; `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod commands;
pub mod program;

use ablate_base::{
    cards, clock, color, constituency_tree, error, files, folders, json, printable, signal, tree_repair,
    utf8, white_space,
};
use ablate_corpus::{data, fetch};
use ablate_figures::figures;
use ablate_score::{moses, score};
use ablate_sweep::{report, sweep};
use ablate_trial::{complexity, config, device, experiment, export, results, telemetry, train};
