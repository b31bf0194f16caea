//! `[search]` of a sweep file: draws that learn from the results of earlier draws.

use super::draw::{self, DrawnKey, check_count, drawn_keys};
use super::factor::Choice;
use super::file::SearchFile;
use super::objective::{check_comparable, check_objective};
use super::settings::{about, mistake, place_of};
use crate::config::deserialize::from_table;
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Place, Result};
use crate::results::metric::Better;

/// Name of the draws in messages.
pub const SEARCH: &str = "[search]";
/// Keys of `[search]` that are not settings.
const WORDS: [&str; 3] = ["seed", "count", "objective"];
/// Other ways to state rows, which cannot stand beside a search: each of its draws is a row.
const OTHERS: [(&str, &str); 7] = [
    ("row", "[[row]]"),
    ("point", "[[point]]"),
    ("zip", "[[zip]]"),
    ("axes", "[axes]"),
    ("random", "[random]"),
    ("section", "[[section]]"),
    ("include", "include"),
];

/// A search.
#[derive(Debug, Clone)]
pub struct Search {
    pub place: Place,
    pub seed: u64,
    /// Number of draws of the whole search.
    pub count: usize,
    /// The tag of the objective, such as `dev/bleu`.
    pub objective: String,
    pub objective_place: Place,
    pub better: Better,
    /// The keys that are drawn, in the order of the text.
    pub keys: Vec<DrawnKey>,
}

impl Search {
    /// Reads `[search]` of a sweep file; None if it has none.
    ///
    /// # Errors
    /// Other rows beside it, a count out of range, an invalid objective, no key, or an invalid distribution.
    pub fn read(file: &Table) -> Result<Option<Search>> {
        let Some(node) = file.get("search") else { return Ok(None) };
        let Value::Table(table) = &node.value else {
            let message = format!("search = {} is {}", node.excerpt(), node.kind());
            let help = "expected a section [search] with seed, count, objective and keys";
            return Err(mistake(message, &node.place, help));
        };
        if let Some((name, other)) = OTHERS.iter().find_map(|(key, name)| Some((name, file.get(key)?))) {
            let help = "each draw of a search is a row, and there are no others; state what all draws share under `set`, \
                        draw what varies under [search], or make two sweeps of it";
            return Err(mistake(format!("{name} cannot stand beside [search]"), &other.place, help));
        }
        let SearchFile { seed, count, objective } =
            from_table(table, &node.place).map_err(|error| about("search", error.into()))?;
        check_count("search", count, table, &node.place)?;
        let objective_place = place_of(table, "objective", &node.place);
        let better = check_objective(&objective, &objective_place)?;
        let keys = drawn_keys(node, "search", &WORDS)?;
        check_comparable(&objective, keys.iter().map(|drawn| (drawn.key.as_str(), &drawn.place)))?;
        Ok(Some(Search { place: node.place.clone(), seed, count, objective, objective_place, better, keys }))
    }

    /// Returns a draw as the choice of a factor. Keys without a value, whose condition does not hold, get a random one.
    pub fn choice(&self, number: usize, values: &[Option<f64>]) -> Choice {
        let changes = self.keys.iter().zip(values).map(|(drawn, value)| {
            let value: Node = match value {
                Some(value) => drawn.distribution.value(*value, &drawn.value_place),
                None => drawn.random(self.seed, number as u64),
            };
            drawn.change(value)
        });
        Choice { label: Some(draw::label(number)), changes: changes.collect() }
    }
}
