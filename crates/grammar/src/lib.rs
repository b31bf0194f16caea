//! The generated corpus: English sentences and their German translations, written by a grammar.

// Both macros panic where nobody reads: `commands::print` and `telemetry::console::print_message` do not.
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod generated_corpus;
pub mod synthetic;

pub use ablate_base::split::Split;
pub use ablate_base::{error, seed};
pub use generated_corpus::GeneratedCorpus;
