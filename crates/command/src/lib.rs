//! The words of the command line, and every command that needs no libtorch.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod commands;
pub mod program;

pub use ablate_base::{
    allocator, cards, color, constituency_tree, error, files, folders, printable, seed, signal, stopwatch,
    white_space, world,
};
pub use ablate_corpus::{data, fetch};
pub use ablate_figures::figures;
pub use ablate_score::{moses, score};
pub use ablate_sweep::{report, sweep};
pub use ablate_trial::{config, experiment, export, results, telemetry};
