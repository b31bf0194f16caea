//! A mismatch between a file and the type it is read as, and its message: the key, the value seen, what is accepted.

use super::json_schema::SECTIONS_WITH_KEYS;
use super::other_names::{hint, section_hint};
use super::toml_tree::Node;
use crate::error::{Diagnostic, Place, did_you_mean};
use serde::de;
use std::fmt;
use std::num::IntErrorKind;

/// The kind of a mismatch, as serde found it.
#[derive(Debug)]
pub(super) enum Problem {
    UnknownField {
        expected: &'static [&'static str],
    },
    UnknownVariant {
        expected: &'static [&'static str],
    },
    Missing,
    WrongType {
        expected: String,
    },
    /// An integer outside the range of the type.
    OutOfRange {
        accepted: String,
    },
    Other(String),
}

/// A [`Problem`] and its place in the tree; place and path are filled in on the way up.
#[derive(Debug)]
pub(super) struct Mismatch {
    problem: Problem,
    /// Keys from the outermost, reversed.
    path: Vec<String>,
    /// The value seen.
    pub seen: Option<(String, &'static str)>,
    pub place: Option<Place>,
}

impl Mismatch {
    pub fn new(problem: Problem) -> Self {
        Mismatch { problem, path: Vec::new(), seen: None, place: None }
    }

    /// The mismatch with the value that it is about, unless it already has one from further inside.
    pub fn at(mut self, node: &Node) -> Self {
        if self.place.is_none() {
            self.place = Some(node.place.clone());
            self.seen = Some((node.excerpt(), node.kind()));
        }
        self
    }

    /// The mismatch with one more outer key in its path.
    pub fn under(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }

    /// The keys from the outermost.
    pub fn keys(&self) -> Vec<String> {
        self.path.iter().rev().cloned().collect()
    }

    /// Whether a key without a default is not stated.
    pub fn is_missing(&self) -> bool {
        matches!(self.problem, Problem::Missing)
    }

