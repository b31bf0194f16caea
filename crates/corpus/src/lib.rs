//! Corpora, from a recipe to the store of tokens and its batches: downloads, cleaning, byte-pair encoding.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod data;
pub mod fetch;

pub use ablate_base::{constituency_tree, error, files, folders, printable, seed, white_space};
pub use ablate_score::{moses, score};
