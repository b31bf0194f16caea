//! The trained model to export, and shared parts of the formats: refusals, number of positions, JSON.

use crate::config::Experiment;
use crate::data::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::json;
use crate::model::implementations::Serves;
use crate::model::weights::Weights;
use crate::train::masked_blocks::around;
use serde_json::Value;

/// A trained model with its experiment and tokenizers.
pub struct Run<'a> {
    pub experiment: &'a Experiment,
    /// Identity of the trial; see `config::identity`.
    pub identity: &'a str,
    /// Tokenizer of both sides, or of the target side.
    pub tokenizer: &'a Tokenizer,
    /// Tokenizer of the source side, if it has its own.
    pub source_tokenizer: Option<&'a Tokenizer>,
    pub weights: &'a Weights,
    /// Number of occurrences of each token in the training text, for word vectors; otherwise empty.
    pub word_counts: &'a [u64],
}

/// Name and content of each file in the exported directory.
pub type Files = Vec<(&'static str, Vec<u8>)>;

/// Number of positions in the written tables of fixed encodings: the default limit of sources in Hugging Face and
/// CTranslate2. A learned table keeps its own length.
pub const TABLE_POSITIONS: i64 = 1024;

/// Returns the rows of a fixed encoding's table for a model that reads one text: [`TABLE_POSITIONS`], or the length of
/// a row in training if that is longer.
pub fn positions_of_text(experiment: &Experiment) -> i64 {
    let block = experiment.data.max_length as i64;
    // A source and a target with `</s> <s>` between them.
    let longest = match experiment.reads_prefixes() {
        true => 2 * block + 2,
        false => block + around(experiment.model.tells_next_sentence()) as i64,
    };
    longest.max(TABLE_POSITIONS)
}

/// Refuses a model that does not fit into the format.
pub fn serves(format: &str, found: Serves) -> Result<()> {
    found.map_err(|unknown| refusal(format, unknown.setting, unknown.known))
}

/// Returns a refusal of `setting`, as the user wrote it, with the values that the format allows. The caller appends advice.
pub fn refusal(format: &str, setting: &str, allowed: &str) -> Error {
    Error::user(format!("{setting} does not fit into {format}: {allowed}"))
}

/// Formats a value as indented JSON that ends in a line feed.
pub fn json_bytes(value: &Value) -> Result<Vec<u8>> {
    json::page(value).map(String::into_bytes)
}
