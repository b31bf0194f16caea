//! From translations to scores that equal sacreBLEU's, and from parse trees to those of EVALB.
//!
//! A metric tokenises every segment, keeps one set of additive statistics a sentence (so that
//! resampling needs no second pass over the text) and turns their sum into a score. Every score is
//! reported with a [`Signature`] that says how it was computed.

mod bleu;
mod chrf;
mod edit_distance;
mod evalb;
mod metric;
mod multi_bleu;
mod ngram;
mod replicates;
mod resampling;
mod segments;
mod set_apart;
mod signature;
mod smoothing;
mod ter;
mod tokenization;
mod tokenize_13a;
mod tokenize_intl;
mod tokenize_tercom;
mod tokenize_zh;

pub use bleu::{Bleu, BleuConfig, SentenceStatistics, corpus_bleu, sentence_statistics};
pub use chrf::ChrfConfig;
pub use evalb::{BracketF1, Brackets, CUTOFF, EvalbCounts, evalb, evalb_of_lines, is_deleted_tag, percent};
pub use metric::{Counts, Metric};
pub use multi_bleu::{MosesTokens, MultiBleuConfig};
pub use replicates::{confidence_of_difference, confidence_of_mean, randomization_of_means};
pub use resampling::{
    BOOTSTRAP_RESAMPLES, Interval, RANDOMIZATION_TRIALS, RESAMPLING_SEED, confidence, paired_bootstrap,
    paired_randomization,
};
pub use segments::{STANDARD_INPUT, read_bytes, read_own_segments, segments_of, strip_byte_order_mark};
pub use signature::Signature;
pub use smoothing::Smoothing;
pub use ter::TerConfig;
pub use tokenization::Tokenization;
pub use tokenize_tercom::TercomTokenizer;
