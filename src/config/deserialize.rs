//! From a [`tree`](super::toml_tree) to typed configuration, with errors that name the file, the
//! line, the whole key, the value seen, what is accepted and the nearest name.

use super::toml_tree::{Key, Node, Table, Value};
use crate::error::{Diagnostic, Place, nearest};
use serde::de::{self, IntoDeserializer, Visitor};
use std::fmt;
use std::num::IntErrorKind;

/// Reads `table` as a `T`.
///
/// `place` is where a missing key is reported: the file's start, usually.
///
/// # Errors
/// The first key or value that does not fit, as a [`Diagnostic`].
pub fn from_table<T: de::DeserializeOwned>(table: &Table, place: &Place) -> Result<T, Diagnostic> {
    T::deserialize(Root { table, place }).map_err(Mismatch::diagnostic)
}

/// What does not fit, as serde found it.
#[derive(Debug)]
enum Problem {
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
    /// An integer beyond those that the type holds.
    OutOfRange {
        accepted: String,
    },
    Other(String),
}

/// A [`Problem`] and where in the tree it is; the place and path fill as it travels up.
#[derive(Debug)]
struct Mismatch {
    problem: Problem,
    /// Keys from the outermost, reversed.
    path: Vec<String>,
    /// The value seen.
    seen: Option<(String, &'static str)>,
    place: Option<Place>,
}

impl Mismatch {
    fn new(problem: Problem) -> Self {
        Mismatch { problem, path: Vec::new(), seen: None, place: None }
    }

    /// Remembers the innermost value that the problem is about.
    fn at(mut self, node: &Node) -> Self {
        if self.place.is_none() {
            self.place = Some(node.place.clone());
            self.seen = Some((node.excerpt(), node.kind()));
        }
        self
    }

    fn under(mut self, key: impl Into<String>) -> Self {
        self.path.push(key.into());
        self
    }

    fn diagnostic(self) -> Diagnostic {
        let mut names = self.path;
        names.reverse();
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
                Diagnostic::new(format!("unknown {what}")).help(accepted(last, expected, false))
            }
            Problem::UnknownVariant { expected } => Diagnostic::new(format!("{path} = {seen} is not known"))
                .help(accepted(seen.trim_matches('"'), expected, true)),
            Problem::Missing => {
                Diagnostic::new(format!("{path} is missing")).help(format!("state {path}; it has no default"))
            }
            Problem::WrongType { expected } => {
                Diagnostic::new(format!("{path} = {seen} is {kind}")).help(format!("expected {expected}"))
            }
            Problem::OutOfRange { accepted } => {
                // A `--set` makes a string of what TOML has no integer for.
                let seen = seen.trim_matches('"');
                Diagnostic::new(format!("{path} = {seen} is out of range"))
                    .help(format!("expected {accepted}"))
            }
            Problem::Other(message) => Diagnostic::new(format!("{path} = {seen}: {message}")),
        };
        diagnostic.at(self.place)
    }
}

/// "did you mean ...? accepted: ...".
fn accepted(word: &str, names: &[&str], quote: bool) -> String {
    let show = |name: &str| if quote { format!("{name:?}") } else { name.to_string() };
    let list = names.iter().map(|name| show(name)).collect::<Vec<_>>().join(", ");
    match nearest(word, names.iter().copied()) {
        Some(name) => format!("did you mean {name:?}? accepted: {list}"),
        None => format!("accepted: {list}"),
    }
}

/// What serde calls an expected value, in TOML's words.
fn expectation(expected: &dyn de::Expected) -> String {
    let rust = expected.to_string();
    match rust.as_str() {
        "usize" | "u64" | "u32" | "u16" | "u8" => "an integer, 0 or more".to_string(),
        "isize" | "i64" | "i32" | "i16" | "i8" => "an integer".to_string(),
        "f64" | "f32" => "a number".to_string(),
        "a boolean" => "true or false".to_string(),
        "a sequence" => "an array".to_string(),
        "a map" => "a table".to_string(),
        "string or map" => "a name, or a table with one name as its key".to_string(),
        "newtype variant" | "struct variant" => "a table under this name".to_string(),
        text if text.starts_with("struct ") => "a table".to_string(),
        text if text.starts_with("enum ") => "a name, or a table with one name as its key".to_string(),
        text => text.to_string(),
    }
}

/// The integers that a file can state for a type, if it is one of integers.
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