    /// The error that a user reads.
    pub fn diagnostic(self) -> Diagnostic {
        let names = self.keys();
        let path = names.iter().enumerate().fold(String::new(), |path, (i, name)| match i {
            0 => name.clone(),
            _ if name.starts_with('[') => path + name,
            _ => path + "." + name,
        });
        let last = names.last().map_or("", String::as_str);
        let (seen, kind) = self.seen.unwrap_or_default();
        let section = names.len() == 1 && kind == "a table";
        let diagnostic = match self.problem {
            Problem::UnknownField { expected } => {
                let what = if section { format!("section [{path}]") } else { format!("key {path}") };
                // Words of other programs come before names with a similar spelling.
                let known = if section { section_hint(last) } else { hint(last, expected) };
                let of_experiment = names.len() == 1 && expected.contains(&"training");
                // `base` is read before the keys are.
                let expected: Vec<&str> =
                    of_experiment.then_some("base").into_iter().chain(expected.iter().copied()).collect();
                let known = known
                    .or_else(|| of_experiment.then(|| quoted_key(last))?)
                    .or_else(|| (of_experiment && !section).then(|| key_of_section(last))?);
                Diagnostic::new(format!("unknown {what}")).help(match known {
                    Some(known) => format!("{known}; accepted: {}", expected.join(", ")),
                    None => accepted(last, &expected, false),
                })
            }
            Problem::UnknownVariant { expected } => Diagnostic::new(format!("{path} = {seen} is not known"))
                .help(accepted(seen.trim_matches('"'), expected, true)),
            Problem::Missing => {
                Diagnostic::new(format!("{path} is missing")).help(format!("state {path}; it has no default"))
            }
            Problem::WrongType { expected } if section && REPEATED.contains(&last) => {
                Diagnostic::new(format!("{path} = {seen} is {kind}"))
                    .help(format!("expected {expected}: write [[{last}]] above each of them"))
            }
            Problem::WrongType { expected } => {
                Diagnostic::new(format!("{path} = {seen} is {kind}")).help(format!("expected {expected}"))
            }
            Problem::OutOfRange { accepted } => {
                // A `--set` reads a number that is too large for TOML as a string.
                let seen = seen.trim_matches('"');
                Diagnostic::new(format!("{path} = {seen} is out of range"))
                    .help(format!("expected {accepted}"))
            }
            Problem::Other(message) => Diagnostic::new(format!("{path} = {seen}: {message}")),
        };
        diagnostic.at(self.place)
    }
}

/// Tables that a sweep file may contain several times.
const REPEATED: [&str; 5] = ["row", "section", "point", "zip", "exclude"];

/// The advice for a key outside of all sections that belongs into one.
fn key_of_section(word: &str) -> Option<String> {
    let found = SECTIONS_WITH_KEYS.iter().find(|(_, keys)| keys.contains_key(word));
    found.map(|(section, _)| format!("did you mean {section}.{word}? Put it under [{section}]"))
}

/// The advice for a key in quotes outside of all sections, such as `"model.heads"`, which is one name with a dot.
fn quoted_key(word: &str) -> Option<String> {
    let (section, key) = word.rsplit_once('.')?;
    let is_key = SECTIONS_WITH_KEYS.iter().any(|(name, keys)| *name == section && keys.contains_key(key));
    is_key.then(|| format!("write {word} without quotes, or {key} under [{section}]"))
}

/// "did you mean ...? accepted: ...".
fn accepted(word: &str, names: &[&str], quote: bool) -> String {
    let show = |name: &str| if quote { format!("{name:?}") } else { name.to_string() };
    let list = names.iter().map(|name| show(name)).collect::<Vec<_>>().join(", ");
    format!("{}accepted: {list}", did_you_mean(word, names.iter().copied()))
}

/// Translates serde's name of an expected value into TOML's words.
fn expectation(expected: &dyn de::Expected) -> String {
    let rust = expected.to_string();
    match rust.as_str() {
        "usize" | "u64" | "u32" | "u16" | "u8" | "isize" | "i64" | "i32" | "i16" | "i8" => {
            "an integer".to_string()
        }
        "f64" | "f32" => "a number".to_string(),
        "a boolean" => "true or false".to_string(),
        "a sequence" => "an array".to_string(),
        "a map" => "a table".to_string(),
        "string or map" => "a name, or a table with one name as its key".to_string(),
        "newtype variant" | "struct variant" => {
            "a table with this name as its key, as in { name = value }".to_string()
        }
        text if text.starts_with("struct ") => "a table".to_string(),
        text if text.starts_with("enum ") => "a name, or a table with one name as its key".to_string(),
        text => text.to_string(),
    }
}

/// The range of integers that a file can state for a type, if it is a type of integers.
fn integers(expected: &dyn de::Expected) -> Option<String> {
    let (least, most) = match expected.to_string().as_str() {
        // TOML's own integers end here.
        "usize" | "u64" => (0, i64::MAX),
        "u32" => (0, u32::MAX.into()),
        "u16" => (0, u16::MAX.into()),
        "u8" => (0, u8::MAX.into()),
        "isize" | "i64" => (i64::MIN, i64::MAX),
        "i32" => (i32::MIN.into(), i32::MAX.into()),
        "i16" => (i16::MIN.into(), i16::MAX.into()),
        "i8" => (i8::MIN.into(), i8::MAX.into()),
        _ => return None,
    };
    Some(format!("an integer from {least} to {most}"))
}

/// Whether a text is an integer that is too large for TOML.
fn is_too_large(text: &str) -> bool {
    let digits = text.replace('_', "");
    let kind = digits.parse::<i64>().map_err(|error| *error.kind());
    matches!(kind, Err(IntErrorKind::PosOverflow | IntErrorKind::NegOverflow))
}

impl std::error::Error for Mismatch {}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:?}", self.problem)
    }
}

impl de::Error for Mismatch {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Mismatch::new(Problem::Other(message.to_string()))
    }

    fn invalid_type(seen: de::Unexpected, expected: &dyn de::Expected) -> Self {
        Mismatch::new(match (seen, integers(expected)) {
            (de::Unexpected::Str(text), Some(accepted)) if is_too_large(text) => {
                Problem::OutOfRange { accepted }
            }
            _ => Problem::WrongType { expected: expectation(expected) },
        })
    }

    fn invalid_value(_: de::Unexpected, expected: &dyn de::Expected) -> Self {
        Mismatch::new(match integers(expected) {
            Some(accepted) => Problem::OutOfRange { accepted },
            None => Problem::WrongType { expected: expectation(expected) },
        })
    }

    fn invalid_length(_: usize, expected: &dyn de::Expected) -> Self {
        Mismatch::new(Problem::WrongType { expected: expectation(expected) })
    }

    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Mismatch::new(Problem::UnknownField { expected })
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Mismatch::new(Problem::UnknownVariant { expected })
    }

    fn missing_field(field: &'static str) -> Self {
        Mismatch::new(Problem::Missing).under(field)
    }
}
