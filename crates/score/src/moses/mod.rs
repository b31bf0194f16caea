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
