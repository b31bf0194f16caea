//! The selection and the order of the rows of a table: `ablate table --where KEY=VALUE --sort COLUMN --top N`.

use super::metric::Better;
use super::table::{ResultTable, Row};
use super::varied;
use crate::error::{Error, Result, did_you_mean};
use crate::sequence::distinct;
use std::cmp::Ordering;

/// The key for a row's label or name.
pub(super) const ROW: &str = "row";
/// The key for the group of a row.
pub(super) const GROUP: &str = "group";

/// The rows of a table that the user asks for; by default all, in the order of the sweep.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RowSelection {
    /// Pairs of a key and a value. A row is shown if, for every key, it has one of the key's values.
    pub conditions: Vec<(String, String)>,
    /// The column by which rows are sorted: the best score comes first, or the smallest value of a setting.
    pub sort: Option<String>,
    /// The number of rows to show, counted from the first.
    pub top: Option<usize>,
}

impl RowSelection {
    /// Whether every row is shown, in the order of the sweep.
    pub fn is_all(&self) -> bool {
        self.conditions.is_empty() && self.sort.is_none() && self.top.is_none()
    }
}

impl ResultTable {
    /// Keeps the selected rows, in the requested order. The best of a column is then the best of the remaining rows;
    /// tests stay as they were, over all rows.
    ///
    /// # Errors
    /// A user error for a key, value or column that the table does not have, with the existing ones, or if no row is
    /// left.
    pub fn select(&mut self, selection: &RowSelection) -> Result<()> {
        if selection.is_all() {
            return Ok(());
        }
        let all = self.rows.len();
        let mut words = Vec::new();
        for (key, value) in &selection.conditions {
            self.check_condition(key, value)?;
            words.push(format!("{key}={value}"));
        }
        let order = selection.sort.as_deref().map(|column| self.order(column)).transpose()?;
        let mut rows = std::mem::take(&mut self.rows);
        rows.retain(|row| {
            selection.conditions.iter().all(|(key, _)| {
                let of_key = selection.conditions.iter().filter(|(other, _)| other == key);
                of_key.into_iter().any(|(_, wanted)| self.value_is(row, key, wanted))
            })
        });
        if rows.is_empty() {
            return Err(Error::user(format!("--where {}: no row has all of this", words.join(" --where "))));
        }
        if let Some(order) = &order {
            rows.sort_by(|a, b| order.compare(a, b));
            self.notes.extend(self.note_on_order(&rows, selection.sort.as_deref()));
        }
        if let Some(top) = selection.top {
            rows.truncate(top);
        }
        let chosen = if words.is_empty() { String::new() } else { format!(" with {}", words.join(", ")) };
        let sorted = order.map_or(String::new(), |order| format!(", {}", order.words));
        self.selection = Some(format!("{} of {all} rows{chosen}{sorted}.", rows.len()));
        self.sorted = selection.sort.is_some();
        self.failures.retain(|failure| rows.iter().any(|row| row.layout.label == failure.row));
        self.rows = rows;
        self.mark_best();
        Ok(())
    }

    /// Returns a note if rows are sorted by a score in which not all of them compare.
    fn note_on_order(&self, rows: &[Row], sort: Option<&str>) -> Option<String> {
        let column = self.columns.iter().position(|column| Some(column.name.as_str()) == sort)?;
        let (name, metric) = (&self.columns[column].name, self.columns[column].metric?);
        let mut scored = rows.iter().filter(|row| row.cells[column].summary.is_some());
        let first = scored.next()?;
        let apart = scored.any(|row| !row.compares_in(&metric, first));
        apart.then(|| {
            format!(
                "{name} does not compare between all sorted rows: they differ in text, tokens or signature."
            )
        })
    }

    /// The key of a setting in which rows differ, found by its key or the name of its column.
    pub fn setting_key(&self, word: &str) -> Option<&str> {
        let is = |setting: &&varied::VariedSetting| setting.key == word || setting.name == word;
        self.settings.iter().find(is).map(|setting| setting.key.as_str())
    }

    /// Returns the text that a row has for a key.
    fn text_of(&self, row: &Row, key: &str) -> Option<String> {
        match key {
            ROW => Some(row.layout.label.clone()),
            GROUP => row.layout.group.clone(),
            key => row.layout.settings.get(self.setting_key(key)?).map(|value| varied::text(Some(value))),
        }
    }

