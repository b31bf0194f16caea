//! BLEU, chrF, TER and EVALB with their tokenisers, resampling tests, and Moses's rules for text.

// Both macros panic if the output is closed.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod moses;
pub mod score;

use ablate_base::{constituency_tree, error, seed, utf8, white_space};
