//! The `tokenizer.json` of an exported directory: the run's tokenizer, with ablate's preprocessing of raw text.

use super::run::{Run, refusal};
use crate::data::{DataConfig, Pieces, Vocabulary};
use crate::error::{Error, Result};
use serde_json::{Map, Value, json};

/// The special tokens that a tokenizer puts around a text.
pub struct Around {
    pub before: &'static [u32],
    pub after: &'static [u32],
    /// Whether a second text gets the type 1, and the tokens of `after` stand behind it too.
    pub tells_second: bool,
}

impl Around {
    pub const NOTHING: Around = Around { before: &[], after: &[], tells_second: false };
}

/// Refuses data that does not fit into a format whose tokenizer reads raw text.
pub fn check(format: &str, data: &DataConfig) -> Result<()> {
    if data.recipe.moses.is_some() {
        let allowed =
            "its tokenizer reads raw text and knows none of Moses's rules, which `ablate moses` applies";
        return Err(refusal(format, "data.recipe.moses", allowed));
    }
    match data.vocabulary {
        Vocabulary::Shared => Ok(()),
        Vocabulary::Separate => {
            Err(refusal(format, "data.vocabulary = \"separate\"", "it is written with one vocabulary"))
        }
    }
}

/// Returns a `tokenizer.json` that reads raw text: it lower-cases if the corpus was lower-cased, puts the special
/// tokens that the model expects around a text, and splits running text into lines.
///
/// # Deviation
/// Lower-casing is `tokenizers`' own, which turns a capital sigma at the end of a word into σ, not ς.
pub fn reading_tokenizer(run: &Run, special: Around) -> Result<Vec<u8>> {
    let data = &run.experiment.data;
    let broken = |error: serde_json::Error| Error::failed(format!("tokenizer.json: {error}"));
    let mut tokenizer: Value = serde_json::from_str(&run.tokenizer.to_json()).map_err(broken)?;
    if data.recipe.is_running_text() && data.pieces == Pieces::Bpe {
        read_lines(&mut tokenizer);
    }
    if data.lowercase {
        let others = Some(tokenizer["normalizer"].take()).filter(|normalizer| !normalizer.is_null());
        let normalizers: Vec<Value> = [json!({"type": "Lowercase"})].into_iter().chain(others).collect();
        tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
    }
    let Around { before, after, tells_second } = special;
    if !(before.is_empty() && after.is_empty()) {
        let special = |ids: &[u32], of: u8| -> Vec<Value> {
            let one = |&id: &u32| json!({"SpecialToken": {"id": run.tokenizer.token(id), "type_id": of}});
            ids.iter().map(one).collect()
        };
        let text = |name: &str, of: u8| vec![json!({"Sequence": {"id": name, "type_id": of}})];
        let single = [special(before, 0), text("A", 0), special(after, 0)].concat();
        let pair = match tells_second {
            false => [special(before, 0), text("A", 0), text("B", 0), special(after, 0)].concat(),
            true => [single.clone(), text("B", 1), special(after, 1)].concat(),
        };
        let declared: Map<String, Value> = before
            .iter()
            .chain(after)
            .map(|&id| {
                let token = run.tokenizer.token(id);
                (token.to_string(), json!({"id": token, "ids": [id], "tokens": [token]}))
            })
            .collect();
        tokenizer["post_processor"] = json!({
            "type": "TemplateProcessing",
            "single": single,
            "pair": pair,
            "special_tokens": declared,
        });
    }
    Ok(format!("{tokenizer}\n").into_bytes())
}

/// Lets a BPE tokenizer read running text as it was prepared: line by line, each with its line break and with a blank
/// before it, which decoding removes again.
fn read_lines(tokenizer: &mut Value) {
    let blanks = json!({"type": "Replace", "pattern": {"Regex": "\n(?!\\z)"}, "content": "\n "});
    let normalizers = [tokenizer["normalizer"].take(), blanks];
    tokenizer["normalizer"] = json!({"type": "Sequence", "normalizers": normalizers});
    let lines = json!({
        "type": "Split",
        "pattern": {"String": "\n"},
        "behavior": "MergedWithPrevious",
        "invert": false,
    });
    let unblanked = json!({"type": "Replace", "pattern": {"String": "\n "}, "content": "\n"});
    let steps = |value: &mut Value| value.as_array_mut().map(std::mem::take).expect("a tokenizer of BPE");
    let mut pretokenizers = steps(&mut tokenizer["pre_tokenizer"]["pretokenizers"]);
    pretokenizers.insert(0, lines);
    tokenizer["pre_tokenizer"]["pretokenizers"] = Value::from(pretokenizers);
    let mut decoders = steps(&mut tokenizer["decoder"]["decoders"]);
    // Before the last one, which removes the blank of the first line.
    decoders.insert(decoders.len() - 1, unblanked);
    tokenizer["decoder"]["decoders"] = Value::from(decoders);
}
