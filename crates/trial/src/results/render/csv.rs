//! Tables as CSV, at full precision.

use super::super::hyperparameters::HEADINGS;
use super::super::pivot::PivotTable;
use super::super::sheet::{changes, score_title};
use super::super::summary::Summary;
use super::super::systems::SystemTable;
use super::super::table::{Cell, ResultTable, Row};
use super::super::table_layout::{Form, TABLE2_COLUMN};
use super::super::varied;
use crate::error::{Error, Result};
use serde_json::Value;

/// The columns of a comparison, after the name of its score; see [`comparison`].
const COMPARISON: [&str; 6] =
    ["minus base", "half width (sentences)", "half width (seeds)", "p (sentences)", "p (seeds)", "p (Holm)"];

/// The heading's end for a number of values beside every cell, written if cells need it.
const OF_COUNT: &str = "n";
const AS_PUBLISHED: &str = "as the paper counts";

/// Writes a line per row. The columns of a test are present if some row was tested; the number of values if some mean
/// is not over all finished trials; and the score that is compared with the paper's if it is another score.
pub fn rows(table: &ResultTable) -> Result<String> {
    let mut header: Vec<String> = ["row", "group", "changes", "finished", "seeds"].map(String::from).to_vec();
    // Some settings are among the columns of Table 3.
    let of_form = |key: &str| table.form == Form::Table3 && HEADINGS.iter().any(|heading| heading.key == key);
    let settings: Vec<&str> =
        table.settings.iter().map(|setting| setting.key.as_str()).filter(|key| !of_form(key)).collect();
    header.extend(settings.iter().map(|key| key.to_string()));
    if table.form == Form::Table3 {
        header.extend(HEADINGS.iter().map(|heading| heading.key.to_string()));
    }
    let some = |wanted: fn(&Row, &Cell) -> bool| -> Vec<bool> {
        let any = |at: usize| table.rows.iter().any(|row| wanted(row, &row.cells[at]));
        (0..table.columns.len()).map(any).collect()
    };
    let tested = some(|_, cell| cell.comparison.is_some());
    let fewer = some(|row, cell| cell.summary.as_ref().is_some_and(|summary| summary.n != row.finished));
    let otherwise = some(|_, cell| cell.as_published.is_some());
    for (at, column) in table.columns.iter().enumerate() {
        let name = &column.name;
        header.extend([name.clone(), format!("{name} sd")]);
        header.extend(fewer[at].then(|| format!("{name} {OF_COUNT}")));
        header.extend(otherwise[at].then(|| format!("{name} {AS_PUBLISHED}")));
        if column.published {
            let unit = if name == "parameters" { " (millions)" } else { "" };
            header.extend([format!("{name} paper{unit}"), format!("{name} minus paper{unit}")]);
        }
        if tested[at] {
            header.extend(COMPARISON.map(|what| format!("{name} {what}")));
        }
    }
    // If all rows share a signature, it stands below the other forms of the table.
    let unlike = table.signature.is_none() && table.rows.iter().any(|row| row.finished > 0);
    header.extend(unlike.then(|| format!("{} signature", score_title(&[table]))));
    let mut records = vec![header];
    for row in &table.rows {
        let mut record = vec![
            words(&row.layout.label),
            words(row.layout.group.as_deref().unwrap_or_default()),
            words(&changes(row, |_| true)),
            row.finished.to_string(),
            row.layout.seeds.len().to_string(),
        ];
        record.extend(settings.iter().map(|key| setting(row.layout.settings.get(*key))));
        if table.form == Form::Table3 {
            record.extend(row.layout.hyperparameters.numbers());
        }
        for (at, (column, cell)) in table.columns.iter().zip(&row.cells).enumerate() {
            let summary = cell.summary.as_ref();
            record.extend(mean_and_deviation(summary));
            record.extend(fewer[at].then(|| count(summary)));
            record.extend(otherwise[at].then(|| number(cell.as_published)));
            if column.published {
                record.extend([cell.published.clone().unwrap_or_default(), number(cell.against_published)]);
            }
            if tested[at] {
                record.extend(comparison(cell));
            }
        }
        record.extend(unlike.then(|| row.signature.clone().unwrap_or_default()));
        records.push(record);
    }
    text(&records)
}

/// Writes a line per system and language pair.
pub fn systems(table: &SystemTable) -> Result<String> {
    let mut header = ["system", "pair", "row", "finished", "seeds", TABLE2_COLUMN].map(String::from).to_vec();
    let results = || table.systems.iter().flat_map(|system| &system.results);
    let otherwise = results().any(|(_, result)| result.bleu.as_published.is_some());
    header.push(format!("{TABLE2_COLUMN} sd"));
    header.extend(otherwise.then(|| format!("{TABLE2_COLUMN} {AS_PUBLISHED}")));
    header.extend(["paper", "minus paper"].map(|what| format!("{TABLE2_COLUMN} {what}")));
    header.extend(
        ["(count)", "(time x peak)", "(time x peak) incomplete"].map(|how| format!("training FLOPs {how}")),
    );
    header.extend(COMPARISON.map(|what| format!("{TABLE2_COLUMN} {what}")));
    let mut records = vec![header];
    let mut finished =
        results().filter(|(_, result)| result.finished > 0).map(|(_, result)| &result.signature);
    let first = finished.next();
    let unlike = first.is_some_and(|first| first.is_none() || finished.any(|other| other != first));
    records[0].extend(unlike.then(|| "BLEU signature".to_string()));
    for (pair, result) in results() {
        let summary = result.bleu.summary.as_ref();
        let mut record = vec![
            words(&result.system),
            words(pair),
            words(&result.row),
            result.finished.to_string(),
            result.wanted.to_string(),
        ];
        record.extend(mean_and_deviation(summary));
        record.extend(otherwise.then(|| number(result.bleu.as_published)));
        record.extend([
            result.bleu.published.clone().unwrap_or_default(),
            number(result.bleu.against_published),
            number(result.cost.counted_flops),
            number(result.cost.measured_flops),
            result.cost.incomplete.to_string(),
        ]);
        record.extend(comparison(&result.bleu));
        record.extend(unlike.then(|| result.signature.clone().unwrap_or_default()));
        records.push(record);
    }
    text(&records)
}

