//! The sweep file as read: a base, sections of rows and factors, seeds, a table's layout.

use super::draw::continuous_keys;
use super::factor::{MOST_COMBINATIONS, too_many};
use super::file::{RowFile, SectionFile, SweepFile, TableSpec, refuse_experiment};
use super::include::{Chain, include_all};
use super::launch::slurm::slurm_spec::SlurmSpec;
use super::policy::{MOST_WORKERS, Policy};
use super::read_factors::factors;
use super::search_section::Search;
use super::section::{Section, check_row_labels, check_seeds, exclusions, read_rows, read_sections};
use super::settings::{Setting, mistake, place_of, settings};
use crate::config::deserialize::{Unfit, read_in_part};
use crate::config::load::{load_table, relative_to};
use crate::config::toml_tree::{Table, Value};
use crate::error::{Mistakes, Place, Result, nearest};
use std::path::{Path, PathBuf};

/// Keys of a sweep file on which its rows depend.
const KEYS_OF_ROWS: [&str; 11] =
    ["base", "include", "set", "row", "section", "point", "zip", "axes", "random", "search", "exclude"];
/// The other keys.
const OTHER_KEYS: [&str; 9] =
    ["seeds", "workers", "devices", "max_trials", "max_hours", "retry", "halving", "slurm", "table"];

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
    /// The sections. Rows and factors outside of `[[section]]` come first, as a section without a label.
    pub sections: Vec<Section>,
    /// The search, which makes the rows of the only section one after the other.
    pub search: Option<Search>,
    pub table: TableSpec,
    /// Number of trials that run at once; None: the command decides.
    pub workers: Option<usize>,
    /// Cards among which trials are divided; None: each trial uses its `run.device`.
    pub devices: Option<Vec<String>>,
    /// The rules on failures, limits and poor trials.
    pub policy: Policy,
    /// The request of `--launcher slurm` for each trial.
    pub slurm: SlurmSpec,
    /// The mistakes in the file, which [`expand`](super::expand::expand) reports together with those in its rows. Parts
    /// of the file with mistakes are missing above.
    pub(super) mistakes: Mistakes,
    /// The start of the file.
    pub start: Place,
    /// The sweep file as parsed, for the places of parts that are not stored above.
    places: Table,
}

