//! `--format safetensors`: the weights with the names, shapes and precision of the run.
//!
//! The metadata of `model.safetensors` describes the model: `identity`, `configuration` (JSON) and `tokenizer` (the
//! whole `tokenizer.json`). Shared matrices are stored once; `model.tying` tells which are shared.

use super::run::{Files, Run};
use crate::data::tokenizers::{SOURCE_TOKENIZER, TOKENIZER};
use crate::error::Result;
use crate::json;
use crate::train::tensor_file::file_of;

pub fn files(run: &Run) -> Result<Files> {
    let tokenizer = run.tokenizer.to_json();
    let metadata = [
        ("format", "pt".to_string()),
        ("identity", run.identity.to_string()),
        ("configuration", json::line(run.experiment)?),
        ("tokenizer", tokenizer.clone()),
    ];
    let mut files = vec![
        ("model.safetensors", file_of(&run.weights.saved(), metadata)?),
        (TOKENIZER, tokenizer.into_bytes()),
    ];
    files.extend(run.source_tokenizer.map(|source| (SOURCE_TOKENIZER, source.to_json().into_bytes())));
    Ok(files)
}

pub fn example(directory: &str) -> String {
    format!(
        "from safetensors import safe_open\n\
         with safe_open({directory} + \"/model.safetensors\", \"numpy\") as file:\n    \
         for name in file.keys(): print(name, file.get_tensor(name).shape)\n"
    )
}
