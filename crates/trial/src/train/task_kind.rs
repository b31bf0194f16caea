//! The tasks that models learn.

/// The task that a model learns; it follows from the recipe of its text and from the parts of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// Translating sentences.
    Translation,
    /// Parsing sentences: writing the constituency tree of each as a sequence.
    Parsing,
    /// Predicting each token of running text from the tokens before it.
    LanguageModelling,
    /// Finding hidden tokens of running text from the tokens around them.
    MaskedLanguageModelling,
    /// Learning word vectors that distinguish neighbours in running text from other words.
    WordVectors,
}

impl TaskKind {
    /// Whether the examples are pairs of a source, which is given, and a target, which the model learns to write.
    pub fn has_pairs(self) -> bool {
        matches!(self, TaskKind::Translation | TaskKind::Parsing)
    }

    /// The kind of model that learns the task, for use in a sentence.
    pub fn model(self) -> &'static str {
        match self {
            TaskKind::Translation => "a translating model",
            TaskKind::Parsing => "a parser",
            TaskKind::LanguageModelling | TaskKind::MaskedLanguageModelling => "a language model",
            TaskKind::WordVectors => "a model of word vectors",
        }
    }

    /// The measure of such a model without a reference, for use in a sentence.
    pub fn measures(self) -> &'static str {
        match self {
            TaskKind::WordVectors => "losses",
            _ => "perplexities",
        }
    }
}
