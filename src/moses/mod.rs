//! Moses's text processing: normal punctuation, tokens, and text from tokens.
//!
//! The paper's BLEU figures are counted on tokens of these rules (`score::MultiBleuConfig`).
//!
//! # Source
//! sacremoses 0.2.0, whose results are reproduced on every text: mosesdecoder's
//! `scripts/tokenizer/{normalize-punctuation,replace-unicode-punctuation,tokenizer,detokenizer}.perl`, ported
//! to Python. The port itself differs from the Perl programs in places; each file here names those known.

mod characters;
mod detokenize;
mod language;
mod normalize;
mod prefixes;
mod rewrite;
mod tokenize;

pub use detokenize::Detokenizer;
pub use language::Language;
pub use normalize::{Normalization, Normalizer};
pub use tokenize::{TokenizeOptions, Tokenizer};

/// White space as Python's `str` methods define it: Unicode's `White_Space`, which Rust uses, and the four
/// separators U+001C to U+001F.
fn is_white_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// Python's `str.strip()`.
fn trim(text: &str) -> &str {
    text.trim_matches(is_white_space)
}

/// Python's `str.split()`.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}
