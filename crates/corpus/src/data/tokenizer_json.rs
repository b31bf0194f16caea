//! Parts that both kinds of `tokenizer.json` share. These files are written by hand, because the order of the keys of a
//! `serde_json::Value` depends on cargo features.

use crate::error::Error;
use serde_json::Value;

/// Returns the user error for a file that `ablate prepare` did not write.
pub fn not_ours() -> Error {
    Error::user("this is not a tokenizer that `ablate prepare` wrote; run `ablate prepare` again")
}

/// Returns `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// Joins items with commas, one item per line.
pub fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",\n")
}
