//! From translations to scores that equal sacreBLEU's.
//!
//! A metric tokenises every segment, keeps one set of additive statistics a sentence (so that
//! resampling needs no second pass over the text) and turns their sum into a score. Every score is
//! reported with a [`Signature`] that says how it was computed.

mod bleu;
mod ngram;
mod segments;
mod signature;
mod tokenization;
mod tokenize_13a;
mod white_space;

pub use bleu::{Bleu, BleuConfig, SentenceStatistics, Smoothing, corpus_bleu, sentence_statistics};
pub use segments::read_segments;
pub use signature::Signature;
pub use tokenization::Tokenization;
