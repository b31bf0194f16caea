//! Sweeps: the trials of a file, where they run, what came of them, and their report.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod report;
pub mod sweep;

pub use ablate_base::{
    allocator, cards, color, constituency_tree, error, files, folders, printable, seed, signal, stopwatch,
    white_space, world,
};
pub use ablate_corpus::{data, fetch};
pub use ablate_figures::figures;
pub use ablate_score::{moses, score};
pub use ablate_trial::{config, decode, device, experiment, model, results, telemetry, train};
