//! Conditions on combinations: `when = { "model.position" = "learned" }` and `[[exclude]]`.
//!
//! A condition names keys and the values that it accepts; an array accepts any of its values.
//! It is evaluated on the resolved experiment, so that a key has a value even if only the base or the program's
//! defaults state it.

use super::settings::{Setting, items, mistake, settings};
use crate::config::Experiment;
use crate::config::experiment::value_text;
use crate::config::toml_tree::{Node, Tree, Value};
use crate::error::{Place, Result, nearest};
use std::collections::BTreeSet;

/// Largest number of values that a message lists.
const MOST_LISTED: usize = 8;

/// Keys and their accepted values. The condition holds if every key has one of its values.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    /// The name of the condition in messages: "when" or "exclude".
    what: &'static str,
    /// The text as written, on one line.
    text: String,
    place: Place,
    entries: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq)]
struct Entry {
    key: String,
    place: Place,
    accepted: Vec<Node>,
}

impl Condition {
    /// Reads `{ "section.key" = value, … }`.
    ///
    /// # Errors
    /// Not a table of settings, an empty table, or an empty array of values.
    pub fn read(node: &Node, what: &'static str) -> Result<Condition> {
        let entry = |Setting { key, place, value }| {
            let accepted = match &value.value {
                Value::Array(_) => items(&value, &format!("{what}: {key}"), "")?,
                _ => vec![value],
            };
            Ok(Entry { key, place, accepted })
        };
        let entries = settings(Some(node), what, &[])?.into_iter().map(entry).collect::<Result<Vec<_>>>()?;
        if entries.is_empty() {
            let help = format!("state a value, as in {what} = {{ \"model.position\" = \"learned\" }}");
            return Err(mistake(format!("{what} has no key"), &node.place, help));
        }
        Ok(Condition { what, text: node.excerpt(), place: node.place.clone(), entries })
    }

    /// Reads the `when` of a table, if it has one.
    pub fn when(node: Option<&Node>) -> Result<Option<Condition>> {
        node.map(|node| Condition::read(node, "when")).transpose()
    }

    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Returns the condition as written, on one line.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Returns the keys of the condition.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.key.as_str())
    }

    /// Checks whether the keys exist and could have the values, and whether each key is `stated` by the base or
    /// anywhere in the sweep: a default that nothing changes would make the condition pointless.
    ///
    /// # Errors
    /// The first key or value that is not accepted, at its place.
    pub fn check(&self, base: &Tree, stated: impl Fn(&str) -> bool) -> Result<()> {
        for entry in &self.entries {
            for value in &entry.accepted {
                with(base, entry, value)?;
            }
            if !stated(&entry.key) {
                let value = value_of(&resolve(base)?, &entry.key);
                let message =
                    format!("{}: nothing sets {}, neither the base nor the sweep", self.what, entry.key);
                let help =
                    format!("it is {value} everywhere: remove it, or state it under `set` or as an axis");
                return Err(mistake(message, &entry.place, help));
            }
        }
        Ok(())
    }
}

/// A condition in use: it remembers whether it ever held, and the values that it saw instead.
#[derive(Debug)]
pub struct Watch<'a> {
    condition: &'a Condition,
    held: bool,
    /// For each entry, the values of its key with which it failed.
    seen: Vec<BTreeSet<String>>,
}

impl<'a> Watch<'a> {
    pub fn new(condition: &'a Condition) -> Self {
        Watch { condition, held: false, seen: vec![BTreeSet::new(); condition.entries.len()] }
    }

    pub fn condition(&self) -> &'a Condition {
        self.condition
    }

    /// Whether the condition holds for a combination; `resolved` is [`resolve`] of `tree`.
    ///
    /// A value is met if stating it would change nothing: 0 is 0.0, and d_k stated as
    /// d_model / heads is d_k left out.
    pub fn holds(&mut self, tree: &Tree, resolved: &Experiment) -> Result<bool> {
        let mut holds = true;
        for (entry, seen) in self.condition.entries.iter().zip(&mut self.seen) {
            let mut met = false;
            for value in &entry.accepted {
                met = met || with(tree, entry, value)? == *resolved;
            }
            if !met {
                seen.insert(value_of(resolved, &entry.key));
            }
            holds &= met;
        }
        self.held |= holds;
        Ok(holds)
    }

    /// Checks, after all combinations, whether the condition ever held: if not, it is a mistake of the file. `later` are
    /// the keys that only factors below the condition change.
    ///
    /// # Errors
    /// The condition never held; the message lists the values that its keys had.
    pub fn conclude(&self, later: &[&str]) -> Result<()> {
        if self.held {
            return Ok(());
        }
        let Condition { what, text, place, entries } = self.condition;
        let mut missed = entries.iter().zip(&self.seen).filter(|(_, seen)| !seen.is_empty());
        let is_later = |(entry, _): &(&Entry, &BTreeSet<String>)| later.contains(&entry.key.as_str());
        let help = match missed.clone().find(is_later).or_else(|| missed.next()) {
            None => "no combination is left".to_string(),
            Some((Entry { key, .. }, _)) if later.contains(&key.as_str()) => {
                format!("a condition sees only what stands above it: move {key} there")
            }
            Some((Entry { key, accepted, .. }, seen)) => {
                let near = accepted
                    .iter()
                    .find_map(|value| nearest(&value.inline(), seen.iter().map(String::as_str)))
                    .map_or(String::new(), |near| format!("did you mean {near}? "));
                let more = if seen.len() > MOST_LISTED { ", …" } else { "" };
                let list: Vec<&str> = seen.iter().take(MOST_LISTED).map(String::as_str).collect();
                let others = if entries.len() > 1 { " where it fails" } else { "" };
                format!("{near}{key} is {}{more}{others}", list.join(", "))
            }
        };
        Err(mistake(format!("{what} {text} holds for no combination"), place, help))
    }
}

/// Returns the experiment in which a condition is evaluated: read, but not yet checked, so that an `[[exclude]]` can
/// drop impossible models.
///
/// # Errors
/// An unknown key or a value of another type.
pub fn resolve(tree: &Tree) -> Result<Experiment> {
    let mut experiment: Experiment = tree.read()?;
    experiment.model = experiment.model.with_head_widths_stated();
    Ok(experiment)
}

/// Returns the experiment with a value of the condition set.
fn with(tree: &Tree, entry: &Entry, value: &Node) -> Result<Experiment> {
    let mut tree = tree.clone();
    tree.set(&entry.key, &entry.place, value.clone())?;
    resolve(&tree)
}

/// Returns the value of a key as messages show it.
fn value_of(experiment: &Experiment, key: &str) -> String {
    let json = serde_json::to_value(experiment).unwrap_or_default();
    let value = key.split('.').try_fold(&json, |value, part| value.get(part));
    match value {
        None | Some(serde_json::Value::Null) => "absent".to_string(),
        Some(value) => value_text(value),
    }
}
