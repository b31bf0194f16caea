//! The parser from TOML text to a [`tree`](super::toml_tree), and the limits of its input.

use super::toml_tree::{Key, Node, Table, Value};
use crate::error::{Diagnostic, Place};
use std::ops::Range;
use std::sync::Arc;

/// Most parts of a key, and most tables and arrays one inside another. Configurations need ten; the reading functions
/// recurse once for each.
pub const DEEPEST: usize = 32;

/// Most keys of one table. An experiment has about a hundred in all, and a lookup searches the table from its start.
pub const MOST_KEYS: usize = 1_000;

/// Parses a TOML document; `file` is its name in messages.
///
/// # Errors
/// A text that is not TOML, at the first wrong place; nesting beyond [`DEEPEST`], or a table with more than
/// [`MOST_KEYS`] keys.
pub fn parse(file: &str, text: &str) -> Result<Table, Diagnostic> {
    let source = Source { file: file.to_string(), text: text.into() };
    source.check_keys(0..text.len())?;
    let document =
        toml_edit::Document::parse(text).map_err(|error| source.syntax_error(&error, error.span()))?;
    source.table(document.as_table(), &(0..0), 0)
}

/// Parses one TOML value that `argument` holds at `span`: the right side of a `--set`.
///
/// # Errors
/// The same as for [`parse`]. A bare word (no quotes, brackets or blanks) is a string.
pub fn parse_value(file: &str, argument: &str, span: Range<usize>) -> Result<Node, Diagnostic> {
    let source = Source { file: file.to_string(), text: argument.into() };
    source.check_keys(span.clone())?;
    let word = argument[span.clone()].trim();
    if word.is_empty() {
        let before = argument[..span.start].trim_end();
        let sign = before.chars().next_back().unwrap_or('=');
        let help = "write section.key=value, as in model.heads=4; an empty string is key='\"\"'";
        let sign = Range { start: before.len().saturating_sub(sign.len_utf8()), end: before.len() };
        let message = format!("there is no value after {:?}", &before[sign.clone()]);
        return Err(Diagnostic::new(message).at(Some(source.place(sign))).help(help));
    }
    let bare = |c: char| c.is_alphanumeric() || "_-+./:".contains(c);
    match word.parse::<toml_edit::Value>() {
        Ok(value) => source.within(&value, &span),
        Err(_) if word.chars().all(bare) => {
            Ok(Node { value: Value::String(word.to_string()), place: source.place(span) })
        }
        Err(error) => Err(source.syntax_error(&error, Some(span))),
    }
}

/// The text that places refer to.
struct Source {
    file: String,
    text: Arc<str>,
}

impl Source {
    fn place(&self, span: Range<usize>) -> Place {
        Place { file: self.file.clone(), text: self.text.clone(), span }
    }

