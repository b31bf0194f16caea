//! What models learn to do.

/// What a model learns to do; it follows from the recipe of its text and from the parts of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// To translate sentences.
    Translation,
    /// To predict each token of running text from those before it.
    LanguageModelling,
    /// To find hidden tokens of running text by those around them.
    MaskedLanguageModelling,
}
