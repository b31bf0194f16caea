//! The formats that `ablate export` writes.

use clap::ValueEnum;

/// A file format for exported models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The weights under ablate's own names, for any code that reads safetensors. Holds every model.
    Safetensors,
    /// A MarianMTModel of Hugging Face transformers. Holds post-norm models whose heads are at most
    /// d_model / heads wide.
    Marian,
    /// A model of CTranslate2. Holds models with an encoder and a decoder of self-attention, in float32.
    Ctranslate2,
    /// An OpenAIGPTLMHeadModel of Hugging Face transformers. Holds language models (model.encoder = "none") that
    /// normalise after each sub-layer and read a text from its beginning.
    OpenaiGpt,
    /// A BertForMaskedLM of Hugging Face transformers, or a BertForPreTraining with model.masked.next_sentence. Holds masked
    /// language models (model.decoder = "none") with normalised embeddings and a transform before the softmax.
    Bert,
    /// The text format of word2vec, which gensim reads. Holds word vectors alone.
    Word2vec,
}

impl Format {
    pub fn every() -> &'static [Format] {
        Format::value_variants()
    }

    /// Returns the word that `--format` takes.
    pub fn name(self) -> String {
        self.to_possible_value().expect("every format can be chosen").get_name().to_string()
    }
}
