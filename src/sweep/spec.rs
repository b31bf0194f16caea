//! The sweep file: a base experiment, rows and axes of changes, seeds, a table's layout.

use super::policy::{Halving, Policy, Retry};
use crate::config::deserialize::from_table;
use crate::config::load::{load_table, relative_to};
use crate::config::tree::{Node, Table, Value};
use crate::error::{Diagnostic, Place, Result};
use serde::Deserialize;
use serde::de::IgnoredAny;
use std::path::{Path, PathBuf};

/// A sweep as its file states it; [`expand`](super::expand::expand) makes trials of it.
#[derive(Debug, Clone)]
pub struct SweepSpec {
    /// The file's name without its ending: the sweep's directory below `results/`.
    pub name: String,
    /// The experiment that every row changes.
    pub base: PathBuf,
    /// The value of `base`, for messages.
    pub base_place: Place,
    /// Each row is trained once with each.
    pub seeds: Vec<u64>,
    /// Changes of every row, made before the row's own.
    pub set: Vec<Setting>,
    /// Empty: one row named "base" that changes nothing.
    pub rows: Vec<RowSpec>,
    /// Their product is added to every row.
    pub axes: Vec<Axis>,
    pub table: TableSpec,
    /// Trials that run at once; absent: the command decides.
    pub workers: Option<usize>,
    /// What to do about failures, budgets and poor trials.
    pub policy: Policy,
    /// The start of the file.
    pub start: Place,
    /// The sweep file as parsed, for the places of what is not stored above.
    places: Table,
}

/// One change of the base: a dotted key and its value.
#[derive(Debug, Clone)]
pub struct Setting {
    /// `section.key`
    pub key: String,
    pub place: Place,
    pub value: Node,
}

/// A named set of changes.
#[derive(Debug, Clone)]
pub struct RowSpec {
    pub label: String,
    pub label_place: Place,
    /// The letter of the paper's row group.
    pub group: Option<String>,
    /// The row of the published table that this one repeats.
    pub paper: Option<String>,
    pub paper_place: Place,
    pub set: Vec<Setting>,
}

/// A key and the values that it takes in turn.
#[derive(Debug, Clone)]
pub struct Axis {
    pub key: String,
    pub place: Place,
    pub values: Vec<Node>,
}

/// The `[table]` section: how results are shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TableSpec {
    /// A published table to print beside ours; see `results::published`.
    pub paper: Option<String>,
    /// Columns in order; empty: the usual ones. See `results::table`.
    pub columns: Vec<String>,
}

/// The keys of a sweep file. `set` and `axes` hold keys of the experiment, whose places
/// matter, so they are read from the tree.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SweepFile {
    base: String,
    seeds: Vec<u64>,
    #[serde(default)]
    set: IgnoredAny,
    #[serde(default)]
    row: Vec<RowFile>,
    #[serde(default)]
    axes: IgnoredAny,
    #[serde(default)]
    table: TableSpec,
    workers: Option<usize>,
    max_trials: Option<usize>,
    max_hours: Option<f64>,
    #[serde(default)]
    retry: Retry,
    halving: Option<Halving>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowFile {
    label: String,
    group: Option<String>,
    paper: Option<String>,
    #[serde(default)]
    set: IgnoredAny,
}

