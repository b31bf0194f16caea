//! Changes of an experiment as a sweep file writes them: `{ "model.heads" = 1 }`.

use crate::config::load::{SET, parse_set};
use crate::config::subsections::is_section;
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Diagnostic, Error, Mistakes, Place, Result};
use std::collections::HashSet;

/// A change of the base: a dotted key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// `section.key`
    pub key: String,
    /// The place of the key in the file.
    pub place: Place,
    pub value: Node,
}

/// Returns the settings in a table of changes; none without a table. `what` names the table in messages; `words` are
/// keys of the table that are not settings.
///
/// `"model.heads" = 1` and `model.heads = 1` (which TOML nests) are the same.
///
/// # Errors
/// Not a table, a key that no section of an experiment could have, a key stated twice, or
/// `training.seed`, which is the sweep's.
pub fn settings(node: Option<&Node>, what: &str, words: &[&str]) -> Result<Vec<Setting>> {
    read(node, what, words, |_| false)
}

/// Does the same for `[axes]`, in which the value of a key, even of a section, may be a table: the long form of an axis
/// has `values`, and no section of an experiment has such a key.
///
/// # Errors
/// The errors of [`settings`].
pub fn settings_of_axes(node: Option<&Node>) -> Result<Vec<Setting>> {
    read(node, "axes", &[], |table| table.get("values").is_some())
}

/// Reads a table of changes. `is_value` distinguishes a table that is the value of a key from one that holds keys.
fn read(
    node: Option<&Node>,
    what: &str,
    words: &[&str],
    is_value: fn(&Table) -> bool,
) -> Result<Vec<Setting>> {
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let Value::Table(table) = &node.value else {
        let message = format!("{what} = {} is {}", node.excerpt(), node.kind());
        let help = format!("expected a table of changes: {what} = {{ \"model.heads\" = 1 }}");
        return Err(mistake(message, &node.place, help));
    };
    let settings = flat(table, words, is_value);
    let mut stated = HashSet::new();
    let mut mistakes = Mistakes::default();
    for setting in &settings {
        let is_new = stated.insert(setting.key.as_str());
        mistakes.keep(check_setting(setting, is_new, what, words))?;
    }
    mistakes.end(Ok(settings))
}

fn check_setting(setting: &Setting, is_new: bool, what: &str, words: &[&str]) -> Result<()> {
    if !is_new {
        let message = format!("{what} states {} twice", setting.key);
        return Err(mistake(message, &setting.place, "remove one of them"));
    }
    if !setting.key.contains('.') {
        let message = format!("{what} sets {:?}, which is not a key of an experiment", setting.key);
        let words = match words {
            [] => String::new(),
            words => format!("; besides such keys only {} is accepted", words.join(", ")),
        };
        let help = format!("keys are section.key, as in model.heads{words}");
        return Err(mistake(message, &setting.place, help));
    }
    if setting.key == "training.seed" {
        let message = format!("{what} states training.seed, which the sweep's seeds replace");
        return Err(mistake(message, &setting.place, "list it under `seeds`"));
    }
    Ok(())
}

/// Requires that every `--set` changes a key that `concerns` the command.
///
/// # Errors
/// The first other setting; the mistake consists of its key and `message`, and of `help`, which lists accepted keys.
pub fn require(sets: &[String], concerns: impl Fn(&str) -> bool, message: &str, help: &str) -> Result<()> {
    match of_sets(sets)?.into_iter().find(|setting| !concerns(&setting.key)) {
        None => Ok(()),
        Some(setting) => Err(mistake(format!("{} {message}", setting.key), &setting.place, help)),
    }
}

/// Returns the entries of a table with dotted keys: `{ model = { heads = 1 } }` has `model.heads`.
fn flat(table: &Table, words: &[&str], is_value: fn(&Table) -> bool) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for (key, value) in table.iter().filter(|(key, _)| !words.contains(&key.name.as_str())) {
        flatten(&key.name, &key.place, value, is_value, &mut settings);
    }
    settings
}

/// Appends the setting `key`; or, if `key` names a section and the table is not its value, the settings in its table.
fn flatten(
    key: &str,
    place: &Place,
    value: &Node,
    is_value: fn(&Table) -> bool,
    settings: &mut Vec<Setting>,
) {
    // Blanks around the parts of a key have no meaning, and must not hide which key it is.
    let key = key.split('.').map(str::trim).collect::<Vec<_>>().join(".");
    match &value.value {
        Value::Table(section) if is_section(&key) && !is_value(section) => {
            for (inner, value) in section.iter() {
                flatten(&format!("{key}.{}", inner.name), &inner.place, value, is_value, settings);
            }
        }
        _ => settings.push(Setting { key, place: place.clone(), value: value.clone() }),
    }
}

