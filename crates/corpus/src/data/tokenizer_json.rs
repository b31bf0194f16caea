//! What the two kinds of `tokenizer.json` have in common. They are written by hand, because the order of the keys of a
//! `serde_json::Value` depends on cargo features.

use crate::error::Error;
use serde_json::Value;

/// The error of a text that is not what was written.
pub fn not_ours() -> Error {
    Error::user("this is not a tokenizer that `ablate prepare` wrote; run `ablate prepare` again")
}

/// `text` as a JSON string.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}

/// One item a line.
pub fn joined(items: impl Iterator<Item = String>) -> String {
    items.collect::<Vec<_>>().join(",\n")
}
