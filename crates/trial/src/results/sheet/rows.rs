//! The rows of a table: the columns that tell them apart, and their values.

use super::super::hyperparameters::HEADINGS;
use super::super::summary::Summary;
use super::super::table::{Cell, Column, ResultTable, Row};
use super::super::table_layout::Form;
use super::super::varied;
use super::cells::{EMPTY, Heading, LatexHeading, Line, Sheet, Text, mark};
use super::identity::{Identity, names};
use std::collections::BTreeSet;
use std::fmt::Write;

/// The rows: the columns that tell them apart, other changes, and their values.
pub fn list(table: &ResultTable) -> Sheet {
    let identity = Identity::of_table(table);
    let grouped = table.rows.iter().any(|row| row.layout.group.is_some());
    let shared = shared_keys(table);
    let other = |row: &Row| changes(row, |key| !identity.is_column(key) && !shared.contains(&key));
    let with_other = table.rows.iter().any(|row| !other(row).is_empty());
    let mut sheet = Sheet::default();
    sheet.headings.extend(grouped.then(|| Heading::words("group")));
    sheet.headings.extend(identity.headings());
    sheet.headings.extend(with_other.then(|| Heading { wraps: true, ..Heading::words("what changed") }));
    sheet.keys = sheet.headings.len();
    sheet.headings.push(Heading::numbers("n"));
    let constants = constants(table);
    let shown: Vec<usize> =
        (0..table.columns.len()).filter(|at| constants.iter().all(|(constant, _)| constant != at)).collect();
    let columns = shown.iter().map(|&at| &table.columns[at]);
    sheet.headings.extend(columns.map(|column| heading(Form::List, column)));
    for (index, row) in table.rows.iter().enumerate() {
        let mut cells = Vec::new();
        cells.extend(grouped.then(|| Text::plain(letter(row))));
        cells.extend(identity.cells(&names(row)));
        cells.extend(with_other.then(|| Text::plain(other(row))));
        cells.push(Text::plain(count(row)));
        cells.extend(shown.iter().map(|&at| value(&table.columns[at], &row.cells[at], row.finished)));
        sheet.lines.push(Line { rule: begins_group(table, index), cells, across: None });
    }
    sheet
}

/// Returns, in words, the values that all rows have in common and no column shows.
pub fn in_every_row(table: &ResultTable, form: Form) -> Vec<String> {
    let shared = shared_keys(table);
    let shown = |key: &str| form == Form::Table3 && is_of_table3(key);
    let mut texts: Vec<String> = match form {
        Form::List => constants(table)
            .into_iter()
            .map(|(at, text)| format!("{} {text}", heading(form, &table.columns[at]).text))
            .collect(),
        Form::Table2 | Form::Table3 => Vec::new(),
    };
    let changes = table.rows.first().map(|row| changes(row, |key| shared.contains(&key) && !shown(key)));
    texts.extend(changes.filter(|text| !text.is_empty()));
    texts
}

/// The keys whose changes all rows share.
fn shared_keys(table: &ResultTable) -> Vec<&str> {
    let changes = varied::shared(table.rows.iter().map(|row| row.layout.changes.as_slice()));
    changes.into_iter().map(|(key, _)| key.as_str()).collect()
}

/// Returns the columns of counts that all rows share, unless the sweep asks for them, each with the text of its value.
/// A note below the list states them instead, which leaves room for columns that differ.
fn constants(table: &ResultTable) -> Vec<(usize, String)> {
    let shared = |(at, column): (usize, &Column)| {
        let is_count = column.metric.is_none() && !column.stated && !column.published;
        let finished = || table.rows.iter().filter(|row| row.finished > 0);
        let counts = |row: &Row| {
            let found = row.cells[at].summary.as_ref()?;
            Some((found.mean, found.deviation.unwrap_or_default()))
        };
        let first = finished().next()?;
        let text = rounded(column, first.cells[at].summary.as_ref()?, first.finished);
        (is_count && table.rows.len() > 1 && finished().all(|row| counts(row) == counts(first)))
            .then_some((at, text))
    };
    table.columns.iter().enumerate().filter_map(shared).collect()
}

