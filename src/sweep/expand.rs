//! From a sweep file to its trials: rows × axes × seeds, each a checked experiment.

use super::spec::{RowSpec, Setting, SweepSpec};
use crate::config::configuration_hash;
use crate::config::load::{apply_sets, load_experiment_tree};
use crate::config::schema::Experiment;
use crate::config::tree::{Node, Tree, Value};
use crate::config::validate::{DIRECTORY_NAME_HELP, is_directory_name};
use crate::error::{Diagnostic, Error, Place, Result, nearest};
use crate::results::published::Published;
use crate::results::table::{COLUMNS, Layout, RowLayout};

/// More trials than this are a slip of an axis, not a plan.
const MOST_TRIALS: usize = 10_000;

/// One row with one seed.
#[derive(Debug, Clone, PartialEq)]
pub struct Trial {
    /// The row's label, the axes' values included: the name of its directory.
    pub row: String,
    pub group: Option<String>,
    /// The row of the published table that this one repeats.
    pub paper: Option<String>,
    pub seed: u64,
    /// What sets the row apart from the others, as (key, value in TOML).
    pub changes: Vec<(String, String)>,
    /// Resolved and checked; its label is the row's, its seed the trial's.
    pub experiment: Experiment,
}

/// All trials of a sweep, row by row, seeds innermost. `sets` are `section.key=value`,
/// applied to every trial last.
///
/// # Errors
/// Anything in the sweep, its base or a trial that is not accepted, at its place; for a
/// trial the message names the row.
pub fn expand(spec: &SweepSpec, sets: &[String]) -> Result<Vec<Trial>> {
    check(spec)?;
    let base = load_base(spec)?;
    let mut trials: Vec<Trial> = Vec::new();
    let mut seen: Vec<(String, String)> = Vec::new();
    for row in rows(spec)? {
        let in_row = |error| about_row(error, &row.label);
        let mut tree = base.clone();
        for Setting { key, place, value } in spec.set.iter().chain(&row.set) {
            tree.set(key, place, value.clone()).map_err(in_row)?;
        }
        apply_sets(&mut tree, sets)?;
        let mut experiment = tree.experiment().map_err(in_row)?;
        experiment.label = Some(row.label.clone());
        check_distinct(spec, &row, &experiment, &mut seen)?;
        let changes: Vec<(String, String)> = row.set.iter().map(|setting| change(&tree, setting)).collect();
        for &seed in &spec.seeds {
            let mut experiment = experiment.clone();
            experiment.training.seed = seed;
            trials.push(Trial {
                row: row.label.clone(),
                group: row.group.clone(),
                paper: row.paper.clone(),
                seed,
                changes: changes.clone(),
                experiment,
            });
        }
    }
    Ok(trials)
}

/// How the results of these trials are laid out in a table.
///
/// # Errors
/// The published table cannot be read.
pub fn layout(spec: &SweepSpec, trials: &[Trial]) -> Result<Layout> {
    let mut rows: Vec<RowLayout> = Vec::new();
    for trial in trials {
        match rows.last_mut() {
            Some(row) if row.label == trial.row => row.seeds.push(trial.seed),
            _ => rows.push(RowLayout {
                label: trial.row.clone(),
                group: trial.group.clone(),
                paper: trial.paper.clone(),
                changes: trial.changes.clone(),
                seeds: vec![trial.seed],
            }),
        }
    }
    let published = spec.table.paper.as_deref().map(Published::named).transpose()?;
    Ok(Layout { columns: spec.table.columns.clone(), published, rows })
}

/// The base with the places of its own files; a file that is missing is a mistake of the sweep's.
fn load_base(spec: &SweepSpec) -> Result<Tree> {
    if !spec.base.is_file() {
        let message = format!("base: there is no file {}", spec.base.display());
        let help = "the path is relative to the sweep file";
        return Err(mistake(message, spec.base_place.clone(), help));
    }
    load_experiment_tree(&spec.base, &[])
}

fn mistake(message: impl Into<String>, place: Place, help: impl Into<String>) -> Error {
    Diagnostic::new(message).at(Some(place)).help(help).into()
}

