//! The vocabulary sizes of both sides, for which a model is built.

/// Numbers of tokens in the vocabularies of the two sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VocabularySizes {
    pub source: usize,
    pub target: usize,
}

impl From<usize> for VocabularySizes {
    /// The same tokens on both sides.
    fn from(size: usize) -> Self {
        VocabularySizes { source: size, target: size }
    }
}

impl From<(usize, usize)> for VocabularySizes {
    /// Source and target.
    fn from((source, target): (usize, usize)) -> Self {
        VocabularySizes { source, target }
    }
}