/// Returns the settings of `--set` arguments.
///
/// # Errors
/// An argument of another form, or a value that is broken TOML.
pub fn of_sets(sets: &[String]) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    for argument in sets {
        settings.extend(flat(&table_of_set(argument)?.0, &[], |_| false));
    }
    Ok(settings)
}

/// Returns a `--set` as a table of one entry, and its place.
fn table_of_set(argument: &str) -> Result<(Table, Place)> {
    let (key, value) = parse_set(argument)?;
    let place = key.place.clone();
    let mut table = Table::default();
    table.insert(key, value);
    Ok((table, place))
}

/// Does the same for a sweep, where the arguments are checked as if they were in its file: keys that a file may not
/// change would have no effect here.
///
/// # Errors
/// The errors of [`settings`], at the argument.
pub fn checked_sets(sets: &[String]) -> Result<Vec<Setting>> {
    let mut all = Vec::new();
    let mut mistakes = Mistakes::default();
    for argument in sets {
        let checked = table_of_set(argument)
            .and_then(|(table, place)| settings(Some(&Node { value: Value::Table(table), place }), SET, &[]));
        all.extend(mistakes.keep(checked)?.unwrap_or_default());
    }
    mistakes.end(Ok(all))
}

/// Returns the items of an array that must not be empty; `name` is its key in messages.
///
/// # Errors
/// Another type, for which `help` says what is expected, or no items.
pub fn items(node: &Node, name: &str, help: &str) -> Result<Vec<Node>> {
    match &node.value {
        Value::Array(items) if items.is_empty() => {
            let message = format!("{name} = [] has no values");
            Err(mistake(message, &node.place, "state at least one value, or remove it"))
        }
        Value::Array(items) => Ok(items.clone()),
        _ => {
            let message = format!("{name} = {} is {}", node.excerpt(), node.kind());
            Err(mistake(message, &node.place, help))
        }
    }
}

/// Returns the tables of an array of tables; none if the key is absent.
pub fn tables<'a>(table: &'a Table, key: &str) -> Vec<(&'a Table, &'a Node)> {
    let nodes = match table.get(key) {
        Some(Node { value: Value::Array(nodes), .. }) => nodes.as_slice(),
        _ => &[],
    };
    let as_table = |node: &'a Node| match &node.value {
        Value::Table(table) => Some((table, node)),
        _ => None,
    };
    nodes.iter().filter_map(as_table).collect()
}

/// Returns the place of a key's value, or `otherwise` if the key is absent.
pub fn place_of(table: &Table, key: &str, otherwise: &Place) -> Place {
    table.get(key).map_or_else(|| otherwise.clone(), |node| node.place.clone())
}

/// A mistake in the sweep file.
pub fn mistake(message: impl Into<String>, place: &Place, help: impl Into<String>) -> Error {
    Diagnostic::new(message).at(Some(place.clone())).help(help).into()
}

/// Turns the error of a file that cannot be read into a mistake at the place that names the file.
pub fn named_at(place: &Place) -> impl FnOnce(Error) -> Error {
    move |error| match error {
        Error::User(message) => Diagnostic::new(message).at(Some(place.clone())).into(),
        other => other,
    }
}

/// Puts the name of the subject before an error's messages.
pub fn about(name: &str, error: Error) -> Error {
    match error {
        Error::Config(mut diagnostic) => {
            diagnostic.message = format!("{name}: {}", diagnostic.message);
            for other in diagnostic.more.iter_mut() {
                other.message = format!("{name}: {}", other.message);
            }
            Error::Config(diagnostic)
        }
        other => other,
    }
}

/// Returns advice on two labels for one directory, the other of which is at `other`.
pub fn one_label(other: &Place, place: &Place) -> String {
    format!("labels name directories: change one; the other is {}", at(other, place))
}

/// Returns a short description of a place, as seen from another.
pub fn at(place: &Place, from: &Place) -> String {
    if place.file == from.file {
        format!("in line {}", place.line())
    } else {
        format!("in {}:{}", place.file, place.line())
    }
}
