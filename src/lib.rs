//! `ablate` trains, decodes and scores Transformers as *Attention Is All You Need* defines them, and its ablations.
//!
//! The map of the code is `docs/architecture.md`.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod allocator;
pub mod cards;
pub mod cli;
pub mod color;
pub mod commands;
pub mod config;
pub mod constituency_tree;
pub mod data;
pub mod decode;
pub mod device;
pub mod error;
pub mod experiment;
pub mod export;
pub mod fetch;
pub mod figures;
pub mod files;
pub mod folders;
mod mkl;
pub mod model;
pub mod moses;
pub mod pinned_memory;
pub mod printable;
pub mod report;
pub mod results;
pub mod score;
pub mod seed;
pub mod shim;
pub mod signal;
pub mod stopwatch;
pub mod sweep;
pub mod telemetry;
pub mod train;
mod white_space;
pub mod world;
