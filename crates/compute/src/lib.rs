//! All code that uses libtorch: models, training, decoding, export, and one trial from its start to its record.

// Both macros panic if the stream is closed; `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod data;
pub mod decode;
pub mod device;
pub mod experiment;
pub mod export;
mod mkl;
pub mod model;
pub mod pinned_memory;
pub mod shim;
pub mod task;
pub mod train;

use ablate_base::{
    cards, constituency_tree, error, files, json, seed, signal, stopwatch, tree_repair, world,
};
use ablate_trial::{complexity, config, results, telemetry};
