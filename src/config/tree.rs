//! TOML as a tree in which every key and value remembers where it was written.
//!
//! Inheritance, `--set` and a sweep's rows build one tree out of several texts; an error
//! found after that still points at the line that caused it.

use crate::error::{Diagnostic, Place};
use std::ops::Range;
use std::sync::Arc;

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub place: Place,
}

/// What a [`Node`] holds.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date or time, as written; nothing in our files takes one.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// The entries of a table, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    entries: Vec<(Key, Node)>,
}

/// A key and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    pub name: String,
    pub place: Place,
}

impl Table {
    pub fn get(&self, name: &str) -> Option<&Node> {
        self.entries.iter().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    pub fn get_mut(&mut self, name: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(key, _)| key.name == name).map(|(_, node)| node)
    }

    /// Puts the value in place of one under the same key, or after the others.
    pub fn insert(&mut self, key: Key, node: Node) {
        match self.entries.iter_mut().find(|(old, _)| old.name == key.name) {
            Some(entry) => *entry = (key, node),
            None => self.entries.push((key, node)),
        }
    }

    pub fn remove(&mut self, name: &str) -> Option<Node> {
        let index = self.entries.iter().position(|(key, _)| key.name == name)?;
        Some(self.entries.remove(index).1)
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Key, Node)> {
        self.entries.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lays `over` on top of this table: by section, then by whole key. A table that is the
    /// value of a section's key is replaced, not merged.
    pub fn merge(&mut self, over: Table) {
        for (key, node) in over.entries {
            match (self.get_mut(&key.name), node) {
                (
                    Some(Node { value: Value::Table(section), place }),
                    Node { value: Value::Table(over), place: new },
                ) => {
                    *place = new;
                    over.entries.into_iter().for_each(|(key, node)| section.insert(key, node));
                }
                (_, node) => self.insert(key, node),
            }
        }
    }

    /// The value at a path of keys.
    pub fn at(&self, path: &[&str]) -> Option<&Node> {
        let (first, rest) = path.split_first()?;
        let node = self.get(first)?;
        match (&node.value, rest) {
            (_, []) => Some(node),
            (Value::Table(table), rest) => table.at(rest),
            _ => None,
        }
    }

    /// Puts `node` at a path of keys, making the tables on the way.
    ///
    /// # Errors
    /// A value on the way is not a table.
    pub fn set(&mut self, path: &[&str], place: &Place, node: Node) -> Result<(), Diagnostic> {
        let Some((first, rest)) = path.split_first() else {
            return Ok(());
        };
        let key = Key { name: first.to_string(), place: place.clone() };
        if rest.is_empty() {
            self.insert(key, node);
            return Ok(());
        }
        if self.get(first).is_none() {
            let empty = Node { value: Value::Table(Table::default()), place: place.clone() };
            self.insert(key, empty);
        }
        match self.get_mut(first) {
            Some(Node { value: Value::Table(table), .. }) => table.set(rest, place, node),
            Some(other) => Err(Diagnostic::new(format!(
                "{first} = {} is {}, so {:?} cannot be set inside it",
                other.inline(),
                other.kind(),
                rest.join(".")
            ))
            .at(Some(place.clone()))),
            None => Ok(()),
        }
    }
}

impl Node {
    /// The kind of value, with its article.
    pub fn kind(&self) -> &'static str {
        match self.value {
            Value::String(_) => "a string",
            Value::Integer(_) => "an integer",
            Value::Float(_) => "a float",
            Value::Boolean(_) => "a boolean",
            Value::Datetime(_) => "a date or time",
            Value::Array(_) => "an array",
            Value::Table(_) => "a table",
        }
    }

    /// The value as TOML on one line.
    pub fn inline(&self) -> String {
        match &self.value {
            Value::String(text) => quoted(text),
            Value::Integer(number) => number.to_string(),
            Value::Float(number) => toml_edit::Value::from(*number).to_string(),
            Value::Boolean(value) => value.to_string(),
            Value::Datetime(text) => text.clone(),
            Value::Array(nodes) => {
                format!("[{}]", nodes.iter().map(Node::inline).collect::<Vec<_>>().join(", "))
            }
            Value::Table(table) if table.is_empty() => "{}".to_string(),
            Value::Table(table) => {
                let entry = |(key, node): &(Key, Node)| format!("{} = {}", key.name, node.inline());
                format!("{{ {} }}", table.iter().map(entry).collect::<Vec<_>>().join(", "))
            }
        }
    }

