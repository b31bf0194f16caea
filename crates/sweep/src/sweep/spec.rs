//! The sweep file as read: a base, sections of rows and factors, seeds, a table's layout.

use super::factor::{MOST_COMBINATIONS, too_many};
use super::file::{SweepFile, TableSpec, refuse_experiment};
use super::include::{Chain, include};
use super::launch::slurm::slurm_spec::SlurmSpec;
use super::policy::{MOST_WORKERS, Policy};
use super::read_factors::factors;
use super::search_section::Search;
use super::section::{
    Section, check_row_labels, check_seeds, exclusions, item_places, read_rows, read_sections,
};
use super::settings::{Setting, mistake, place_of, settings};
use crate::config::deserialize::from_table;
use crate::config::load::{load_table, relative_to};
use crate::config::toml_tree::{Table, Value};
use crate::error::{Place, Result};
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
    /// Makes the rows of the only section, one after the other.
    pub search: Option<Search>,
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

impl SweepSpec {
    /// Reads a sweep file; `base` and `include` are relative to it.
    ///
    /// # Errors
    /// The file or one that it includes cannot be read, or a key or type in it is not accepted,
    /// at its place.
    pub fn load(path: &Path) -> Result<SweepSpec> {
        let (tree, start) = load_table(path)?;
        refuse_experiment(path, &tree)?;
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
            search: _,
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
        let search = Search::read(&tree)?;
        if let Some(search) = &search
            && search.count.saturating_mul(seeds.len()) > MOST_COMBINATIONS
        {
            return Err(too_many(&search.place));
        }
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
        check_row_labels(&top.rows)?;
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
            search,
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