impl SweepSpec {
    /// Reads a sweep file; `base` and `include` are relative to it. A mistake that does not hide the rest of the file
    /// is reported by [`expand`](super::expand::expand).
    ///
    /// # Errors
    /// The file cannot be read, or not as a sweep: its mistakes, with their places.
    pub fn load(path: &Path) -> Result<SweepSpec> {
        let (tree, start) = load_table(path)?;
        refuse_experiment(path, &tree)?;
        let (mut mistakes, left_out, tree, file) = match read_in_part(&tree, &start) {
            Ok(file) => (Mistakes::default(), Vec::new(), tree, file),
            Err(unfit) => match *unfit {
                Unfit { mistakes, left_out, rest: Some((rest, file)) } => (mistakes, left_out, rest, file),
                Unfit { mistakes, .. } => return Err(mistakes.into_diagnostic().into()),
            },
        };
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
        } = file;
        let base_place = place_of(&tree, "base", &start);
        let seeds = mistakes.keep(check_seeds(&seeds, tree.get("seeds")))?.map_or_else(Vec::new, |()| seeds);
        if let Some(workers) = workers.filter(|workers| !(1..=MOST_WORKERS).contains(workers)) {
            let help = format!("expected 1 to {MOST_WORKERS}; leave it out to let the command decide");
            let message = format!("workers = {workers} is out of range");
            mistakes.add_error(mistake(message, &place_of(&tree, "workers", &start), help))?;
        }
        let policy = Policy { max_trials, max_hours, retry, halving, fail_fast: false };
        let place = |path: &[&str]| tree.at(path).map(|node| node.place.clone());
        let checked = [policy.check_values(&place), slurm.check(&|key| place(&["slurm", key]))];
        checked.into_iter().filter_map(|checked| checked.err()).for_each(|mistake| mistakes.add(mistake));
        let name = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
        let mut spec = SweepSpec {
            name,
            base: relative_to(&base_place, &base)?,
            base_place,
            set: Vec::new(),
            sections: Vec::new(),
            search: None,
            table,
            workers,
            devices,
            policy,
            slurm,
            mistakes,
            start,
            places: tree,
        };
        // Rows without a key that was left out would be wrong. An unknown key may be meant for the rows.
        let is_of_rows = |key: &String| {
            let meant = nearest(key, KEYS_OF_ROWS.into_iter().chain(OTHER_KEYS));
            meant.is_none_or(|key| KEYS_OF_ROWS.contains(&key))
        };
        if !left_out.iter().filter_map(|path| path.first()).any(is_of_rows) {
            spec.read_rows(path, row, section, &included, &seeds)?;
        }
        Ok(spec)
    }

    /// Reads everything that makes rows from the file at `path`; `rows`, `sections` and `included` are parsed already.
    fn read_rows(
        &mut self,
        path: &Path,
        rows: Vec<RowFile>,
        sections: Vec<SectionFile>,
        included: &[String],
        seeds: &[u64],
    ) -> Result<()> {
        let (tree, mistakes) = (&self.places, &mut self.mistakes);
        let set = mistakes.keep(settings(tree.get("set"), "set", &[]))?;
        let search = mistakes.keep(Search::read(tree))?;
        if let Some(Some(search)) = &search
            && search.count.saturating_mul(seeds.len()) > MOST_COMBINATIONS
        {
            mistakes.add_error(too_many(&search.place))?;
        }
        let (states_rows, states_sections) =
            (!(rows.is_empty() && included.is_empty()), !sections.is_empty());
        let mut sections = read_sections(sections, tree, seeds, mistakes)?;
        let mut rows = read_rows(rows, tree, mistakes)?;
        let factors = mistakes.keep(factors(tree))?;
        let exclude = mistakes.keep(exclusions(tree))?;
        let part = include_all(included, tree, &self.start, seeds, &mut Chain::new(path), mistakes)?;
        rows.extend(part.rows);
        sections.extend(part.sections);
        check_row_labels(&rows, mistakes)?;
        let (Some(set), Some(search)) = (set, search) else { return Ok(()) };
        if let (Some(factors), Some(exclude)) = (factors, exclude) {
            let is_empty = rows.is_empty() && factors.is_empty() && exclude.is_empty();
            // If all rows or sections were left out for mistakes, no row of the base alone is added.
            let lacks_rows = states_rows && rows.is_empty() && !mistakes.is_empty();
            let lacks_sections = sections.is_empty() && !states_sections;
            if !lacks_rows && (lacks_sections || !is_empty) {
                let top = Section {
                    label: None,
                    place: self.start.clone(),
                    group: None,
                    seeds: seeds.to_vec(),
                    set: Vec::new(),
                    rows,
                    factors,
                    exclude,
                };
                sections.insert(0, top);
            }
        }
        (self.set, self.sections, self.search) = (set, sections, search);
        Ok(())
    }

    /// Returns the keys that `[random]` or `[search]` draws from a continuous range.
    pub fn continuous_keys(&self) -> Vec<String> {
        let factors = self.sections.iter().flat_map(|section| &section.factors);
        let of_search = self.search.iter().flat_map(|search| continuous_keys(&search.keys));
        factors.flat_map(|factor| factor.continuous.clone()).chain(of_search).collect()
    }

    /// Returns the place of item `index` of the array at a path of keys; else of the array; else of the file.
    pub fn place(&self, path: &[&str], index: Option<usize>) -> Place {
        let node = self.places.at(path);
        let item = match (node.map(|node| &node.value), index) {
            (Some(Value::Array(items)), Some(index)) => items.get(index),
            _ => None,
        };
        item.or(node).map_or_else(|| self.start.clone(), |node| node.place.clone())
    }
}