    /// [`Node::inline`], cut where a message would become unreadable.
    pub fn excerpt(&self) -> String {
        const LONGEST: usize = 60;
        let text = self.inline();
        match text.char_indices().nth(LONGEST) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

fn quoted(text: &str) -> String {
    toml_edit::Value::from(text).to_string()
}

/// Parses a TOML document; `file` is its name in messages.
///
/// # Errors
/// The text is not TOML, at the place where it stops being so.
pub fn parse(file: &str, text: &str) -> Result<Table, Diagnostic> {
    let source = Source { file: file.to_string(), text: text.into() };
    let document =
        toml_edit::Document::parse(text).map_err(|error| source.syntax_error(&error, error.span()))?;
    Ok(source.table(document.as_table(), &(0..0)))
}

/// Parses one TOML value that `argument` holds at `span`: the right side of a `--set`.
///
/// # Errors
/// The value is not TOML. A bare word (no quotes, brackets or blanks) is a string.
pub fn parse_value(file: &str, argument: &str, span: Range<usize>) -> Result<Node, Diagnostic> {
    let source = Source { file: file.to_string(), text: argument.into() };
    let word = argument[span.clone()].trim();
    let bare = |c: char| c.is_alphanumeric() || "_-+./:".contains(c);
    match word.parse::<toml_edit::Value>() {
        Ok(value) => Ok(source.within(&value, &span)),
        Err(_) if !word.is_empty() && word.chars().all(bare) => {
            Ok(Node { value: Value::String(word.to_string()), place: source.place(span) })
        }
        Err(error) => Err(source.syntax_error(&error, Some(span))),
    }
}

/// The text that places point into.
struct Source {
    file: String,
    text: Arc<str>,
}

impl Source {
    fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file.clone(), text: self.text.clone(), span }
    }

    /// A span that the parser gives for broken text may cut a character.
    fn on_characters(&self, span: Range<usize>) -> Range<usize> {
        let length = self.text.len();
        let boundary = |i: &usize| self.text.is_char_boundary(*i);
        let start = (0..=span.start.min(length)).rev().find(boundary).unwrap_or(0);
        let end = (span.end.clamp(start, length)..=length).find(boundary).unwrap_or(length);
        start..end
    }

    fn syntax_error(&self, error: &toml_edit::TomlError, span: Option<Range<usize>>) -> Diagnostic {
        let reason = error.message().lines().collect::<Vec<_>>().join("; ");
        Diagnostic::new(format!("not valid TOML: {reason}"))
            .at(span.map(|span| self.place(self.on_characters(span))))
            .help("strings stand in quotes; a line is `key = value` or `[section]`")
    }

    fn key(&self, key: &toml_edit::Key, around: &Range<usize>) -> Key {
        let span = key.span().unwrap_or_else(|| around.clone());
        Key { name: key.get().to_string(), place: self.place(span) }
    }

    /// `around` is the place of whatever the parser gives none.
    fn table(&self, table: &toml_edit::Table, around: &Range<usize>) -> Table {
        let entry = |(name, item): (&str, &toml_edit::Item)| {
            let key = self.key(table.key(name)?, around);
            let node = self.item(item, &key.place.span)?;
            Some((key, node))
        };
        Table { entries: table.iter().filter_map(entry).collect() }
    }

    fn item(&self, item: &toml_edit::Item, around: &Range<usize>) -> Option<Node> {
        use toml_edit::Item;
        let span = item.span().unwrap_or_else(|| around.clone());
        let value = match item {
            Item::None => return None,
            Item::Value(value) => return Some(self.value(value, around)),
            Item::Table(table) => Value::Table(self.table(table, &span)),
            Item::ArrayOfTables(tables) => Value::Array(
                tables
                    .iter()
                    .map(|table| {
                        let span = table.span().unwrap_or_else(|| span.clone());
                        Node { value: Value::Table(self.table(table, &span)), place: self.place(span) }
                    })
                    .collect(),
            ),
        };
        Some(Node { value, place: self.place(span) })
    }

