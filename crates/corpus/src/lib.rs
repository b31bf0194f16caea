//! Corpora, from a recipe to the store of tokens and its batches: downloads, cleaning, byte-pair encoding.

// Both macros panic if the output is closed.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod data;
pub mod fetch;

use ablate_base::{constituency_tree, error, files, folders, left_out, seed, sequence, utf8, white_space};
use ablate_score::moses;