/// Whether a text is an integer that TOML has no room for.
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

/// A whole document.
struct Root<'a> {
    table: &'a Table,
    place: &'a Place,
}

impl<'de> de::Deserializer<'de> for Root<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(Entries::new(self.table)).map_err(|mut error| {
            error.place.get_or_insert_with(|| self.place.clone());
            error
        })
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A value somewhere in the tree.
#[derive(Clone, Copy)]
struct At<'a>(&'a Node);

impl<'de> de::Deserializer<'de> for At<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match &self.0.value {
            Value::String(text) => visitor.visit_str(text),
            Value::Integer(number) => visitor.visit_i64(*number),
            Value::Float(number) => visitor.visit_f64(*number),
            Value::Boolean(value) => visitor.visit_bool(*value),
            Value::Datetime(_) => Err(de::Error::invalid_type(de::Unexpected::Other("date"), &visitor)),
            Value::Array(nodes) => visitor.visit_seq(Items { nodes: nodes.iter(), index: 0 }),
            Value::Table(table) => visitor.visit_map(Entries::new(table)),
        }
        .map_err(|error| error.at(self.0))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    /// Externally tagged: a name, or a table whose only key is the name.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let chosen = match &self.0.value {
            Value::String(name) => visitor.visit_enum(name.as_str().into_deserializer()),
            Value::Table(table) => {
                let mut entries = table.iter();
                match (entries.next(), entries.next()) {
                    (Some((key, content)), None) => visitor.visit_enum(Variant { key, content }),
                    _ => Err(Mismatch::new(Problem::WrongType {
                        expected: format!("a table with exactly one of: {}", variants.join(", ")),
                    })),
                }
            }
            _ => Err(Mismatch::new(Problem::UnknownVariant { expected: variants })),
        };
        chosen.map_err(|error| error.at(self.0))
    }

    /// A table, and no array of values in the order of fields, which serde would take too: `model = []` for defaults.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        if let Value::Array(_) = self.0.value {
            return Err(<Mismatch as de::Error>::invalid_type(de::Unexpected::Seq, &visitor).at(self.0));
        }
        self.deserialize_any(visitor)
    }

    /// A value that is read elsewhere.
    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_unit()
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit
        unit_struct seq tuple tuple_struct map identifier
    }
}

/// The entries of a table, one after the other.
struct Entries<'a> {
    rest: Box<dyn Iterator<Item = &'a (Key, Node)> + 'a>,
    current: Option<&'a (Key, Node)>,
}

impl<'a> Entries<'a> {
    fn new(table: &'a Table) -> Self {
        Entries { rest: Box::new(table.iter()), current: None }
    }
}

impl<'de> de::MapAccess<'de> for Entries<'_> {
    type Error = Mismatch;

    fn next_key_seed<K: de::DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.current = self.rest.next();
        let Some((key, node)) = self.current else {
            return Ok(None);
        };
        seed.deserialize(key.name.as_str().into_deserializer()).map(Some).map_err(|error: Mismatch| {
            let mut error = error.at(node).under(key.name.clone());
            error.place = Some(key.place.clone());
            error
        })
    }

    fn next_value_seed<V: de::DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let Some((key, node)) = self.current.take() else {
            return Err(de::Error::custom("a value was asked for before its key"));
        };
        seed.deserialize(At(node)).map_err(|error| error.at(node).under(key.name.clone()))
    }
}

/// The items of an array.
struct Items<'a> {
    nodes: std::slice::Iter<'a, Node>,
    index: usize,
}

impl<'de> de::SeqAccess<'de> for Items<'_> {
    type Error = Mismatch;

    fn next_element_seed<T: de::DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Mismatch> {
        let Some(node) = self.nodes.next() else {
            return Ok(None);
        };
        let index = self.index;
        self.index += 1;
        seed.deserialize(At(node)).map(Some).map_err(|error| error.at(node).under(format!("[{index}]")))
    }
}

/// The table form of an enum's value: `{ name = content }`.
struct Variant<'a> {
    key: &'a Key,
    content: &'a Node,
}

impl<'a, 'de> de::EnumAccess<'de> for Variant<'a> {
    type Error = Mismatch;
    type Variant = Self;

    fn variant_seed<V: de::DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Mismatch> {
        let name = self.key.name.as_str();
        let value = seed.deserialize(name.into_deserializer()).map_err(|mut error: Mismatch| {
            error.seen = Some((format!("{name:?}"), "a name"));
            error.place = Some(self.key.place.clone());
            error
        })?;
        Ok((value, self))
    }
}

