//! This crate describes trials, their costs and their results: settings and identity, the run directory, the record,
//! telemetry and tables. Nothing here computes, so nothing here needs libtorch.

// Both macros panic if the stream is closed: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod complexity;
pub mod config;
pub mod decode;
pub mod device;
pub mod experiment;
pub mod export;
pub mod model;
pub mod results;
pub mod telemetry;
pub mod train;

use ablate_base::{
    clock, color, error, files, folders, json, left_out, printable, sequence, tree_repair, utf8,
};
use ablate_corpus::{data, fetch};
use ablate_figures::figures;
use ablate_score::{moses, score};