/// Puts the row's name before a message.
fn about_row(error: Error, label: &str) -> Error {
    match error {
        Error::Config(mut diagnostic) => {
            diagnostic.message = format!("row {label:?}: {}", diagnostic.message);
            Error::Config(diagnostic)
        }
        other => other,
    }
}

/// A row's change with the value that holds in the end: a `--set` may have replaced it.
fn change(tree: &Tree, setting: &Setting) -> (String, String) {
    let path: Vec<&str> = setting.key.split('.').collect();
    // A recipe named by its path stays a path here; its table would fill the cell.
    let value = match (&setting.value.value, tree.table.at(&path)) {
        (Value::String(_), Some(Node { value: Value::Table(_), .. })) | (_, None) => &setting.value,
        (_, Some(node)) => node,
    };
    (setting.key.clone(), value.inline())
}

/// What the sweep file alone can tell.
fn check(spec: &SweepSpec) -> Result<()> {
    if !is_directory_name(&spec.name) {
        let message = format!("the file's name {:?} is not a safe name", spec.name);
        return Err(mistake(message, spec.start.clone(), DIRECTORY_NAME_HELP));
    }
    if spec.seeds.is_empty() {
        let help = "state at least one, as in seeds = [1, 2, 3]";
        return Err(mistake("seeds = [] leaves nothing to run", spec.place(&["seeds"], None), help));
    }
    for (i, seed) in spec.seeds.iter().enumerate() {
        if spec.seeds[..i].contains(seed) {
            let place = spec.place(&["seeds"], Some(i));
            return Err(mistake(format!("seeds states {seed} twice"), place, "remove one of them"));
        }
    }
    if spec.workers == Some(0) {
        let place = spec.place(&["workers"], None);
        return Err(mistake(
            "workers = 0 runs nothing",
            place,
            "expected 1 or more; leave it out to let the command decide",
        ));
    }
    for axis in &spec.axes {
        if axis.values.is_empty() {
            let message = format!("axis {} = [] has no values", axis.key);
            return Err(mistake(message, axis.place.clone(), "state at least one value, or remove the axis"));
        }
    }
    let sizes =
        spec.axes.iter().map(|axis| axis.values.len()).chain([spec.rows.len().max(1), spec.seeds.len()]);
    let trials = sizes.fold(1usize, usize::saturating_mul);
    if trials > MOST_TRIALS {
        let message = format!("the sweep has {trials} trials");
        let help = format!("at most {MOST_TRIALS}: shorten an axis or split the sweep");
        return Err(mistake(message, spec.start.clone(), help));
    }
    check_table(spec)
}

/// The published rows and the columns that the sweep names.
fn check_table(spec: &SweepSpec) -> Result<()> {
    for (i, column) in spec.table.columns.iter().enumerate() {
        let place = spec.place(&["table", "columns"], Some(i));
        if !COLUMNS.contains(&column.as_str()) {
            let guess =
                nearest(column, COLUMNS).map_or(String::new(), |near| format!("did you mean {near:?}? "));
            let help = format!("{guess}accepted: {}", COLUMNS.join(", "));
            return Err(mistake(format!("unknown column {column:?}"), place, help));
        }
        if spec.table.columns[..i].contains(column) {
            return Err(mistake(format!("columns states {column:?} twice"), place, "remove one of them"));
        }
    }
    let published = spec.table.paper.as_deref().map(Published::named).transpose();
    let published = published.map_err(|error| error.at(Some(spec.place(&["table", "paper"], None))))?;
    for row in &spec.rows {
        let place = || row.paper_place.clone();
        match (&row.paper, &published) {
            (Some(label), Some(table)) => {
                let unknown = |error: Diagnostic| about_row(error.at(Some(place())).into(), &row.label);
                table.row(label).map_err(unknown)?;
            }
            (Some(label), None) => {
                let message =
                    format!("row {:?}: paper = {label:?}, but the sweep names no published table", row.label);
                let help = "add paper = \"table3\" under [table], or remove the row's";
                return Err(mistake(message, place(), help));
            }
            (None, _) => {}
        }
    }
    Ok(())
}

