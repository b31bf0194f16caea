//! A finished run in the layouts that other toolkits load, one file a format.
//!
//! A format is exact or refused: what it cannot express is named before anything is written, and
//! what it writes computes the run's own function, up to the rounding of its numbers.

mod ctranslate2;
mod marian;
mod safetensors;
mod tensors;

use crate::config::{Experiment, to_toml};
use crate::data::staging::{Staging, write_durably};
use crate::data::tokenizer::Tokenizer;
use crate::error::{Error, Result};
use crate::model::ModelConfig;
use crate::model::implementations::Serves;
use crate::model::weights::Weights;
use serde_json::{Value, json};
use std::path::Path;

pub use ablate_trial::export::Format;

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
}

/// The name and the content of a file of the written directory.
type Files = Vec<(&'static str, Vec<u8>)>;

/// Positions that the written tables of fixed encodings cover: as many as Hugging Face and
/// CTranslate2 allow a source by default. A learned table keeps its own length.
const TABLE_POSITIONS: i64 = 1024;

/// Writes `run` to the directory `out`, which appears complete or not at all.
///
/// # Errors
/// As [`check`] and [`check_place`].
pub fn export(format: Format, run: &Run, out: &Path) -> Result<()> {
    check(format, &run.experiment.model)?;
    check_place(out)?;
    let mut files = files(format, run)?;
    let version = env!("CARGO_PKG_VERSION");
    let origin = format!("# exported by ablate {version} from trial {}\n\n", run.identity);
    files.push(("config.toml", (origin + &to_toml(run.experiment)?).into_bytes()));
    let staging = Staging::create(out)?;
    for (name, bytes) in &files {
        write_durably(&staging.path().join(name), bytes)?;
    }
    if staging.publish(out)? { Ok(()) } else { Err(taken(out)) }
}

/// Refuses a place that could not be written to or holds something already.
pub fn check_place(out: &Path) -> Result<()> {
    if out.file_name().is_none() {
        return Err(Error::user(format!("--out {} names no directory that could be made", out.display())));
    }
    match std::fs::read_dir(out).map(|mut entries| entries.next().is_none()) {
        Ok(true) => Ok(()),
        Ok(false) => Err(taken(out)),
        Err(_) if !out.exists() => Ok(()),
        Err(error) => Err(Error::user(format!("--out {}: {error}; choose a new directory", out.display()))),
    }
}

fn taken(out: &Path) -> Error {
    Error::user(format!("{} is not empty; choose a new directory or remove it", out.display()))
}

/// # Errors
/// A user error that names the setting which the format has no place for.
pub fn check(format: Format, model: &ModelConfig) -> Result<()> {
    match format {
        Format::Safetensors => Ok(()),
        Format::Marian => marian::check(model),
        Format::Ctranslate2 => ctranslate2::check(model),
    }
}

fn files(format: Format, run: &Run) -> Result<Files> {
    match format {
        Format::Safetensors => safetensors::files(run),
        Format::Marian => marian::files(run),
        Format::Ctranslate2 => ctranslate2::files(run),
    }
}

/// A Python program that loads what was written to `out`; the two that translate print the
/// translation of the first line of standard input.
pub fn example(format: Format, out: &Path, experiment: &Experiment) -> String {
    let directory = format!("{:?}", out.display().to_string());
    match format {
        Format::Safetensors => safetensors::example(&directory),
        Format::Marian => marian::example(&directory),
        Format::Ctranslate2 => {
            let decoding = &experiment.decoding;
            ctranslate2::example(&directory, decoding.beam, decoding.length_penalty)
        }
    }
}

/// Refuses what a format has no place for.
fn serves(format: &str, found: Serves, remedy: &str) -> Result<()> {
    found.map_err(|unknown| refusal(format, unknown.setting, unknown.known, remedy))
}

/// A refusal: `setting` as the user wrote it, and what the format would hold.
fn refusal(format: &str, setting: &str, allowed: &str, remedy: &str) -> Error {
    Error::user(format!("{setting} does not fit into {format}: {allowed}; {remedy}"))
}

/// The `tokenizer.json` for those who read raw text with it: lower-cases if the corpus was, and with
/// `ends` puts `</s>` behind a line, as the model expects of a source.
///
/// # Deviation
/// Lower-casing is `tokenizers`' own, which writes a capital sigma at the end of a word as σ, not ς.
fn reading_tokenizer(run: &Run, format: &str, ends: bool) -> Result<Vec<u8>> {
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
        let normalizers = json!([{"type": "Lowercase"}, tokenizer["normalizer"].take()]);
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
    }
    if ends {
        let line = json!({"Sequence": {"id": "A", "type_id": 0}});
        let end = json!({"SpecialToken": {"id": "</s>", "type_id": 0}});
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": [line, end],
            "pair": [line, {"Sequence": {"id": "B", "type_id": 0}}, end],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [crate::data::tokenizer::EOS], "tokens": ["</s>"]}},
        });
    }
    Ok(format!("{tokenizer}\n").into_bytes())
}

/// As text that ends in a line feed.
fn json_bytes(value: &Value) -> Result<Vec<u8>> {
    let mut bytes = serde_json::to_vec_pretty(value).map_err(|error| Error::failed(error.to_string()))?;
    bytes.push(b'\n');
    Ok(bytes)
}