impl<'de> de::VariantAccess<'de> for Variant<'_> {
    type Error = Mismatch;

    fn unit_variant(self) -> Result<(), Mismatch> {
        let expected = format!("the name alone: {:?}", self.key.name);
        Err(Mismatch::new(Problem::WrongType { expected }))
    }

    fn newtype_variant_seed<T: de::DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(At(self.content))
            .map_err(|error| error.at(self.content).under(self.key.name.clone()))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Mismatch> {
        de::Deserializer::deserialize_any(At(self.content), visitor)
            .map_err(|error| error.under(self.key.name.clone()))
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        de::Deserializer::deserialize_struct(At(self.content), "", fields, visitor)
            .map_err(|error| error.under(self.key.name.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse;
    use serde::Deserialize;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Sample {
        rate: f64,
        count: Option<usize>,
        kind: Option<Kind>,
        list: Option<Vec<u64>>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "snake_case", deny_unknown_fields)]
    enum Kind {
        Plain,
        Rotary { base: f64 },
    }

    fn read(text: &str) -> Result<Sample, Diagnostic> {
        let start = Place { file: "a.toml".into(), text: text.into(), span: 0..0 };
        from_table(&parse("a.toml", text)?, &start)
    }

    fn fails(text: &str, message: &str, help: &str, line: usize) {
        let error = read(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.help.as_deref()), (message, Some(help)), "{text}");
        assert_eq!(error.place.map(|place| place.line()), Some(line), "{text}");
    }

    #[test]
    fn integers_serve_as_numbers_and_enums_have_both_forms() {
        let sample = read("rate = 0\nkind = { rotary = { base = 1e4 } }\nlist = [1, 2]").unwrap();
        let kind = Some(Kind::Rotary { base: 1e4 });
        assert_eq!(sample, Sample { rate: 0.0, count: None, kind, list: Some(vec![1, 2]) });
        assert_eq!(read("rate = 1.5\nkind = \"plain\"").unwrap().kind, Some(Kind::Plain));
    }

    #[test]
    fn mismatches_name_the_key_the_value_and_what_is_accepted() {
        fails("rate = 1\ncount = 1.0", "count = 1.0 is a float", "expected an integer, 0 or more", 2);
        let range = "expected an integer from 0 to 9223372036854775807";
        fails("rate = 1\ncount = -1", "count = -1 is out of range", range, 2);
        let beyond = "9_223_372_036_854_775_808";
        fails(
            &format!("rate = 1\ncount = \"{beyond}\""),
            &format!("count = {beyond} is out of range"),
            range,
            2,
        );
        fails("rate = 1\ncount = \"12\"", "count = \"12\" is a string", "expected an integer, 0 or more", 2);
        fails("rate = true", "rate = true is a boolean", "expected a number", 1);
        fails("rate = 2020-01-01", "rate = 2020-01-01 is a date or time", "expected a number", 1);
        fails("\ncount = 1", "rate is missing", "state rate; it has no default", 1);
        fails(
            "rate = 1\nlist = [\n 1,\n \"x\"]",
            "list[1] = \"x\" is a string",
            "expected an integer, 0 or more",
            4,
        );
    }

    #[test]
    fn wrong_names_get_the_list_and_the_nearest() {
        let fields = "accepted: rate, count, kind, list";
        fails("rtae = 1", "unknown key rtae", &format!("did you mean \"rate\"? {fields}"), 1);
        fails(
            "rate = 1\nkind = \"plane\"",
            "kind = \"plane\" is not known",
            "did you mean \"plain\"? accepted: \"plain\", \"rotary\"",
            2,
        );
        fails(
            "rate = 1\nkind = { round = 1 }",
            "kind = \"round\" is not known",
            "accepted: \"plain\", \"rotary\"",
            2,
        );
        fails(
            "rate = 1\nkind = { rotary = { base = 1, x = 2 } }",
            "unknown key kind.rotary.x",
            "accepted: base",
            2,
        );
        fails("rate = 1\nkind = 3", "kind = 3 is not known", "accepted: \"plain\", \"rotary\"", 2);
        fails(
            "rate = 1\nkind = { plain = 3 }",
            "kind = { plain = 3 } is a table",
            "expected the name alone: \"plain\"",
            2,
        );
    }
}
