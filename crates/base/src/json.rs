//! Writes values as JSON text. Readers have errors of their own, which name the file that they read.

use crate::error::{Error, Result};
use serde::Serialize;

/// Writes a value as one line of JSON, without a line break.
pub fn line(value: &(impl Serialize + ?Sized)) -> Result<String> {
    serde_json::to_string(value).map_err(failed)
}

/// Writes a value as JSON for people: indented, with a line break at the end.
pub fn page(value: &(impl Serialize + ?Sized)) -> Result<String> {
    Ok(serde_json::to_string_pretty(value).map_err(failed)? + "\n")
}

fn failed(error: serde_json::Error) -> Error {
    Error::failed(error.to_string())
}
