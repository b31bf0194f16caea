//! `include = ["parts/heads.toml"]`: rows and sections that several sweeps share.

use super::file::PartFile;
use super::section::{Row, Section, read_rows, read_sections};
use super::settings::{mistake, named_at};
use crate::config::deserialize::from_table;
use crate::config::load::{LONGEST_CHAIN, identity_of, load_table, relative_to};
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Mistakes, Place, Result};
use std::path::{Path, PathBuf};

/// Largest number of files that a sweep includes in all: two that include two others each, and so on, never end.
const MOST_FILES: usize = 1_000;

/// The content of included files.
#[derive(Debug, Default)]
pub struct Part {
    pub rows: Vec<Row>,
    pub sections: Vec<Section>,
}

/// The chain of files that led to an included one, the sweep file first.
#[derive(Debug)]
pub struct Chain {
    files: Vec<PathBuf>,
    /// Number of files that were included so far.
    included: usize,
}

impl Chain {
    /// Starts at a sweep file.
    pub fn new(sweep: &Path) -> Chain {
        Chain { files: vec![sweep.to_path_buf()], included: 0 }
    }

    fn holds(&self, file: &Path) -> bool {
        let identity = identity_of(file);
        self.files.iter().any(|other| identity_of(other) == identity)
    }
}

/// Reads the files `included` that a file names in its `table`, and those that they include in turn. Sections without
/// seeds get `seeds`. Files, rows and sections with `mistakes` are left out.
///
/// # Errors
/// An error other than a mistake in a file.
pub fn include_all(
    included: &[String],
    table: &Table,
    start: &Place,
    seeds: &[u64],
    chain: &mut Chain,
    mistakes: &mut Mistakes,
) -> Result<Part> {
    let mut all = Part::default();
    for (named, place) in included.iter().zip(places(table, start)) {
        let part = include(named, &place, seeds, chain, mistakes);
        let Some(part) = mistakes.keep(part)? else { continue };
        all.rows.extend(part.rows);
        all.sections.extend(part.sections);
    }
    Ok(all)
}

/// Returns the place of each item of `include` in a file's table; `start` if the table has no such key.
fn places(table: &Table, start: &Place) -> Vec<Place> {
    match table.get("include") {
        Some(Node { value: Value::Array(items), .. }) => {
            items.iter().map(|item| item.place.clone()).collect()
        }
        Some(node) => vec![node.place.clone()],
        None => vec![start.clone()],
    }
}

/// Reads the file `named` at `place`, and the files that it includes in turn.
///
/// # Errors
/// The file does not exist, includes itself, cannot be read, or there are too many files.
fn include(
    named: &str,
    place: &Place,
    seeds: &[u64],
    chain: &mut Chain,
    mistakes: &mut Mistakes,
) -> Result<Part> {
    if chain.included > MOST_FILES {
        // The first file beyond the limit was reported.
        return Ok(Part::default());
    }
    let path = relative_to(place, named)?;
    if !path.is_file() {
        let message = format!("include: there is no file {}", path.display());
        return Err(mistake(message, place, "the path is relative to the file that names it"));
    }
    if chain.holds(&path) {
        let mut names: Vec<String> = chain.files.iter().map(|file| file.display().to_string()).collect();
        names.push(path.display().to_string());
        let message = format!("include = {named:?} leads back to a file that includes this one");
        return Err(mistake(
            message,
            place,
            format!(
                "these files include each other in a circle; remove one `include`: {}",
                names.join(" -> ")
            ),
        ));
    }
    chain.included += 1;
    if chain.included > MOST_FILES {
        let message = format!("include = {named:?}: the sweep includes more than {MOST_FILES} files");
        return Err(mistake(
            message,
            place,
            "a file counts each time that it is included: include every file once",
        ));
    }
    if chain.files.len() == LONGEST_CHAIN {
        let message = format!("include = {named:?}: more than {LONGEST_CHAIN} files include one another");
        return Err(mistake(message, place, "include the last of them in the sweep file itself"));
    }
    let (tree, start) = load_table(&path).map_err(named_at(place))?;
    if let Some(key) = ["base", "seeds"].into_iter().find(|key| tree.get(key).is_some()) {
        let message =
            format!("include = {named:?}: {} states `{key}`, as a whole sweep does", path.display());
        let help = "an included file holds [[row]], [[section]] and further `include` alone";
        return Err(mistake(message, place, help));
    }
    let PartFile { include: included, row, section } = from_table(&tree, &start)?;
    let mut part = Part {
        rows: read_rows(row, &tree, mistakes)?,
        sections: read_sections(section, &tree, seeds, mistakes)?,
    };
    chain.files.push(path);
    let inner = include_all(&included, &tree, &start, seeds, chain, mistakes)?;
    chain.files.pop();
    part.rows.extend(inner.rows);
    part.sections.extend(inner.sections);
    Ok(part)
}
