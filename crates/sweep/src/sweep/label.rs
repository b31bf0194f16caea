//! Labels of rows: short, and safe as names of directories.

use super::directory;
use super::factor::{Choice, Factor};
use super::settings::{Setting, mistake};
use crate::config::toml_tree::{Key, Node, Value};
use crate::error::{Place, Result};
use crate::folders::{DIRECTORY_NAME_HELP, LONGEST_NAME, is_directory_name};

/// The label of a row without any name.
const PLAIN: &str = "base";

/// The word of `--only` for the trials that failed.
pub const FAILED: &str = "failed";

/// Shortens keys for labels to their last part, unless two keys of the section share it.
#[derive(Debug)]
pub struct Labels {
    /// Last parts that several keys share.
    shared: Vec<String>,
}

impl Labels {
    /// Collects the keys of a section's factors.
    pub fn new(factors: &[Factor]) -> Labels {
        let mut keys: Vec<&str> = factors.iter().flat_map(Factor::keys).collect();
        keys.sort_unstable();
        keys.dedup();
        let mut lasts: Vec<&str> = keys.into_iter().map(last).collect();
        lasts.sort_unstable();
        let shared = lasts.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0].to_string());
        Labels { shared: shared.collect() }
    }

    /// Returns a choice's part of the label: its own label, or `key=value` for each change.
    pub fn part(&self, choice: &Choice) -> String {
        let made = || {
            let settings = choice.changes.iter().map(|change| self.key_and_value(&change.setting));
            settings.collect::<Vec<_>>().join(",")
        };
        choice.label.clone().unwrap_or_else(made)
    }

    fn key_and_value(&self, setting: &Setting) -> String {
        let key = last(&setting.key);
        let shared = self.shared.iter().any(|shared| shared == key);
        format!("{}={}", if shared { &setting.key } else { key }, value(&setting.value))
    }
}

/// Joins the parts of a label.
pub fn join<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    let label = parts.into_iter().collect::<Vec<_>>().join(",");
    if label.is_empty() { PLAIN.to_string() } else { label }
}

/// Checks whether a label can name a directory.
///
/// # Errors
/// A mistake at `place`, with advice.
pub(super) fn check_label(label: &str, place: &Place) -> Result<()> {
    match label_problem(label) {
        Some(help) => Err(mistake(format!("label {label:?} is not a safe name"), place, help)),
        None => Ok(()),
    }
}

/// Returns the reason why a label cannot name a directory, with advice; None if it can.
fn label_problem(label: &str) -> Option<String> {
    if is_directory_name(label) {
        None
    } else if label.len() > LONGEST_NAME {
        let help = "give the points a `label` or the zips `labels`";
        let length = label.len();
        Some(format!("it names a directory, and has {length} characters: at most {LONGEST_NAME}; {help}"))
    } else {
        Some(DIRECTORY_NAME_HELP.to_string())
    }
}

/// Returns the use that the directory of a sweep has for a name, which then cannot be a label; None if it has none.
/// Ignores case, as some file systems do.
pub fn reserved(label: &str) -> Option<&'static str> {
    let name = label.to_ascii_lowercase();
    if directory::is_own(&name) || name.contains("tfevents") || name.ends_with(".tmp") {
        Some("the sweep writes a file of this name beside its rows")
    } else if name.strip_prefix("seed-").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_digit())) {
        Some("directories of this name hold the runs of a row")
    } else if name == FAILED {
        Some("--only takes this word for the trials that failed")
    } else {
        None
    }
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// Returns a value in the characters of a label: `{ rotary = { base = 2.0 } }` becomes `rotary.base.2.0`.
fn value(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' })
            .collect(),
        Value::Array(items) => items.iter().map(value).collect::<Vec<_>>().join("+"),
        Value::Table(table) => {
            let entry = |(key, node): &(Key, Node)| format!("{}.{}", key.name, value(node));
            table.iter().map(entry).collect::<Vec<_>>().join("+")
        }
        _ => node.inline(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::parse::parse_value;

    fn written(text: &str) -> String {
        value(&parse_value("a.toml", text, 0..text.len()).unwrap())
    }

    #[test]
    fn values_use_only_the_characters_of_labels() {
        assert_eq!(written("0.5"), "0.5");
        assert_eq!(written("\"a b/c\""), "a-b-c");
        assert_eq!(written("[1, 2]"), "1+2");
        assert_eq!(written("{ rotary = { base = 2.0 } }"), "rotary.base.2.0");
    }

    #[test]
    fn a_label_that_can_name_no_directory_gets_advice() {
        assert_eq!(label_problem("wide,heads=4"), None);
        assert_eq!(label_problem("a/b").as_deref(), Some(DIRECTORY_NAME_HELP));
        assert!(label_problem(&"x".repeat(201)).unwrap().contains("has 201 characters"));
        assert_eq!(label_problem(&"x".repeat(200)), None);
    }

    #[test]
    fn names_that_the_sweeps_directory_needs_itself_are_no_rows() {
        let own = [
            "table.md",
            "table.tex",
            "Table.CSV",
            "records.jsonl",
            "sentence_counts.jsonl.gz",
            "ledger.jsonl",
            "sweep.toml",
            "report.html",
            "events.out.tfevents.0000000001.ablate",
            "events-3.tmp",
            "seed-1",
            "SEED-",
            "failed",
        ];
        own.iter().for_each(|label| assert!(reserved(label).is_some(), "{label}"));
        let free = [
            "base",
            "table",
            "mean",
            "table.md,norm=pre",
            "seed-one",
            "events",
            "record.json",
            "checkpoints",
        ];
        free.iter().for_each(|label| assert_eq!(reserved(label), None, "{label}"));
    }

    #[test]
    fn parts_are_joined_and_nothing_is_the_base() {
        assert_eq!(join(["width", "wide", "norm=pre"]), "width,wide,norm=pre");
        assert_eq!(join([]), PLAIN);
    }
}
