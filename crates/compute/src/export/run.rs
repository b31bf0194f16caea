//! What is exported, and what several formats need: refusals, the tokenizer, JSON.

use crate::config::Experiment;
use crate::data::tokenizer::{EOS, Tokenizer};
use crate::error::{Error, Result};
use crate::model::implementations::Serves;
use crate::model::weights::Weights;
use serde_json::{Value, json};

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

/// Refuses what a format has no place for.
pub fn serves(format: &str, found: Serves, remedy: &str) -> Result<()> {
    found.map_err(|unknown| refusal(format, unknown.setting, unknown.known, remedy))
}

/// A refusal: `setting` as the user wrote it, and what the format would hold.
pub fn refusal(format: &str, setting: &str, allowed: &str, remedy: &str) -> Error {
    Error::user(format!("{setting} does not fit into {format}: {allowed}; {remedy}"))
}

/// The `tokenizer.json` for those who read raw text with it: lower-cases if the corpus was, and with
/// `ends` puts `</s>` behind a line, as the model expects of a source.
///
/// # Deviation
/// Lower-casing is `tokenizers`' own, which writes a capital sigma at the end of a word as σ, not ς.
pub fn reading_tokenizer(run: &Run, format: &str, ends: bool) -> Result<Vec<u8>> {
    if run.experiment.data.recipe.moses.is_some() {
        let allowed = "its tokenizer reads raw text and knows none of Moses's rules";
        let remedy = "export safetensors, and put `ablate moses` around what loads it";
        return Err(refusal(format, "data.recipe.moses", allowed, remedy));
    }
    if run.source_tokenizer.is_some() {
        let remedy = "export safetensors";
        return Err(refusal(
            format,
            "data.vocabulary = \"separate\"",
            "it is written with one vocabulary",
            remedy,
        ));
    }
    let broken = |error: serde_json::Error| Error::failed(format!("tokenizer.json: {error}"));
    let mut tokenizer: Value = serde_json::from_str(&run.tokenizer.to_json()).map_err(broken)?;
    if run.experiment.data.lowercase {
        let others = Some(tokenizer["normalizer"].take()).filter(|normalizer| !normalizer.is_null());
        let normalizers: Vec<Value> = [json!({"type": "Lowercase"})].into_iter().chain(others).collect();
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
    }
    if ends {
        let line = json!({"Sequence": {"id": "A", "type_id": 0}});
        let end = json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [line, end],
            "pair": [line, {"Sequence": {"id": "B", "type_id": 0}}, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [EOS], "tokens": ["</s>"]}},
        });
    }
    Ok(format!("{tokenizer}\n").into_bytes())
}

/// As text that ends in a line feed.
pub fn json_bytes(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::failed(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
