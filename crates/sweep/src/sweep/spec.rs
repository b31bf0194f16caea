//! The sweep file as read: a base, sections of rows and factors, seeds, a table's layout.

use super::combine::too_many;
use super::condition::Condition;
use super::factor::{Factor, MOST_COMBINATIONS, factors};
use super::file::{RowFile, SectionFile, SweepFile, TableSpec};
use super::include::{Chain, include};
use super::label;
use super::launch::slurm::slurm_spec::SlurmSpec;
use super::policy::{MOST_WORKERS, Policy};
use super::settings::{Setting, mistake, place_of, settings, tables};
use crate::config::deserialize::from_table;
use crate::config::load::{load_table, relative_to};
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Place, Result};
use std::collections::HashSet;
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
    /// Changes of every row, made before the section's and the row's own.
    pub set: Vec<Setting>,
    /// What stands outside of `[[section]]` comes first, as a section without a label.
    pub sections: Vec<Section>,
    pub table: TableSpec,
    /// Trials that run at once; absent: the command decides.
    pub workers: Option<usize>,
    /// Cards that trials are spread over; absent: each runs on its `run.device`.
    pub devices: Option<Vec<String>>,
    /// What to do about failures, budgets and poor trials.
    pub policy: Policy,
    /// What `--launcher slurm` asks for.
    pub slurm: SlurmSpec,
    /// The start of the file.
    pub start: Place,
    /// The sweep file as parsed, for the places of what is not stored above.
    places: Table,
}

/// Rows and the factors that multiply them.
#[derive(Debug, Clone)]
pub struct Section {
    /// The first part of its rows' labels.
    pub label: Option<String>,
    pub place: Place,
    pub seeds: Vec<u64>,
    /// Changes of every row of the section, made before the row's own.
    pub set: Vec<Setting>,
    /// Empty: one row without a label that changes nothing.
    pub rows: Vec<Row>,
    /// In the order of the file.
    pub factors: Vec<Factor>,
    /// Combinations that match one of them are left out.
    pub exclude: Vec<Condition>,
    /// Of rows that name none: the letter of the paper's row group.
    pub group: Option<String>,
}

/// A named set of changes.
#[derive(Debug, Clone)]
pub struct Row {
    pub label: String,
    pub label_place: Place,
    /// The letter of the paper's row group.
    pub group: Option<String>,
    /// The row of the published table that this one repeats.
    pub paper: Option<String>,
    pub paper_place: Place,
    pub set: Vec<Setting>,
    /// Only combinations that match are rows.
    pub when: Option<Condition>,
}

