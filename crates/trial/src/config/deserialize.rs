//! From a [`tree`](super::toml_tree) to typed configuration, with errors that name the file, the
//! line, the whole key, the value seen, what is accepted and the nearest name.

use super::mismatch::{Mismatch, Problem};
use super::toml_tree::{Key, Node, Table, Value};
use crate::error::{Diagnostic, Mistakes, Place};
use serde::de::{self, IntoDeserializer, Visitor};

/// Reads `table` as a `T`.
///
/// `place` is the place at which a missing key is reported, usually the start of the file.
///
/// # Errors
/// All keys and values that do not fit, as one [`Diagnostic`].
pub fn from_table<T: de::DeserializeOwned>(table: &Table, place: &Place) -> Result<T, Diagnostic> {
    read_in_part(table, place).map_err(|unfit| unfit.mistakes.into_diagnostic())
}

/// A table in which keys or values do not fit.
pub struct Unfit<T> {
    /// The mistakes, one at least.
    pub mistakes: Mistakes,
    /// The keys that the mistakes remove from `rest`, each as a path.
    pub left_out: Vec<Vec<String>>,
    /// The table without these keys, and the value read from it; `None` if a key is missing, or if a wrong key cannot
    /// be left out.
    pub rest: Option<(Table, T)>,
}

/// [`from_table`] that also gives the part that can be read despite mistakes.
pub fn read_in_part<T: de::DeserializeOwned>(table: &Table, place: &Place) -> Result<T, Box<Unfit<T>>> {
    let mut mismatch = match T::deserialize(Root { table, place }) {
        Ok(found) => return Ok(found),
        Err(mismatch) => mismatch,
    };
    // Without the wrong key, the next mistake shows. A key that is missing then may be missing for that reason.
    let (mut rest, mut mistakes, mut left_out) = (table.clone(), Mistakes::default(), Vec::new());
    let found = loop {
        let keys = mismatch.keys();
        let is_removed = !mismatch.is_missing() && rest.remove_at(&keys);
        mistakes.add(mismatch.diagnostic());
        if !is_removed || mistakes.is_full() {
            break None;
        }
        left_out.push(keys);
        match T::deserialize(Root { table: &rest, place }) {
            Ok(found) => break Some(found),
            Err(next) if next.is_missing() => break None,
            Err(next) => mismatch = next,
        }
    };
    Err(Box::new(Unfit { mistakes, left_out, rest: found.map(|found| (rest, found)) }))
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

    /// A table. Serde would also take an array of values in the order of fields: `model = []` for defaults.
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

    /// A value that nothing reads here.
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
    use crate::error::MOST_MISTAKES;
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

    fn from_text(text: &str) -> Result<Sample, Diagnostic> {
        let start = Place { file: "a.toml".into(), text: text.into(), span: 0..0 };
        from_table(&parse("a.toml", text)?, &start)
    }

    fn fails(text: &str, message: &str, help: &str, line: usize) {
        let error = from_text(text).unwrap_err();
        assert_eq!((error.message.as_str(), error.help.as_deref()), (message, Some(help)), "{text}");
        assert_eq!(error.place.map(|place| place.line()), Some(line), "{text}");
    }

    #[test]
    fn integers_serve_as_numbers_and_enums_have_both_forms() {
        let sample = from_text("rate = 0\nkind = { rotary = { base = 1e4 } }\nlist = [1, 2]").unwrap();
        let kind = Some(Kind::Rotary { base: 1e4 });
        assert_eq!(sample, Sample { rate: 0.0, count: None, kind, list: Some(vec![1, 2]) });
        assert_eq!(from_text("rate = 1.5\nkind = \"plain\"").unwrap().kind, Some(Kind::Plain));
    }

    #[test]
    fn mismatches_name_the_key_the_value_and_what_is_accepted() {
        fails("rate = 1\ncount = 1.0", "count = 1.0 is a float", "expected an integer", 2);
        let range = "expected an integer from 0 to 9223372036854775807";
        fails("rate = 1\ncount = -1", "count = -1 is out of range", range, 2);
        let beyond = "9_223_372_036_854_775_808";
        fails(
            &format!("rate = 1\ncount = \"{beyond}\""),
            &format!("count = {beyond} is out of range"),
            range,
            2,
        );
        fails("rate = 1\ncount = \"12\"", "count = \"12\" is a string", "expected an integer", 2);
        fails("rate = true", "rate = true is a boolean", "expected a number", 1);
        fails("rate = 2020-01-01", "rate = 2020-01-01 is a date or time", "expected a number", 1);
        fails("\ncount = 1", "rate is missing", "state rate; it has no default", 1);
        fails("rate = 1\nlist = [\n 1,\n \"x\"]", "list[1] = \"x\" is a string", "expected an integer", 4);
    }

    #[test]
    fn all_mistakes_of_a_file_are_told_at_once() {
        let error = from_text("rtae = 1\nrate = true\ncount = -1\nkind = \"plane\"").unwrap_err();
        let told: Vec<&str> =
            std::iter::once(&error).chain(&error.more).map(|error| error.message.as_str()).collect();
        assert_eq!(
            told,
            [
                "unknown key rtae",
                "rate = true is a boolean",
                "count = -1 is out of range",
                "kind = \"plane\" is not known"
            ]
        );
        // A key that is missing only because a mistake was left out is no mistake of its own.
        assert!(from_text("rate = true").unwrap_err().more.is_empty());
        // If further mistakes are left out, the last one says so.
        let many: String = (0..30).map(|n| format!("x{n} = 1\n")).collect();
        let error = from_text(&many).unwrap_err();
        assert_eq!(error.more.len(), MOST_MISTAKES - 1);
        let help = error.more.last().and_then(|last| last.help.clone()).unwrap();
        assert!(help.ends_with("; there may be more mistakes than these 20"), "{help}");
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