    fn value_is(&self, row: &Row, key: &str, wanted: &str) -> bool {
        let wanted = wanted.trim_matches('"');
        let same = |text: String| match (text.parse::<f64>(), wanted.parse::<f64>()) {
            (Ok(one), Ok(other)) => one == other,
            _ => text == wanted,
        };
        self.text_of(row, key).is_some_and(same) || key == ROW && row.layout.name.as_deref() == Some(wanted)
    }

    /// # Errors
    /// A user error for a key in which rows do not differ, or a value that no row has.
    fn check_condition(&self, key: &str, value: &str) -> Result<()> {
        let grouped = self.rows.iter().any(|row| row.layout.group.is_some());
        let names = self.settings.iter().map(|setting| setting.name.as_str());
        let names: Vec<&str> = names.chain([ROW]).chain(grouped.then_some(GROUP)).collect();
        if !names.contains(&key) && self.setting_key(key).is_none() {
            let message = format!("--where {key}={value}: the rows do not differ in {key:?}");
            return Err(Error::user(format!("{message}; {}", possible("they differ in", key, &names))));
        }
        if self.rows.iter().any(|row| self.value_is(row, key, value)) {
            return Ok(());
        }
        let values: Vec<String> = distinct(self.rows.iter().filter_map(|row| self.text_of(row, key)));
        let values: Vec<&str> = values.iter().map(String::as_str).collect();
        let message = format!("--where {key}={value}: no row has this");
        Err(Error::user(format!(
            "{message}; {}",
            possible(&format!("the values of {key} are"), value, &values)
        )))
    }

    /// # Errors
    /// A user error for a word that is no column.
    fn order(&self, column: &str) -> Result<Order> {
        let by = |key: By, words: &str| Ok(Order { key, words: format!("by {column}, {words}") });
        if let Some(at) = self.columns.iter().position(|known| known.name == column) {
            return match self.columns[at].metric.map(|metric| metric.better) {
                Some(Better::Higher) => by(By::Column { at, descending: true }, "the highest first"),
                _ => by(By::Column { at, descending: false }, "the lowest first"),
            };
        }
        if column == ROW {
            return by(By::Label, "in the order of the alphabet");
        }
        if let Some(key) = self.setting_key(column) {
            let numeric = self.settings.iter().any(|setting| setting.key == key && setting.numeric);
            let words = if numeric { "the lowest first" } else { "in the order of the alphabet" };
            return by(By::Setting(key.to_string()), words);
        }
        let names = self.columns.iter().map(|column| column.name.as_str());
        let names: Vec<&str> =
            names.chain(self.settings.iter().map(|one| one.name.as_str())).chain([ROW]).collect();
        let message = format!("--sort {column}: the table has no such column");
        Err(Error::user(format!("{message}; {}", possible("it has", column, &names))))
    }
}

/// An order of rows; rows without a value come last, and equal rows stay in the order of the sweep.
struct Order {
    key: By,
    words: String,
}

enum By {
    Column { at: usize, descending: bool },
    Setting(String),
    Label,
}

impl Order {
    fn compare(&self, a: &Row, b: &Row) -> Ordering {
        match &self.key {
            By::Label => a.layout.label.cmp(&b.layout.label),
            By::Column { at, descending } => {
                let mean = |row: &Row| row.cells[*at].summary.as_ref().map(|summary| summary.mean);
                last_if_absent(mean(a), mean(b), |a, b| match descending {
                    true => b.total_cmp(&a),
                    false => a.total_cmp(&b),
                })
            }
            By::Setting(key) => {
                let text = |row: &Row| row.layout.settings.get(key).map(|value| varied::text(Some(value)));
                last_if_absent(text(a), text(b), |a, b| match (a.parse::<f64>(), b.parse::<f64>()) {
                    (Ok(a), Ok(b)) => a.total_cmp(&b),
                    _ => a.cmp(&b),
                })
            }
        }
    }
}

fn last_if_absent<T>(a: Option<T>, b: Option<T>, compare: impl Fn(T, T) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => compare(a, b),
        (a, b) => a.is_none().cmp(&b.is_none()),
    }
}