    fn value(&self, value: &toml_edit::Value, around: &Range<usize>) -> Node {
        use toml_edit::Value as Toml;
        let span = value.span().unwrap_or_else(|| around.clone());
        let inner = match value {
            Toml::String(text) => Value::String(text.value().clone()),
            Toml::Integer(number) => Value::Integer(*number.value()),
            Toml::Float(number) => Value::Float(*number.value()),
            Toml::Boolean(value) => Value::Boolean(*value.value()),
            Toml::Datetime(date) => Value::Datetime(date.value().to_string()),
            Toml::Array(array) => Value::Array(array.iter().map(|item| self.value(item, &span)).collect()),
            Toml::InlineTable(table) => {
                let entry = |(name, value): (&str, &toml_edit::Value)| {
                    let key = self.key(table.key(name)?, &span);
                    let node = self.value(value, &key.place.span);
                    Some((key, node))
                };
                Value::Table(Table { entries: table.iter().filter_map(entry).collect() })
            }
        };
        Node { value: inner, place: self.place(span) }
    }

    /// Like [`Source::value`], for a value parsed from a piece of the text: its own spans
    /// count from the piece's start, so every place becomes the piece.
    fn within(&self, value: &toml_edit::Value, piece: &Range<usize>) -> Node {
        fn move_to(node: &mut Node, place: &Place) {
            node.place = place.clone();
            match &mut node.value {
                Value::Array(nodes) => nodes.iter_mut().for_each(|node| move_to(node, place)),
                Value::Table(table) => table.entries.iter_mut().for_each(|(key, node)| {
                    key.place = place.clone();
                    move_to(node, place);
                }),
                _ => {}
            }
        }
        let mut node = self.value(value, piece);
        move_to(&mut node, &self.place(piece.clone()));
        node
    }
}

/// A merged configuration and the place that stands for all of it.
#[derive(Debug, Clone)]
pub struct Tree {
    pub table: Table,
    /// The start of the file that was asked for.
    pub start: Place,
}

impl Tree {
    /// Where the value at a path of keys was written, if any file states it.
    pub fn place(&self, path: &[&str]) -> Option<Place> {
        self.table.at(path).map(|node| node.place.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn section<'a>(table: &'a Table, path: &[&str]) -> &'a Node {
        table.at(path).expect("the path exists")
    }

    #[test]
    fn keys_and_values_know_their_lines() {
        let table =
            parse("a.toml", "label = \"x\"\n[model]\nlayers = 2\n\n[[row]]\nset = { a = 1 }\n").unwrap();
        assert_eq!(section(&table, &["model", "layers"]).place.line(), 3);
        assert_eq!(section(&table, &["model"]).place.line(), 2);
        let Value::Array(rows) = &section(&table, &["row"]).value else { panic!("rows are an array") };
        assert_eq!(rows[0].place.line(), 5);
        assert_eq!(rows[0].inline(), "{ set = { a = 1 } }");
    }

    #[test]
    fn dotted_keys_make_tables_with_places() {
        let table = parse("a.toml", "\nmodel.layers = 2\n").unwrap();
        assert_eq!(section(&table, &["model", "layers"]).place.line(), 2);
        assert_eq!(section(&table, &["model"]).place.line(), 2);
    }

    #[test]
    fn merging_stops_below_the_section() {
        let mut table = parse("a.toml", "[model]\na = 1\nb = { x = 1, y = 2 }\n").unwrap();
        table.merge(parse("b.toml", "[model]\nb = { x = 3 }\n[run]\nc = 1").unwrap());
        assert_eq!(section(&table, &["model"]).inline(), "{ a = 1, b = { x = 3 } }");
        assert_eq!(section(&table, &["model", "b"]).place.file, "b.toml");
        assert_eq!(section(&table, &["model", "a"]).place.file, "a.toml");
        assert_eq!(section(&table, &["run", "c"]).inline(), "1");
    }

    #[test]
    fn a_bare_word_is_a_string_and_broken_toml_is_not() {
        let value = |text: &str| parse_value("--set", text, 0..text.len()).map(|node| node.value);
        assert_eq!(value("learned"), Ok(Value::String("learned".into())));
        assert_eq!(value("cuda:1"), Ok(Value::String("cuda:1".into())));
        assert_eq!(value("0.5"), Ok(Value::Float(0.5)));
        assert_eq!(value("\"5\""), Ok(Value::String("5".into())));
        assert!(value("[1, 2").is_err());
        assert!(value("").is_err());
    }

    #[test]
    fn setting_inside_a_number_is_refused() {
        let mut table = parse("a.toml", "[model]\na = 1\n").unwrap();
        let node = parse_value("--set", "2", 0..1).unwrap();
        let place = node.place.clone();
        let error = table.set(&["model", "a", "b"], &place, node).unwrap_err();
        assert_eq!(error.message, "a = 1 is an integer, so \"b\" cannot be set inside it");
    }
}
