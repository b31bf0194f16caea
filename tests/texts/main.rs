//! Text: scores, tokenisers, trees, damaged files, downloads.

#[path = "../common/mod.rs"]
mod common;

mod bad_text;
mod bleu;
mod download;
mod evalb;
mod fuzz;
mod moses;
mod running_text;
mod score_commands;
mod score_corpora;
mod score_files;
mod score_metrics;
mod score_multi_bleu;
mod score_significance;
mod tokenizer;
mod tree;
