//! Corpora (`crates/corpus`), and their batches as tensors.

pub mod collate;

pub use ablate_corpus::data::*;
