//! The formats that `ablate export` writes.

use clap::ValueEnum;

/// What can be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The weights under ablate's own names, for any code that reads safetensors. Holds every model.
    Safetensors,
    /// A MarianMTModel of Hugging Face transformers. Holds post-norm models whose heads are at most
    /// d_model / heads wide.
    Marian,
    /// A model of CTranslate2. Holds every model, in float32.
    Ctranslate2,
    /// The text format of word2vec, which gensim reads. Holds word vectors alone.
    Word2vec,
}