/// Writes a line for each value of the first setting. Each value of the second has two columns for the mean and its
/// spread, and a third for the number of trials if that differs from the sweep's anywhere. If rows have names beside
/// their settings, the first column holds them.
pub fn pivot(table: &PivotTable) -> Result<String> {
    let named = table.panels.iter().any(|panel| panel.name.is_some());
    let mut header: Vec<String> = named.then(|| "name".to_string()).into_iter().collect();
    header.extend(table.others().iter().map(|other| other.key.clone()));
    header.push(table.rows.key.clone());
    let cells = table.panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.cells).flatten();
    let unlike = cells.into_iter().any(|cell| {
        cell.finished != cell.wanted
            || cell.cell.summary.as_ref().is_some_and(|summary| summary.n != cell.finished)
    });
    for value in &table.values {
        let heading = format!("{}={}", table.columns.key, varied::text(value.as_ref()));
        header.extend([heading.clone(), format!("{heading} sd")]);
        header.extend(unlike.then(|| format!("{heading} {OF_COUNT}")));
    }
    let mut records = vec![header];
    for (panel, line) in
        table.panels.iter().flat_map(|panel| panel.lines.iter().map(move |line| (panel, line)))
    {
        let name = named.then(|| words(panel.name.as_deref().unwrap_or_default()));
        let mut record: Vec<String> = name.into_iter().collect();
        record.extend(table.others().iter().map(|other| setting(panel.settings.get(&other.key))));
        record.push(setting(line.value.as_ref()));
        for cell in &line.cells {
            let summary = cell.as_ref().and_then(|cell| cell.cell.summary.as_ref());
            record.extend(mean_and_deviation(summary));
            record.extend(unlike.then(|| count(summary)));
        }
        records.push(record);
    }
    text(&records)
}

fn mean_and_deviation(summary: Option<&Summary>) -> [String; 2] {
    [number(summary.map(|summary| summary.mean)), number(summary.and_then(|summary| summary.deviation))]
}

/// The number of trials in a mean.
fn count(summary: Option<&Summary>) -> String {
    summary.map_or(String::new(), |summary| summary.n.to_string())
}

fn comparison(cell: &Cell) -> [String; 6] {
    let Some(found) = &cell.comparison else { return Default::default() };
    let seeds = found.seeds.as_ref();
    [
        number(Some(found.difference)),
        number(Some(found.sentences.half_width)),
        number(seeds.map(|seeds| seeds.half_width)),
        number(Some(found.sentences.p)),
        number(seeds.map(|seeds| seeds.p)),
        number(Some(found.p_corrected)),
    ]
}

/// A cell with a text. Spreadsheets evaluate a text that begins with one of these characters as a formula; an
/// apostrophe before it prevents that.
fn words(text: &str) -> String {
    match text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
        true => format!("'{text}"),
        false => text.to_string(),
    }
}

/// A setting's value: numbers stay numbers.
fn setting(value: Option<&Value>) -> String {
    let text = varied::text(value);
    if value.is_some_and(Value::is_string) { words(&text) } else { text }
}

/// A number at full precision; empty for `None`.
pub fn number(value: Option<f64>) -> String {
    value.map_or(String::new(), |value| value.to_string())
}

/// Records as CSV, the headings first.
///
/// # Errors
/// None occurs for any table.
pub fn text(records: &[Vec<String>]) -> Result<String> {
    let failed = |error: String| Error::failed(format!("cannot write a table as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    for record in records {
        writer.write_record(record).map_err(|error| failed(error.to_string()))?;
    }
    let bytes = writer.into_inner().map_err(|error| failed(error.to_string()))?;
    String::from_utf8(bytes).map_err(|error| failed(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::super::super::examples::{example, with_comet};
    use super::*;

    #[test]
    fn a_further_metric_of_the_table_is_a_column() {
        let (mut layout, results) = example();
        layout.columns.clear();
        let usual = |table: ResultTable| {
            let text = rows(&table).unwrap();
            let names = text.lines().next().unwrap().split(',').filter(|name| name.contains('/'));
            names.filter(|name| !name.contains(' ')).map(String::from).collect::<Vec<_>>()
        };
        let table = ResultTable::new(&layout, &results).unwrap();
        assert_eq!(usual(table), ["dev/perplexity", "dev/bleu", "test/bleu"]);
        let table = ResultTable::of(&with_comet(), &layout, &results).unwrap();
        assert_eq!(usual(table), ["dev/perplexity", "dev/bleu", "dev/comet", "test/bleu", "test/comet"]);
    }

    #[test]
    fn texts_are_no_formulas_and_numbers_stay_numbers() {
        for formula in ["=1+1", "+x", "-2", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(words(formula), format!("'{formula}"));
        }
        assert_eq!(
            (words("heads=4"), words("a-b"), words("")),
            ("heads=4".into(), "a-b".into(), String::new())
        );
        assert_eq!((number(Some(-0.5)), number(None)), ("-0.5".into(), String::new()));
    }
}