/// Returns the possible name that is nearest to a word, and all names. A number is no misspelling of another one.
pub(super) fn possible(what: &str, word: &str, names: &[&str]) -> String {
    let guess = match word.parse::<f64>() {
        Ok(_) => String::new(),
        Err(_) => did_you_mean(word, names.iter().copied()),
    };
    format!("{guess}{what} {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    use super::super::examples::grid;
    use super::*;

    fn selected(conditions: &[(&str, &str)], sort: Option<&str>, top: Option<usize>) -> Result<ResultTable> {
        let (layout, results) = grid();
        let mut table = ResultTable::new(&layout, &results)?;
        let owned = |(key, value): &(&str, &str)| (key.to_string(), value.to_string());
        let conditions = conditions.iter().map(owned).collect();
        table.select(&RowSelection { conditions, sort: sort.map(String::from), top })?;
        Ok(table)
    }

    fn labels(table: &ResultTable) -> Vec<&str> {
        table.rows.iter().map(|row| row.layout.label.as_str()).collect()
    }

    #[test]
    fn rows_are_chosen_by_their_settings_and_sorted_by_a_column() {
        let (layout, results) = grid();
        let whole = ResultTable::new(&layout, &results).unwrap();
        assert_eq!(selected(&[], None, None).unwrap(), whole);
        // Numbers are compared as numbers, and a setting is also found by its key.
        let half = selected(&[("dropout", "0.10")], None, None).unwrap();
        assert_eq!(labels(&half), ["dropout=0.1,position=none", "dropout=0.1,position=rotary"]);
        assert_eq!(half.selection.as_deref(), Some("2 of 6 rows with dropout=0.10."));
        assert_eq!(half, {
            let mut table = selected(&[("model.dropout", "0.1")], None, None).unwrap();
            table.selection = half.selection.clone();
            table
        });
        // If a key has several values, a row needs one of them.
        let two = [("dropout", "0.0"), ("dropout", "0.2"), ("position", "none")];
        let chosen = selected(&two, Some("dev/perplexity"), None).unwrap();
        assert_eq!(labels(&chosen), ["dropout=0.2,position=none", "dropout=0.0,position=none"]);
        assert!(
            chosen.sorted && chosen.selection.unwrap().ends_with(", by dev/perplexity, the lowest first.")
        );
        let best = selected(&[], Some("dev/bleu"), Some(2)).unwrap();
        assert_eq!(labels(&best), ["dropout=0.1,position=rotary", "dropout=0.1,position=none"]);
        assert_eq!(best.selection.as_deref(), Some("2 of 6 rows, by dev/bleu, the highest first."));
        let by_setting = selected(
            &[("row", "dropout=0.1,position=none"), ("row", "dropout=0.0,position=none")],
            Some("model.dropout"),
            None,
        )
        .unwrap();
        assert_eq!(labels(&by_setting)[0], "dropout=0.0,position=none");
    }

    #[test]
    fn the_best_is_the_best_of_what_is_shown_and_rows_without_a_value_come_last() {
        let (layout, mut results) = grid();
        results.retain(|result| result.row != "dropout=0.0,position=none");
        let mut table = ResultTable::new(&layout, &results).unwrap();
        let sorted = RowSelection { sort: Some("dev/bleu".into()), ..RowSelection::default() };
        table.select(&sorted).unwrap();
        assert_eq!(labels(&table).last(), Some(&"dropout=0.0,position=none"));
        let none = selected(&[("position", "none")], None, None).unwrap();
        let best: Vec<bool> = none.rows.iter().map(|row| row.cells[1].best).collect();
        assert_eq!(best, [false, true, false]);
    }

    #[test]
    fn what_the_table_does_not_have_is_refused_with_what_it_has() {
        let told = |conditions: &[(&str, &str)], sort: Option<&str>| {
            let error = selected(conditions, sort, None).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            error.to_string()
        };
        assert_eq!(
            told(&[("droput", "0.1")], None),
            "--where droput=0.1: the rows do not differ in \"droput\"; did you mean \"dropout\"? they differ in dropout, \
             position, row"
        );
        assert_eq!(
            told(&[("dropout", "0.3")], None),
            "--where dropout=0.3: no row has this; the values of dropout are 0.0, 0.1, 0.2"
        );
        let both = [("dropout", "0.1"), ("row", "dropout=0.2,position=none")];
        assert!(told(&both, None).ends_with(": no row has all of this"));
        assert_eq!(
            told(&[], Some("test/blue")),
            "--sort test/blue: the table has no such column; it has dev/perplexity, dev/bleu, dropout, position, row"
        );
        assert!(told(&[], Some("dev/blue")).contains("did you mean \"dev/bleu\"?"));
    }
}
