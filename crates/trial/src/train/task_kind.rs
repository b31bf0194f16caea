//! What models learn to do.

/// What a model learns to do; it follows from the recipe of its text and from the parts of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// To translate sentences.
    Translation,
    /// To parse sentences: to write the constituency tree of each as a sequence.
    Parsing,
    /// To predict each token of running text from those before it.
    LanguageModelling,
    /// To find hidden tokens of running text by those around them.
    MaskedLanguageModelling,
    /// To give words vectors by which words that stand near each other in running text are told from others.
    WordVectors,
}

impl TaskKind {
    /// Whether the examples are pairs of a source, which is given, and a target, which the model learns to write.
    pub fn has_pairs(self) -> bool {
        matches!(self, TaskKind::Translation | TaskKind::Parsing)
    }

    /// The kind of model that is trained to do it, in a sentence.
    pub fn model(self) -> &'static str {
        match self {
            TaskKind::Translation => "a translating model",
            TaskKind::Parsing => "a parser",
            TaskKind::LanguageModelling | TaskKind::MaskedLanguageModelling => "a language model",
            TaskKind::WordVectors => "a model of word vectors",
        }
    }

    /// The numbers that judge such a model without a reference.
    pub fn measures(self) -> &'static str {
        match self {
            TaskKind::WordVectors => "losses",
            _ => "perplexities",
        }
    }
}
