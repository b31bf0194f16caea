//! TOML as a tree in which every key and value remembers where it was written.
//!
//! Inheritance, `--set` and a sweep's rows build one tree from several texts; a later error still points at the line
//! that caused it.

use super::subsections::is_section;
use crate::error::{Diagnostic, Place};

/// A value and its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    pub value: Value,
    pub place: Place,
}

/// The content of a [`Node`].
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    String(String),
    Integer(i64),
    Float(f64),
    Boolean(bool),
    /// A date or time, as written; no key accepts one.
    Datetime(String),
    Array(Vec<Node>),
    Table(Table),
}

/// The entries of a table, in the order of the text.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    pub(super) entries: Vec<(Key, Node)>,
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

    /// Replaces the value of an existing key, or appends the entry.
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

    /// Removes the entry at the beginning of a path of keys, at most two tables deep: a setting of a section, or, after
    /// `[2]` for a table of an array of tables, a setting of that table. Returns whether there was such an entry.
    pub fn remove_at(&mut self, path: &[String]) -> bool {
        let Some((first, rest)) = path.split_first() else { return false };
        match (self.get_mut(first).map(|node| &mut node.value), rest.first()) {
            (Some(Value::Array(items)), Some(index)) => {
                let index = index.strip_prefix('[').and_then(|index| index.strip_suffix(']')?.parse().ok());
                match index.and_then(|index: usize| items.get_mut(index)).map(|item| &mut item.value) {
                    Some(Value::Table(item)) => item.remove_at(&rest[1..]),
                    _ => false,
                }
            }
            (Some(Value::Table(section)), Some(key)) if section.get(key).is_some() => {
                section.remove(key);
                // A choice in the form of a table has exactly one key; without it the table is no choice.
                if section.is_empty() {
                    self.remove(first);
                }
                true
            }
            (Some(_), None) => self.remove(first).is_some(),
            _ => false,
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = &(Key, Node)> {
        self.entries.iter()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Lays `over` on top of this table: by section, then by whole key. A table that is the
    /// value of a section's key is replaced, not merged, unless it is a [section of its own](super::subsections).
    pub fn merge(&mut self, over: Table) {
        self.merge_at("", over);
    }

    /// [`merge`](Self::merge) of the table at `path`.
    fn merge_at(&mut self, path: &str, over: Table) {
        for (key, node) in over.entries {
            let path = if path.is_empty() { key.name.clone() } else { format!("{path}.{}", key.name) };
            match (self.get_mut(&key.name), node) {
                (
                    Some(Node { value: Value::Table(section), place }),
                    Node { value: Value::Table(over), place: new },
                ) if is_section(&path) => {
                    *place = new;
                    section.merge_at(&path, over);
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

    /// [`Node::inline`], cut after 60 characters so that a message stays readable.
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

/// A merged configuration and the place that stands for the whole.
#[derive(Debug, Clone)]
pub struct Tree {
    pub table: Table,
    /// The start of the file that the user named.
    pub start: Place,
}

impl Tree {
    /// Returns the place of the value at a path of keys; `None` if no file states it.
    pub fn place(&self, path: &[&str]) -> Option<Place> {
        self.table.at(path).map(|node| node.place.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse::{parse, parse_value};
    use super::*;

    fn section<'a>(table: &'a Table, path: &[&str]) -> &'a Node {
        table.at(path).expect("the path exists")
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
    fn a_section_inside_of_a_section_is_merged_key_by_key() {
        let mut table =
            parse("a.toml", "[model.attention]\nscore = \"dot\"\nspan = { local = 3 }\n").unwrap();
        table.merge(parse("b.toml", "[model]\nattention.span = { linformer = 4 }\n").unwrap());
        let wanted = "{ attention = { score = \"dot\", span = { linformer = 4 } } }";
        assert_eq!(section(&table, &["model"]).inline(), wanted);
        assert_eq!(section(&table, &["model", "attention", "score"]).place.file, "a.toml");
    }

    #[test]
    fn what_a_path_names_is_removed_in_tables_and_arrays_of_tables() {
        let text = "a = 1\n[b]\nc = { d = 1 }\ne = 2\n[[f]]\ng = 1\n[[f]]\ng = 2\n[[f.h]]\ni = 3\nj = 4\n";
        let rest = |path: &[&str]| {
            let mut table = parse("a.toml", text).unwrap();
            let removed = table.remove_at(&path.iter().map(|key| key.to_string()).collect::<Vec<_>>());
            (
                removed,
                Node { value: Value::Table(table.clone()), place: table.entries[0].0.place.clone() }.inline(),
            )
        };
        let whole =
            "{ a = 1, b = { c = { d = 1 }, e = 2 }, f = [{ g = 1 }, { g = 2, h = [{ i = 3, j = 4 }] }] }";
        assert_eq!(rest(&["x"]), (false, whole.to_string()));
        assert_eq!(rest(&["f", "[2]", "g"]), (false, whole.to_string()));
        assert_eq!(rest(&["f", "[0]"]), (false, whole.to_string()));
        assert_eq!(rest(&["b", "c", "d"]), (true, whole.replace("c = { d = 1 }, ", "")));
        assert_eq!(rest(&["f", "[1]", "g"]), (true, whole.replace("g = 2, ", "")));
        assert_eq!(rest(&["f", "[1]", "h", "[0]", "i"]), (true, whole.replace("i = 3, ", "")));
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