/// The sweep's rows times its axes, with safe and different labels.
fn rows(spec: &SweepSpec) -> Result<Vec<RowSpec>> {
    let plain = RowSpec {
        label: "base".to_string(),
        label_place: spec.start.clone(),
        group: None,
        paper: None,
        paper_place: spec.start.clone(),
        set: Vec::new(),
    };
    let named = if spec.rows.is_empty() { std::slice::from_ref(&plain) } else { &spec.rows };
    let mut rows: Vec<RowSpec> = Vec::new();
    for row in named {
        if !is_directory_name(&row.label) {
            let message = format!("label {:?} is not a safe name", row.label);
            return Err(mistake(message, row.label_place.clone(), DIRECTORY_NAME_HELP));
        }
        let on_axis = |setting: &&Setting| spec.axes.iter().any(|axis| axis.key == setting.key);
        if let Some(setting) = row.set.iter().find(on_axis) {
            let message = format!("row {:?} sets {}, which is also an axis", row.label, setting.key);
            return Err(mistake(message, setting.place.clone(), "remove it from the row or from [axes]"));
        }
        for values in product(spec) {
            let mut full = row.clone();
            let parts: Vec<String> = values.iter().map(|setting| label_part(spec, setting)).collect();
            if !parts.is_empty() {
                let own = (!spec.rows.is_empty()).then(|| row.label.clone());
                full.label = own.into_iter().chain(parts).collect::<Vec<_>>().join(",");
            }
            full.set.extend(values);
            if let Some(same) = rows.iter().find(|other| other.label == full.label) {
                let message = format!("two rows are labelled {:?}", same.label);
                return Err(mistake(message, row.label_place.clone(), "labels name directories: change one"));
            }
            if !is_directory_name(&full.label) {
                let message = format!("label {:?} is not a safe name", full.label);
                return Err(mistake(message, row.label_place.clone(), DIRECTORY_NAME_HELP));
            }
            rows.push(full);
        }
    }
    Ok(rows)
}

/// Every combination of the axes' values, the last axis changing fastest.
fn product(spec: &SweepSpec) -> Vec<Vec<Setting>> {
    spec.axes.iter().fold(vec![Vec::new()], |combinations, axis| {
        let extend = |combination: &Vec<Setting>| {
            let combination = combination.clone();
            axis.values.iter().map(move |value| {
                let setting =
                    Setting { key: axis.key.clone(), place: axis.place.clone(), value: value.clone() };
                combination.iter().cloned().chain([setting]).collect()
            })
        };
        combinations.iter().flat_map(|combination| extend(combination).collect::<Vec<_>>()).collect()
    })
}

/// `key=value`; the key is the last part of the path, unless two axes share it.
fn label_part(spec: &SweepSpec, setting: &Setting) -> String {
    fn last(key: &str) -> &str {
        key.rsplit('.').next().unwrap_or(key)
    }
    let key = last(&setting.key);
    let shared = spec.axes.iter().filter(|axis| last(&axis.key) == key).count() > 1;
    format!("{}={}", if shared { &setting.key } else { key }, label_value(&setting.value))
}

/// A value in the characters of a label: `{ rotary = { base = 2.0 } }` is `rotary.base.2.0`.
fn label_value(node: &Node) -> String {
    match &node.value {
        Value::String(text) => text
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() || "._+-".contains(c) { c } else { '-' })
            .collect(),
        Value::Array(items) => items.iter().map(label_value).collect::<Vec<_>>().join("+"),
        Value::Table(table) => {
            let entry = |(key, node): &(crate::config::tree::Key, Node)| {
                format!("{}.{}", key.name, label_value(node))
            };
            table.iter().map(entry).collect::<Vec<_>>().join("+")
        }
        _ => node.inline(),
    }
}

/// No two rows may be the same configuration: one would be trained for nothing.
fn check_distinct(
    spec: &SweepSpec,
    row: &RowSpec,
    experiment: &Experiment,
    seen: &mut Vec<(String, String)>,
) -> Result<()> {
    let hash = configuration_hash(experiment);
    if let Some((_, other)) = seen.iter().find(|(earlier, _)| *earlier == hash) {
        let message = format!("rows {other:?} and {:?} are the same configuration", row.label);
        let place = if spec.rows.is_empty() { spec.place(&["axes"], None) } else { row.label_place.clone() };
        return Err(mistake(message, place, "remove one, or change what sets it apart"));
    }
    seen.push((hash, row.label.clone()));
    Ok(())
}