    /// Extends a span to whole characters: the parser may give one that cuts a character.
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
            .help(remedy(&reason))
    }

    fn key(&self, key: &toml_edit::Key, around: &Range<usize>) -> Key {
        let span = key.span().unwrap_or_else(|| around.clone());
        Key { name: key.get().to_string(), place: self.place(span) }
    }

    /// Refuses a key of too many parts before the parser sees it, because the parser nests a table for each part
    /// without a limit. Counts the dots of every key outside of strings and comments.
    fn check_keys(&self, span: Range<usize>) -> Result<(), Diagnostic> {
        let bytes = &self.text.as_bytes()[..span.end];
        let (mut at, mut start, mut dots) = (span.start, span.start, 0);
        while let Some(&byte) = bytes.get(at) {
            match byte {
                b'#' => at = end_of_line(bytes, at) - 1,
                b'"' | b'\'' => at = end_of_string(bytes, at) - 1,
                b'\n' | b'=' | b',' | b'[' | b']' | b'{' | b'}' => (start, dots) = (at + 1, 0),
                b'.' => dots += 1,
                _ => {}
            }
            if dots == DEEPEST {
                return Err(Diagnostic::new(format!("a key has more than {DEEPEST} parts"))
                    .at(Some(self.place(self.on_characters(start..at))))
                    .help("keys are section.key, as in model.heads"));
            }
            at += 1;
        }
        Ok(())
    }

    fn check_depth(&self, depth: usize, span: &Range<usize>) -> Result<(), Diagnostic> {
        if depth <= DEEPEST {
            return Ok(());
        }
        Err(Diagnostic::new(format!("more than {DEEPEST} tables and arrays are nested"))
            .at(Some(self.place(self.on_characters(span.clone()))))
            .help("no key of a configuration is nested like this"))
    }

    fn check_count(&self, keys: usize, span: &Range<usize>) -> Result<(), Diagnostic> {
        if keys <= MOST_KEYS {
            return Ok(());
        }
        Err(Diagnostic::new(format!("a table has {keys} keys, more than {MOST_KEYS}"))
            .at(Some(self.place(self.on_characters(span.clone()))))
            .help("no table of a configuration has as many keys"))
    }

    /// `around` is the place of items without a place of their own, `depth` the number of enclosing tables and arrays.
    fn table(
        &self,
        table: &toml_edit::Table,
        around: &Range<usize>,
        depth: usize,
    ) -> Result<Table, Diagnostic> {
        self.check_depth(depth, around)?;
        self.check_count(table.len(), around)?;
        let mut entries = Vec::new();
        for (name, item) in table.iter() {
            let Some(key) = table.key(name).map(|key| self.key(key, around)) else { continue };
            if let Some(node) = self.item(item, &key.place.span, depth + 1)? {
                entries.push((key, node));
            }
        }
        Ok(Table { entries })
    }

    fn item(
        &self,
        item: &toml_edit::Item,
        around: &Range<usize>,
        depth: usize,
    ) -> Result<Option<Node>, Diagnostic> {
        use toml_edit::Item;
        let span = item.span().unwrap_or_else(|| around.clone());
        let value = match item {
            Item::None => return Ok(None),
            Item::Value(value) => return self.value(value, around, depth).map(Some),
            Item::Table(table) => Value::Table(self.table(table, &span, depth)?),
            Item::ArrayOfTables(tables) => {
                let nodes = tables.iter().map(|table| {
                    let span = table.span().unwrap_or_else(|| span.clone());
                    let value = Value::Table(self.table(table, &span, depth + 1)?);
                    Ok(Node { value, place: self.place(span) })
                });
                Value::Array(nodes.collect::<Result<_, Diagnostic>>()?)
            }
        };
        Ok(Some(Node { value, place: self.place(span) }))
    }

    fn value(
        &self,
        value: &toml_edit::Value,
        around: &Range<usize>,
        depth: usize,
    ) -> Result<Node, Diagnostic> {
        use toml_edit::Value as Toml;
        let span = value.span().unwrap_or_else(|| around.clone());
        self.check_depth(depth, &span)?;
        let inner = match value {
            Toml::String(text) => Value::String(text.value().clone()),
            Toml::Integer(number) => Value::Integer(*number.value()),
            Toml::Float(number) => Value::Float(*number.value()),
            Toml::Boolean(value) => Value::Boolean(*value.value()),
            Toml::Datetime(date) => Value::Datetime(date.value().to_string()),
            Toml::Array(array) => {
                let nodes = array.iter().map(|item| self.value(item, &span, depth + 1));
                Value::Array(nodes.collect::<Result<_, Diagnostic>>()?)
            }
            Toml::InlineTable(table) => {
                self.check_count(table.len(), &span)?;
                let mut entries = Vec::new();
                for (name, value) in table.iter() {
                    let Some(key) = table.key(name).map(|key| self.key(key, &span)) else { continue };
                    let node = self.value(value, &key.place.span, depth + 1)?;
                    entries.push((key, node));
                }
                Value::Table(Table { entries })
            }
        };
        Ok(Node { value: inner, place: self.place(span) })
    }

    /// Like [`Source::value`], for a value parsed from a piece of the text: its own spans
    /// count from the piece's start, so every place becomes the piece.
    fn within(&self, value: &toml_edit::Value, piece: &Range<usize>) -> Result<Node, Diagnostic> {
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
        let place = self.place(piece.clone());
        // An error counts from the piece's start too.
        let mut node = self.value(value, piece, 0).map_err(|error| error.at(Some(place.clone())))?;
        move_to(&mut node, &place);
        Ok(node)
    }
}

