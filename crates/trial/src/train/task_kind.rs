//! What models learn to do.

/// What a model learns to do; it follows from the recipe of its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskKind {
    /// To translate sentences.
    Translation,
    /// To predict each token of running text from those before it.
    LanguageModelling,
}
