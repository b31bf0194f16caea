//! The trained model that is exported. Several formats share its refusals, its number of positions and its JSON.

use crate::config::Experiment;
use crate::data::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::model::implementations::Serves;
use crate::model::weights::Weights;
use crate::train::masked_blocks::around;
use serde_json::Value;

/// A trained model and what it is the model of.
pub struct Run<'a> {
    pub experiment: &'a Experiment,
    /// Of the trial; see `config::identity`.
    pub identity: &'a str,
    /// Of both sides, or of the target side.
    pub tokenizer: &'a Tokenizer,
    /// Of the source side, where it has its own.
    pub source_tokenizer: Option<&'a Tokenizer>,
    pub weights: &'a Weights,
    /// How often each token occurs in the training text, of word vectors; else empty.
    pub word_counts: &'a [u64],
}

/// The name and the content of a file of the written directory.
pub type Files = Vec<(&'static str, Vec<u8>)>;

/// Positions that the written tables of fixed encodings cover: as many as Hugging Face and
/// CTranslate2 allow a source by default. A learned table keeps its own length.
pub const TABLE_POSITIONS: i64 = 1024;

/// Rows of the tables of fixed encodings of a model that reads one text: [`TABLE_POSITIONS`], or as many as its rows
/// have in training.
pub fn positions_of_text(experiment: &Experiment) -> i64 {
    let block = experiment.data.max_length as i64;
    // A source and a target with `</s> <s>` between them.
    let longest = match experiment.reads_prefixes() {
        true => 2 * block + 2,
        false => block + around(experiment.model.tells_next_sentence()) as i64,
    };
    longest.max(TABLE_POSITIONS)
}

/// Refuses what a format has no place for.
pub fn serves(format: &str, found: Serves) -> Result<()> {
    found.map_err(|unknown| refusal(format, unknown.setting, unknown.known))
}

/// A refusal: `setting` as the user wrote it, and what the format would hold. What to do instead follows it.
pub fn refusal(format: &str, setting: &str, allowed: &str) -> Error {
    Error::user(format!("{setting} does not fit into {format}: {allowed}"))
}

/// As text that ends in a line feed.
pub fn json_bytes(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::failed(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
