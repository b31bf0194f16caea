//! The generated corpus: English sentences and their German translations, written by a grammar.

// Both macros panic where nobody reads.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

mod generated_corpus;
pub mod synthetic;

pub use generated_corpus::GeneratedCorpus;

use ablate_base::split::Split;
use ablate_base::{error, seed};