/// The layout of Table 3: hyper-parameters, blank if they equal the base's. Without labels a row is identified by its
/// group alone, as in the paper.
pub fn table3(table: &ResultTable, labels: bool) -> Sheet {
    let shared = shared_keys(table);
    let other = |row: &Row| changes(row, |key| !is_of_table3(key) && !shared.contains(&key));
    let base = table.base_row().map(|row| &row.layout.hyperparameters);
    let texts = |row: &Row| {
        let is_base = Some(&row.layout.label) == table.base.as_ref();
        row.layout.hyperparameters.texts_beside(base.filter(|_| !is_base))
    };
    let blank = |row: &Row| texts(row).iter().all(String::is_empty);
    // As in the paper, if nothing else changes, the change stands across the empty cells.
    let with_other = table.rows.iter().any(|row| !other(row).is_empty() && !blank(row));
    let finished = table.rows.first().map(|row| (row.finished, row.layout.seeds.len()));
    let with_count = table.rows.iter().any(|row| Some((row.finished, row.layout.seeds.len())) != finished);
    // If rows have no names, their settings tell them apart.
    let name = |row: &Row| row.layout.name.clone().unwrap_or_default();
    let apart: BTreeSet<_> = table.rows.iter().map(|row| (name(row), texts(row), other(row))).collect();
    let name = |row: &Row| if apart.len() == table.rows.len() { name(row) } else { row.layout.label.clone() };
    let with_names = labels && table.rows.iter().any(|row| !name(row).is_empty());
    let mut sheet = Sheet::default();
    let mut first = vec![Heading::words(if labels { "group" } else { "" })];
    first.extend(with_names.then(|| Heading::words("row")));
    let before = first.len();
    (sheet.headings, sheet.keys) = (first, before);
    for known in &HEADINGS {
        sheet
            .headings
            .push(Heading { latex: Some(LatexHeading::Source(known.latex)), ..Heading::numbers(known.text) });
    }
    sheet.headings.extend(with_other.then(|| Heading::words("other")));
    sheet.headings.extend(with_count.then(|| Heading::numbers("n")));
    sheet.headings.extend(table.columns.iter().map(|column| heading(Form::Table3, column)));
    for (index, row) in table.rows.iter().enumerate() {
        let begins = begins_group(table, index);
        let mut cells = Vec::new();
        let continued = !table.sorted && index > 0 && row.layout.group.is_some() && !begins;
        let letter = if continued { String::new() } else { letter(row) };
        cells.push(Text::plain(match labels {
            true => letter,
            false if row.layout.group.is_none() => name(row),
            false => letter,
        }));
        cells.extend(with_names.then(|| Text::plain(name(row))));
        cells.extend(texts(row).map(Text::plain));
        let across = (blank(row) && !other(row).is_empty() && !with_other)
            .then(|| (before, HEADINGS.len(), other(row)));
        cells.extend(with_other.then(|| Text::plain(other(row))));
        cells.extend(with_count.then(|| Text::plain(count(row))));
        cells.extend(values(table, row));
        sheet.lines.push(Line { rule: begins, cells, across });
    }
    sheet
}

/// The heading of a column.
pub fn heading(form: Form, column: &Column) -> Heading {
    let abbreviation = column.metric.and_then(|metric| metric.abbreviation).zip(column.name.split_once('/'));
    let short = match (column.name.as_str(), abbreviation) {
        ("parameters", _) => "params ×10⁶".to_string(),
        (_, Some((short, (set, rest)))) => match rest.split_once('@') {
            Some((_, class)) => format!("{short} ({set}, {class})"),
            None => format!("{short} ({set})"),
        },
        (name, None) => name.to_string(),
    };
    let text = match (form, column.name.as_str()) {
        (Form::List, "parameters") => "parameters ×10⁶",
        (Form::List, name) => name,
        _ => &short,
    };
    let words = short.replace(['_', '/'], " ");
    Heading { latex: Some(LatexHeading::Words(words)), ..Heading::numbers(text) }
}

/// Whether the row belongs to another group than the row above it.
fn begins_group(table: &ResultTable, index: usize) -> bool {
    !table.sorted && index > 0 && table.rows[index].layout.group != table.rows[index - 1].layout.group
}

fn letter(row: &Row) -> String {
    row.layout.group.as_ref().map_or(String::new(), |group| format!("({group})"))
}

/// Returns the number of finished trials, with the number of all trials if some did not finish.
fn count(row: &Row) -> String {
    match row.finished == row.layout.seeds.len() {
        true => row.finished.to_string(),
        false => format!("{}/{}", row.finished, row.layout.seeds.len()),
    }
}

/// Returns whether a key has a column of Table 3, or its values belong to one, as the widths of heads do: they are
/// stated or follow from d_model.
fn is_of_table3(key: &str) -> bool {
    HEADINGS.iter().any(|heading| heading.key == key) || matches!(key, "model.d_k" | "model.d_v")
}

/// `heads=1, label_smoothing=0.0`. Keys of `[decoding]` keep their section, because
/// `[training]` has a `batch_tokens` too.
pub fn changes(row: &Row, wanted: impl Fn(&str) -> bool) -> String {
    let change = |(key, value): &(String, String)| {
        let last = key.rsplit('.').next().unwrap_or(key);
        let key = if key.starts_with("decoding.") { key } else { last };
        format!("{key}={}", value.trim_matches('"'))
    };
    row.layout.changes.iter().filter(|(key, _)| wanted(key)).map(change).collect::<Vec<_>>().join(", ")
}

/// The texts of a row's values.
fn values(table: &ResultTable, row: &Row) -> Vec<Text> {
    table.columns.iter().zip(&row.cells).map(|(column, cell)| value(column, cell, row.finished)).collect()
}

/// Returns mean, spread, and the mark of significance.
fn value(column: &Column, cell: &Cell, finished: usize) -> Text {
    let Some(summary) = &cell.summary else { return Text::plain(EMPTY) };
    Text { text: rounded(column, summary, finished) + mark(cell), bold: cell.best }
}

/// Returns mean, spread, the mark of significance, and the numbers of trials unless all of them finished: for tables
/// without a column of these numbers.
pub fn value_and_count(column: &Column, cell: &Cell, finished: usize, wanted: usize) -> Text {
    let mut text = value(column, cell, finished);
    if finished != wanted {
        text.text += &format!(" ({finished}/{wanted})");
    }
    text
}

/// Mean ± deviation with the digits of the column.
fn rounded(column: &Column, summary: &Summary, finished: usize) -> String {
    let (scale, digits) = match column.metric {
        Some(metric) => (1.0, metric.digits),
        None if column.name == "parameters" => (1e-6, 2),
        None => (1.0, 0),
    };
    let mut text = format!("{:.digits$}", summary.mean * scale);
    // Counts are equal in all trials of a row, and then have no spread to show.
    let shown = summary.deviation.filter(|deviation| column.metric.is_some() || *deviation != 0.0);
    if let Some(deviation) = shown {
        let _ = write!(text, " ± {:.digits$}", deviation * scale);
    }
    if summary.n != finished {
        let _ = write!(text, " (n={})", summary.n);
    }
    text
}