/// The advice for text that is not TOML, by the parser's message.
fn remedy(reason: &str) -> &'static str {
    const REMEDIES: [(&str, &str); 8] = [
        ("duplicate key", "remove one of the two; a section is opened only once, too"),
        ("string values must be quoted", "put strings in quotes: key = \"value\""),
        ("unclosed table", "close the bracket: [section]"),
        ("unclosed array table", "close the brackets: [[row]]"),
        ("unclosed array", "close the bracket: key = [value, value]"),
        ("unclosed inline table", "close the brace: { key = value }"),
        ("missing comma", "put a comma between two values"),
        ("number overflowed", "use a smaller number"),
    ];
    let found = REMEDIES.iter().find(|(says, _)| reason.contains(says));
    found.map_or("a line is `key = value` or `[section]`; strings need quotes", |(_, remedy)| remedy)
}

/// The end of the line at `at`: its line feed, or the end of the text.
fn end_of_line(bytes: &[u8], at: usize) -> usize {
    bytes[at..].iter().position(|&byte| byte == b'\n').map_or(bytes.len(), |length| at + length)
}

/// Returns the place after the string whose opening quote is at `at`. A string that is not closed ends with its line,
/// or with the text if its quotes allow several lines.
pub fn end_of_string(bytes: &[u8], at: usize) -> usize {
    let quote = bytes[at];
    let closing = if bytes[at..].starts_with(&[quote; 3]) { 3 } else { 1 };
    let mut next = at + closing;
    while next < bytes.len() {
        match bytes[next] {
            b'\\' if quote == b'"' => next += 1,
            b'\n' if closing == 1 => return next,
            _ if bytes[next..].starts_with(&[quote; 3][..closing]) => return next + closing,
            _ => {}
        }
        next += 1;
    }
    bytes.len()
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
    fn nesting_and_numbers_of_keys_have_limits_that_are_told() {
        const PARTS: &str = "a key has more than 32 parts";
        const NESTED: &str = "more than 32 tables and arrays are nested";
        let refused = |text: &str| parse("a.toml", text).unwrap_err();
        let key = |parts: usize| vec!["a"; parts].join(".");
        for text in
            [format!("\n{} = 1", key(33)), format!("\n[{}]", key(300_000)), format!("x = 1\n{} = 1", key(40))]
        {
            let error = refused(&text);
            assert_eq!((error.message.as_str(), error.place.unwrap().line()), (PARTS, 2));
        }
        assert_eq!(refused(&format!("x = {{ {} = 1 }}", key(50_000))).message, PARTS);
        let set = format!("x={{ {} = 1 }}", key(50_000));
        assert_eq!(parse_value("--set", &set, 2..set.len()).unwrap_err().message, PARTS);
        assert!(parse("a.toml", &format!("{} = 1", key(32))).is_ok());
        assert_eq!(refused(&format!("x = {}{}", "[".repeat(40), "]".repeat(40))).message, NESTED);
        assert_eq!(refused(&format!("[{}]\n{} = 1", key(20), key(20))).message, NESTED);
        // Each level up to the parser's own limit, with a key of many parts.
        let deep = format!("x = {}1{}", format!("{{ {} = ", key(32)).repeat(70), " }".repeat(70));
        assert_eq!(refused(&deep).message, NESTED);
        assert!(refused(&format!("x = {}", "[".repeat(100_000))).message.starts_with("not valid TOML"));
        let many: String = (0..1_001).map(|n| format!("k{n} = 1\n")).collect();
        assert_eq!(refused(&many).message, "a table has 1001 keys, more than 1000");
    }

    #[test]
    fn dots_in_strings_and_comments_are_no_parts_of_keys() {
        let dots = ".".repeat(50);
        for text in [
            format!("a = \"{dots}\" # {dots}\n"),
            format!("a = '{dots}'\n\"{dots}\" = 1\n"),
            format!("a = \"\"\"{dots}\n\"{dots}\"\\\"\"\"{dots}\"\"\"\n"),
            format!("a = '''{dots}\n\\'''\nb = [1.5, {}2.5]", "0.5, ".repeat(100)),
        ] {
            assert!(parse("a.toml", &text).is_ok(), "{text}");
        }
    }
}