impl SweepSpec {
    /// Reads a sweep file; `base` is relative to it.
    ///
    /// # Errors
    /// The file cannot be read, or a key or type in it is not accepted, at its place.
    pub fn load(path: &Path) -> Result<SweepSpec> {
        let (tree, start) = load_table(path)?;
        // The pattern names every field, so that a new key cannot be forgotten here.
        let SweepFile {
            base,
            seeds,
            set: IgnoredAny,
            row,
            axes: IgnoredAny,
            table,
            workers,
            max_trials,
            max_hours,
            retry,
            halving,
        } = from_table(&tree, &start)?;
        let base_place = place_of(&tree, "base", &start);
        let nodes = match tree.get("row") {
            Some(Node { value: Value::Array(nodes), .. }) => nodes.as_slice(),
            _ => &[],
        };
        let rows = row
            .into_iter()
            .zip(nodes)
            .map(|(RowFile { label, group, paper, set: IgnoredAny }, node)| {
                let empty = Table::default();
                let table = if let Value::Table(table) = &node.value { table } else { &empty };
                Ok(RowSpec {
                    label,
                    label_place: place_of(table, "label", &node.place),
                    group,
                    paper,
                    paper_place: place_of(table, "paper", &node.place),
                    set: settings(table.get("set"), "set")?,
                })
            })
            .collect::<Result<_>>()?;
        let axes = settings(tree.get("axes"), "axes")?
            .into_iter()
            .map(|Setting { key, place, value }| match value.value {
                Value::Array(values) => Ok(Axis { key, place, values }),
                _ => Err(Diagnostic::new(format!("axis {key} = {} is {}", value.excerpt(), value.kind()))
                    .at(Some(value.place))
                    .help("an axis is an array of the values to try; one value for all rows belongs under `set`")
                    .into()),
            })
            .collect::<Result<_>>()?;
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Ok(SweepSpec {
            name,
            base: relative_to(&base_place, &base),
            base_place,
            seeds,
            set: settings(tree.get("set"), "set")?,
            rows,
            axes,
            table,
            workers,
            policy: Policy { max_trials, max_hours, retry, halving, fail_fast: false },
            start,
            places: tree,
        })
    }

    /// The place of item `index` of an array at a path of keys; of the array; of the file.
    pub fn place(&self, path: &[&str], index: Option<usize>) -> Place {
        let node = self.places.at(path);
        let item = match (node.map(|node| &node.value), index) {
            (Some(Value::Array(items)), Some(index)) => items.get(index),
            _ => None,
        };
        item.or(node).map_or_else(|| self.start.clone(), |node| node.place.clone())
    }
}

fn place_of(table: &Table, key: &str, otherwise: &Place) -> Place {
    table.get(key).map_or_else(|| otherwise.clone(), |node| node.place.clone())
}

/// The entries of a `set` or `axes` table. `"model.heads" = 1` and `model.heads = 1` (which
/// TOML nests) are the same.
fn settings(node: Option<&Node>, what: &str) -> Result<Vec<Setting>> {
    let Some(node) = node else {
        return Ok(Vec::new());
    };
    let Value::Table(table) = &node.value else {
        let message = format!("{what} = {} is {}", node.excerpt(), node.kind());
        let help = format!("expected a table of changes: {what} = {{ \"model.heads\" = 1 }}");
        return Err(Diagnostic::new(message).at(Some(node.place.clone())).help(help).into());
    };
    let mut settings: Vec<Setting> = Vec::new();
    for (key, value) in table.iter() {
        match &value.value {
            Value::Table(section) if !key.name.contains('.') => {
                settings.extend(section.iter().map(|(inner, value)| Setting {
                    key: format!("{}.{}", key.name, inner.name),
                    place: inner.place.clone(),
                    value: value.clone(),
                }));
            }
            _ => settings.push(Setting {
                key: key.name.clone(),
                place: key.place.clone(),
                value: value.clone(),
            }),
        }
    }
    for (i, setting) in settings.iter().enumerate() {
        let place = Some(setting.place.clone());
        if settings[..i].iter().any(|earlier| earlier.key == setting.key) {
            let message = format!("{what} states {} twice", setting.key);
            return Err(Diagnostic::new(message).at(place).help("remove one of them").into());
        }
        if !setting.key.contains('.') {
            let message =
                format!("{what} states {:?}, which is no key of an experiment's section", setting.key);
            return Err(Diagnostic::new(message)
                .at(place)
                .help("keys are section.key, as in model.heads")
                .into());
        }
        if setting.key == "training.seed" {
            let message = format!("{what} states training.seed, which the sweep's seeds replace");
            return Err(Diagnostic::new(message).at(place).help("list it under `seeds`").into());
        }
    }
    Ok(settings)
}
