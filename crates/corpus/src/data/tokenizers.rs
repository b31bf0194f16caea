//! The tokenizers of the two sides: one for both, or one each.

use super::Vocabulary;
use super::store::Hash;
use super::tokenizer::Tokenizer;

/// File of the tokenizer of both sides, or of the target side.
pub const TOKENIZER: &str = "tokenizer.json";
/// File of the source side's tokenizer, if that is another one.
pub const SOURCE_TOKENIZER: &str = "tokenizer.source.json";

/// The tokenizers of source and target.
#[derive(Debug)]
pub struct Tokenizers {
    source: Option<Tokenizer>,
    target: Tokenizer,
}

impl Tokenizers {
    /// Creates the tokenizers. Without `source`, both sides use `target`.
    pub fn new(source: Option<Tokenizer>, target: Tokenizer) -> Self {
        Tokenizers { source, target }
    }

    pub fn source(&self) -> &Tokenizer {
        self.source.as_ref().unwrap_or(&self.target)
    }

    pub fn target(&self) -> &Tokenizer {
        &self.target
    }

    /// Returns the source side's tokenizer; `None` if both sides share one.
    pub fn source_alone(&self) -> Option<&Tokenizer> {
        self.source.as_ref()
    }

    /// Numbers of tokens of source and target.
    pub fn sizes(&self) -> (usize, usize) {
        (self.source().len(), self.target.len())
    }

    /// The larger number of tokens: every id of either side is below it.
    pub fn largest(&self) -> usize {
        self.source().len().max(self.target.len())
    }

    /// Their files: name and content.
    pub fn files(&self) -> Vec<(&'static str, String)> {
        let source = self.source.iter().map(|source| (SOURCE_TOKENIZER, source.to_json()));
        source.chain([(TOKENIZER, self.target.to_json())]).collect()
    }
}

/// The names of their files, in the order of [`Tokenizers::files`].
pub fn file_names(vocabulary: Vocabulary) -> &'static [&'static str] {
    match vocabulary {
        Vocabulary::Shared => &[TOKENIZER],
        Vocabulary::Separate => &[SOURCE_TOKENIZER, TOKENIZER],
    }
}

/// blake3 of the files' contents, one after the other; binds stores to the tokenizers that made them.
pub fn hash<'a>(contents: impl IntoIterator<Item = &'a str>) -> Hash {
    let mut hasher = blake3::Hasher::new();
    contents.into_iter().for_each(|content| _ = hasher.update(content.as_bytes()));
    *hasher.finalize().as_bytes()
}
