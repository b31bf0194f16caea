//! The tokenizer of a side, of the kind that `data.pieces` chooses.

use super::bpe::PieceCounts;
use super::bpe_tokenizer::{BpeTokenizer, largest_vocabulary};
use super::characters::{self, CharacterTokenizer};
use super::{Pieces, Segmentation};
use crate::error::Result;
use crate::seed::{self, Purpose};

pub use super::bpe_tokenizer::EncodeCache;

/// Token that fills up the shorter sentences of a batch.
pub const PAD: u32 = 0;
/// Token that the decoder reads before the first target token.
pub const BOS: u32 = 1;
/// Token that ends every sentence; batches add it, the store does not hold it.
pub const EOS: u32 = 2;
/// Stands in the input of a masked language model where a token is hidden, as BERT's `[MASK]`. It is the token of [`BOS`],
/// which no text holds and which such a model has no other use for: a vocabulary serves both kinds of language models.
pub const MASK: u32 = BOS;
/// The first id that is no padding, beginning or end.
pub const FIRST_OF_TEXT: u32 = EOS + 1;

/// Encodes lines as token ids and back.
#[derive(Debug, Clone)]
pub enum Tokenizer {
    Bpe(BpeTokenizer),
    Characters(CharacterTokenizer),
}

/// Returns the smallest and the largest vocabulary that a training text can give.
pub fn sizes(pieces: Pieces, merges: usize) -> [usize; 2] {
    match pieces {
        Pieces::Bpe => [largest_vocabulary(0), largest_vocabulary(merges)],
        Pieces::Characters => characters::SIZES,
    }
}

impl Tokenizer {
    /// Learns from the pieces of a text. The same lines in any order give the same tokenizer.
    ///
    /// # Errors
    /// A user error if the text has more characters than a vocabulary of characters holds.
    pub fn learn(pieces: Pieces, counts: &PieceCounts, merges: usize) -> Result<Self> {
        Ok(match pieces {
            Pieces::Bpe => Self::from_counts(counts, merges),
            Pieces::Characters => Tokenizer::Characters(CharacterTokenizer::from_counts(counts)?),
        })
    }

    /// Learns BPE with at most `merges` merges.
    pub fn from_counts(counts: &PieceCounts, merges: usize) -> Self {
        Tokenizer::Bpe(BpeTokenizer::from_counts(counts, merges))
    }

    /// Returns the number of merges; `None` for characters.
    pub fn merges(&self) -> Option<usize> {
        match self {
            Tokenizer::Bpe(bpe) => Some(bpe.merges()),
            Tokenizer::Characters(_) => None,
        }
    }

    /// Number of ids, special ones counted.
    #[expect(clippy::len_without_is_empty, reason = "the vocabulary holds at least the special tokens")]
    pub fn len(&self) -> usize {
        match self {
            Tokenizer::Bpe(bpe) => bpe.len(),
            Tokenizer::Characters(characters) => characters.size(),
        }
    }

    /// Returns a token as `tokenizer.json` writes it. For labels; use [`Tokenizer::decode`] for text.
    pub fn token(&self, id: u32) -> &str {
        match self {
            Tokenizer::Bpe(bpe) => bpe.token(id),
            Tokenizer::Characters(characters) => characters.token(id),
        }
    }

    /// Returns a token in readable form.
    pub fn label(&self, id: u32) -> String {
        match self {
            Tokenizer::Bpe(bpe) => bpe.label(id),
            Tokenizer::Characters(characters) => characters.label(id),
        }
    }

    /// Returns the token ids of a line. None of them is special, whatever the text is.
    pub fn encode(&self, line: &str, cache: &mut EncodeCache) -> Vec<u32> {
        let mut ids = Vec::with_capacity(line.len() / 3 + 1);
        self.encode_into(line, cache, &mut ids);
        ids
    }

    /// Appends the ids that [`Tokenizer::encode`] returns to `ids`.
    pub fn encode_into(&self, line: &str, cache: &mut EncodeCache, ids: &mut Vec<u32>) {
        match self {
            Tokenizer::Bpe(bpe) => bpe.encode_into(line, cache, ids),
            Tokenizer::Characters(characters) => characters.encode_into(line, ids),
        }
    }

    /// Appends the token ids of a line in another segmentation; a vocabulary of characters has only the usual one.
    pub fn segment_into(
        &self,
        line: &str,
        segmentation: Segmentation,
        cache: &mut EncodeCache,
        ids: &mut Vec<u32>,
    ) {
        if let (Tokenizer::Bpe(bpe), Segmentation::Drawn { dropout, number, longest }) = (self, segmentation)
        {
            let mut random = seed::rng(number, Purpose::Segmentation, seed::place(line));
            let drawn = bpe.encode_drawn(line, dropout, &mut random);
            if drawn.len() <= longest {
                return ids.extend(drawn);
            }
        }
        self.encode_into(line, cache, ids);
    }

    /// Returns the text of the ids of a line. Special tokens and ids beyond the vocabulary give no text.
    pub fn decode(&self, ids: &[u32]) -> String {
        match self {
            Tokenizer::Bpe(bpe) => bpe.decode(ids),
            Tokenizer::Characters(characters) => characters.decode(ids),
        }
    }

    /// Returns the text of the ids of lines that were encoded one by one, each with its end.
    pub fn decode_lines(&self, ids: &[u32]) -> String {
        match self {
            Tokenizer::Bpe(bpe) => bpe.decode_lines(ids),
            Tokenizer::Characters(characters) => characters.decode(ids),
        }
    }

    /// `tokenizer.json` of Hugging Face `tokenizers`, the same text on every machine.
    pub fn to_json(&self) -> String {
        match self {
            Tokenizer::Bpe(bpe) => bpe.to_json(),
            Tokenizer::Characters(characters) => characters.to_json(),
        }
    }

    /// Reads what [`Tokenizer::to_json`] wrote of a tokenizer of this kind.
    ///
    /// # Errors
    /// Anything else is a user error, other kinds of `tokenizer.json` included.
    pub fn from_json(pieces: Pieces, text: &str) -> Result<Self> {
        Ok(match pieces {
            Pieces::Bpe => Tokenizer::Bpe(BpeTokenizer::from_json(text)?),
            Pieces::Characters => Tokenizer::Characters(CharacterTokenizer::from_json(text)?),
        })
    }
}
