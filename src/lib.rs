//! `ablate` trains, decodes and scores Transformers as *Attention Is All You Need* defines them, and its ablations.
//!
//! The map of the code is `docs/architecture.md`.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod cli;
pub mod commands;
pub mod config;
pub mod data;
pub mod decode;
pub mod device;
pub mod experiment;
pub mod export;
mod mkl;
pub mod model;
pub mod pinned_memory;
pub mod report;
pub mod results;
pub mod shim;
pub mod sweep;
pub mod task;
pub mod telemetry;
pub mod train;

pub use ablate_base::{
    allocator, cards, color, constituency_tree, error, files, folders, printable, seed, signal, stopwatch,
    white_space, world,
};
pub use ablate_corpus::fetch;
pub use ablate_figures::figures;
pub use ablate_score::{moses, score};
