//! What computes with libtorch: models, training, decoding, export, and one trial from its start to its record.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
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

pub use ablate_base::{
    allocator, cards, color, constituency_tree, error, files, folders, printable, seed, signal, stopwatch,
    white_space, world,
};
pub use ablate_corpus::fetch;
pub use ablate_figures::figures;
pub use ablate_score::{moses, score};
pub use ablate_trial::{config, results, telemetry};