impl SweepSpec {
    /// Reads a sweep file; `base` and `include` are relative to it.
    ///
    /// # Errors
    /// The file or one that it includes cannot be read, or a key or type in it is not accepted,
    /// at its place.
    pub fn load(path: &Path) -> Result<SweepSpec> {
        let (tree, start) = load_table(path)?;
        // The pattern names every field, so that a new key cannot be forgotten here.
        let SweepFile {
            base,
            seeds,
            workers,
            devices,
            max_trials,
            max_hours,
            retry,
            halving,
            slurm,
            include: included,
            set: _,
            row,
            point: _,
            zip: _,
            axes: _,
            random: _,
            exclude: _,
            section,
            table,
        } = from_table(&tree, &start)?;
        let base_place = place_of(&tree, "base", &start);
        check_seeds(&seeds, tree.get("seeds"))?;
        if let Some(workers) = workers.filter(|workers| !(1..=MOST_WORKERS).contains(workers)) {
            let help = format!("expected 1 to {MOST_WORKERS}; leave it out to let the command decide");
            let message = format!("workers = {workers} is out of range");
            return Err(mistake(message, &place_of(&tree, "workers", &start), help));
        }
        let policy = Policy { max_trials, max_hours, retry, halving, fail_fast: false };
        let place = |path: &[&str]| tree.at(path).map(|node| node.place.clone());
        policy.check_values(&place)?;
        slurm.check(&|key| place(&["slurm", key]))?;
        let mut sections = read_sections(section, &tree, &seeds)?;
        let mut top = Section {
            label: None,
            place: start.clone(),
            group: None,
            seeds: seeds.clone(),
            set: Vec::new(),
            rows: read_rows(row, &tree)?,
            factors: factors(&tree)?,
            exclude: exclusions(&tree)?,
        };
        let mut chain = Chain::new(path);
        for (named, place) in included.iter().zip(item_places(&tree, "include", &start)) {
            let part = include(named, &place, &seeds, &mut chain)?;
            top.rows.extend(part.rows);
            sections.extend(part.sections);
        }
        if sections.is_empty() || !(top.rows.is_empty() && top.factors.is_empty() && top.exclude.is_empty()) {
            sections.insert(0, top);
        }
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        Ok(SweepSpec {
            name,
            base: relative_to(&base_place, &base)?,
            base_place,
            set: settings(tree.get("set"), "set", &[])?,
            sections,
            table,
            workers,
            devices,
            policy,
            slurm,
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

/// The sections of a file that were read as `files` from `tree`.
pub fn read_sections(files: Vec<SectionFile>, tree: &Table, seeds: &[u64]) -> Result<Vec<Section>> {
    let section = |(file, (table, node)): (SectionFile, (&Table, &Node))| {
        let SectionFile {
            label,
            group,
            seeds: own,
            set: _,
            row,
            point: _,
            zip: _,
            axes: _,
            random: _,
            exclude: _,
        } = file;
        let place = place_of(table, "label", &node.place);
        check_label(&label, &place)?;
        if let Some(own) = &own {
            check_seeds(own, table.get("seeds"))?;
        }
        Ok(Section {
            group: group.or_else(|| Some(label.clone())),
            label: Some(label),
            seeds: own.unwrap_or_else(|| seeds.to_vec()),
            set: settings(table.get("set"), "set", &[])?,
            rows: read_rows(row, table)?,
            factors: factors(table)?,
            exclude: exclusions(table)?,
            place,
        })
    };
    files.into_iter().zip(tables(tree, "section")).map(section).collect()
}

/// The rows of a file or section that were read as `files` from `table`.
pub fn read_rows(files: Vec<RowFile>, table: &Table) -> Result<Vec<Row>> {
    let row = |(file, (table, node)): (RowFile, (&Table, &Node))| {
        let RowFile { label, group, paper, set: _, when: _ } = file;
        let label_place = place_of(table, "label", &node.place);
        check_label(&label, &label_place)?;
        Ok(Row {
            label,
            label_place,
            group,
            paper,
            paper_place: place_of(table, "paper", &node.place),
            set: settings(table.get("set"), "set", &[])?,
            when: Condition::when(table.get("when"))?,
        })
    };
    files.into_iter().zip(tables(table, "row")).map(row).collect()
}

/// The place of each item of the array at `key`.
pub fn item_places(table: &Table, key: &str, otherwise: &Place) -> Vec<Place> {
    match table.get(key) {
        Some(Node { value: Value::Array(items), .. }) => {
            items.iter().map(|item| item.place.clone()).collect()
        }
        Some(node) => vec![node.place.clone()],
        None => vec![otherwise.clone()],
    }
}

fn exclusions(table: &Table) -> Result<Vec<Condition>> {
    tables(table, "exclude").into_iter().map(|(_, node)| Condition::read(node, "exclude")).collect()
}

fn check_label(label: &str, place: &Place) -> Result<()> {
    match label::label_problem(label) {
        Some(help) => Err(mistake(format!("label {label:?} is not a safe name"), place, help)),
        None => Ok(()),
    }
}

fn check_seeds(seeds: &[u64], node: Option<&Node>) -> Result<()> {
    let Some(Node { value: Value::Array(items), place }) = node else {
        return Ok(());
    };
    if seeds.is_empty() {
        let help = "state at least one, as in seeds = [1, 2, 3]";
        return Err(mistake("seeds = [] leaves nothing to run", place, help));
    }
    if seeds.len() > MOST_COMBINATIONS {
        return Err(too_many(place));
    }
    let mut stated = HashSet::new();
    for (seed, item) in seeds.iter().zip(items) {
        if !stated.insert(seed) {
            return Err(mistake(format!("seeds states {seed} twice"), &item.place, "remove one of them"));
        }
    }
    Ok(())
}
