//! A section of a sweep: rows and the factors that multiply them, from a sweep file or an included file.

use super::condition::Condition;
use super::factor::{Factor, MOST_COMBINATIONS, too_many};
use super::file::{RowFile, SectionFile};
use super::label::check_label;
use super::read_factors::factors;
use super::settings::{Setting, mistake, one_label, place_of, settings, tables};
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Mistakes, Place, Result};
use std::collections::{HashMap, HashSet};

/// Rows and the factors that multiply them.
#[derive(Debug, Clone)]
pub struct Section {
    /// The first part of the labels of its rows.
    pub label: Option<String>,
    pub place: Place,
    pub seeds: Vec<u64>,
    /// Changes of every row of the section, made before the row's own.
    pub set: Vec<Setting>,
    /// The rows. If empty, there is one row without a label and without changes.
    pub rows: Vec<Row>,
    /// The factors, in the order of the file.
    pub factors: Vec<Factor>,
    /// Conditions: combinations that match one of them are left out.
    pub exclude: Vec<Condition>,
    /// The letter of the paper's row group, for rows that state none.
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
    /// Condition: combinations that do not match are left out.
    pub when: Option<Condition>,
}

/// Returns the sections of a file that were read as `files` from `tree`, except those with `mistakes`. A section that
/// lost only some of its rows to mistakes is included.
pub fn read_sections(
    files: Vec<SectionFile>,
    tree: &Table,
    seeds: &[u64],
    mistakes: &mut Mistakes,
) -> Result<Vec<Section>> {
    let mut sections = Vec::new();
    for (file, (table, node)) in files.into_iter().zip(tables(tree, "section")) {
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
        let states_rows = !row.is_empty();
        let is_named = mistakes.keep(check_label(&label, &place))?;
        let seeds = match own {
            None => seeds.to_vec(),
            Some(own) => {
                mistakes.keep(check_seeds(&own, table.get("seeds")))?.map_or_else(Vec::new, |()| own)
            }
        };
        let set = mistakes.keep(settings(table.get("set"), "set", &[]))?;
        let rows = read_rows(row, table, mistakes)?;
        let factors = mistakes.keep(factors(table))?;
        let exclude = mistakes.keep(exclusions(table))?;
        let lacks_rows = states_rows && rows.is_empty();
        if let (Some(()), Some(set), Some(factors), Some(exclude)) = (is_named, set, factors, exclude)
            && !lacks_rows
        {
            sections.push(Section {
                group: group.or_else(|| Some(label.clone())),
                label: Some(label),
                seeds,
                set,
                rows,
                factors,
                exclude,
                place,
            });
        }
    }
    Ok(sections)
}

/// Returns the rows of a file or section that were read as `files` from `table`, except those whose settings have
/// `mistakes`.
pub fn read_rows(files: Vec<RowFile>, table: &Table, mistakes: &mut Mistakes) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (file, (table, node)) in files.into_iter().zip(tables(table, "row")) {
        let RowFile { label, group, paper, set: _, when: _ } = file;
        let label_place = place_of(table, "label", &node.place);
        mistakes.keep(check_label(&label, &label_place))?;
        let set = mistakes.keep(settings(table.get("set"), "set", &[]))?;
        let when = mistakes.keep(Condition::when(table.get("when")))?;
        if let (Some(set), Some(when)) = (set, when) {
            let paper_place = place_of(table, "paper", &node.place);
            rows.push(Row { label, label_place, group, paper, paper_place, set, when });
        }
    }
    check_row_labels(&rows, mistakes)?;
    Ok(rows)
}

/// Refuses two rows of one section with the same label, even if their conditions exclude each other: a user could not
/// tell which one ran. The mistake is at the second label, with the place of the first.
pub fn check_row_labels(rows: &[Row], mistakes: &mut Mistakes) -> Result<()> {
    let mut places: HashMap<&str, &Place> = HashMap::new();
    for Row { label, label_place: place, .. } in rows {
        if let Some(other) = places.insert(label, place) {
            let message = format!("two rows are labelled {label:?}");
            mistakes.add_error(mistake(message, place, one_label(other, place)))?;
        }
    }
    Ok(())
}

/// Reads the `[[exclude]]` conditions of a file or section.
pub fn exclusions(table: &Table) -> Result<Vec<Condition>> {
    tables(table, "exclude").into_iter().map(|(_, node)| Condition::read(node, "exclude")).collect()
}

/// Checks the seeds that a file states at `node`: at least one, and none twice.
///
/// # Errors
/// A mistake at the array or the seed.
pub fn check_seeds(seeds: &[u64], node: Option<&Node>) -> Result<()> {
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
