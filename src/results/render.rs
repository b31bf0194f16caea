//! A [`ResultTable`] as Markdown, as CSV and as text for a terminal.
//!
//! The bytes depend on the table alone, not on the terminal, the locale or the clock.

use super::table::{Cell, Column, ResultTable, Row, Summary};
use crate::error::{Error, Result};
use std::fmt::Write;

/// What an empty cell shows.
const EMPTY: &str = "–";
/// Heading of the changes.
const CHANGES: &str = "what changed";

/// Markdown: rounded values, the paper's in a column beside ours, failures and the BLEU
/// signature below.
pub fn markdown(table: &ResultTable) -> String {
    let escape = |text: &str| text.replace('|', "\\|");
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let headings = headings(table);
    let rule = headings.iter().map(|(_, numeric)| if *numeric { "--:" } else { "---" }.to_string());
    let mut out = line(headings.iter().map(|(text, _)| escape(text)).collect());
    out += &line(rule.collect());
    for row in &table.rows {
        out += &line(cells(table, row).iter().map(|text| escape(text)).collect());
    }
    out + "\n" + &legend(table, "`")
}

/// Text for a terminal of `width` columns, wider only if the numbers alone are: what
/// changed is the column that wraps.
pub fn terminal(table: &ResultTable, width: u16) -> String {
    use comfy_table::presets::NOTHING;
    use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table};
    let rule = LineStyle::none().fill('─').junction('─');
    let headings = headings(table);
    // Two short lines instead of one long keep columns of numbers narrow.
    let heading = |(text, _): &(String, bool)| text.replace('/', "/\n").replace(" ×", "\n×");
    let mut drawn = Table::new();
    drawn
        .load_style(NOTHING.header_separator(rule).bottom_border(rule))
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(width)
        .set_header(headings.iter().map(heading));
    for row in &table.rows {
        drawn.add_row(cells(table, row).into_iter().map(|text| text.replace(", ", "\n")));
    }
    for (column, (text, numeric)) in drawn.column_iter_mut().zip(&headings) {
        column.set_padding((0, 1));
        if text != CHANGES {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if *numeric {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    format!("{}\n\n{}", drawn.trim_fmt(), legend(table, ""))
}

/// CSV: values at full precision, for programs. Parameters are counts, the paper's are in
/// millions as printed.
///
/// # Errors
/// None that a table can cause.
pub fn csv(table: &ResultTable) -> Result<String> {
    let failed = |error: csv::Error| Error::failed(format!("cannot write a table as CSV: {error}"));
    let mut writer = csv::Writer::from_writer(Vec::new());
    let mut header: Vec<String> = ["row", "group", "changes", "finished", "seeds"].map(String::from).to_vec();
    for Column { name, published } in &table.columns {
        header.extend([name.clone(), format!("{name} sd")]);
        if *published {
            header.push(if name == "parameters" {
                "parameters paper (millions)".into()
            } else {
                format!("{name} paper")
            });
        }
    }
    writer.write_record(&header).map_err(failed)?;
    for row in &table.rows {
        let mut record = vec![
            row.label.clone(),
            row.group.clone().unwrap_or_default(),
            changes(row),
            row.finished.to_string(),
            row.wanted.to_string(),
        ];
        for (column, Cell { summary, published }) in table.columns.iter().zip(&row.cells) {
            record.push(summary.map_or(String::new(), |summary| summary.mean.to_string()));
            let deviation = summary.and_then(|summary| summary.deviation);
            record.push(deviation.map_or(String::new(), |deviation| deviation.to_string()));
            if column.published {
                record.push(published.clone().unwrap_or_default());
            }
        }
        writer.write_record(&record).map_err(failed)?;
    }
    let bytes = writer
        .into_inner()
        .map_err(|error| Error::failed(format!("cannot write a table as CSV: {error}")))?;
    String::from_utf8(bytes).map_err(|error| Error::failed(format!("cannot write a table as CSV: {error}")))
}

/// Headings, and whether their columns hold numbers.
fn headings(table: &ResultTable) -> Vec<(String, bool)> {
    let mut headings = vec![("row".to_string(), false)];
    if grouped(table) {
        headings.insert(0, ("group".to_string(), false));
    }
    headings.extend([(CHANGES.to_string(), false), ("n".to_string(), true)]);
    for Column { name, published } in &table.columns {
        headings.push((if name == "parameters" { "parameters ×10⁶".into() } else { name.clone() }, true));
        if *published {
            headings.push(("paper".to_string(), true));
        }
    }
    headings
}

fn grouped(table: &ResultTable) -> bool {
    table.rows.iter().any(|row| row.group.is_some())
}

/// The texts of a row, in the order of [`headings`].
fn cells(table: &ResultTable, row: &Row) -> Vec<String> {
    let mut cells = Vec::new();
    if grouped(table) {
        cells.push(row.group.as_ref().map_or(String::new(), |group| format!("({group})")));
    }
    let count = if row.finished == row.wanted {
        row.finished.to_string()
    } else {
        format!("{}/{}", row.finished, row.wanted)
    };
    cells.extend([row.label.clone(), changes(row), count]);
    for (column, cell) in table.columns.iter().zip(&row.cells) {
        cells.push(
            cell.summary.map_or(EMPTY.to_string(), |summary| rounded(&column.name, summary, row.finished)),
        );
        if column.published {
            cells.push(cell.published.clone().unwrap_or_default());
        }
    }
    cells
}

/// `heads=1, label_smoothing=0.0`. Keys of `[decoding]` keep their section, because
/// `[training]` has a `batch_tokens` too.
fn changes(row: &Row) -> String {
    let change = |(key, value): &(String, String)| {
        let last = key.rsplit('.').next().unwrap_or(key);
        let key = if key.starts_with("decoding.") { key } else { last };
        format!("{key}={}", value.trim_matches('"'))
    };
    row.changes.iter().map(change).collect::<Vec<_>>().join(", ")
}

/// Mean ± deviation with the digits that the column is read at.
fn rounded(column: &str, summary: Summary, finished: usize) -> String {
    let Summary { n, mean, deviation } = summary;
    let (scale, digits) = match column.rsplit('/').next() {
        Some("parameters") => (1e-6, 2),
        Some("steps") => (1.0, 0),
        Some("loss" | "accuracy") => (1.0, 4),
        _ => (1.0, 2),
    };
    let mut text = format!("{:.digits$}", mean * scale);
    // Counts are equal in all trials of a row, and then have no spread to show.
    let shown = deviation.filter(|deviation| !matches!(column, "parameters" | "steps") || *deviation != 0.0);
    if let Some(deviation) = shown {
        let _ = write!(text, " ± {:.digits$}", deviation * scale);
    }
    if n != finished {
        let _ = write!(text, " (n={n})");
    }
    text
}

/// What stands below the table; `quote` surrounds the signature.
fn legend(table: &ResultTable, quote: &str) -> String {
    let mut lines = Vec::new();
    if table.rows.iter().any(|row| row.finished > 1) {
        lines.push("±: sample standard deviation over n seeds.".to_string());
    }
    if let Some(signature) = &table.signature {
        lines.push(format!("BLEU: {quote}{signature}{quote}"));
    }
    lines.extend(table.notes.iter().cloned());
    for failure in &table.failures {
        let reason = failure.reason.lines().next().unwrap_or("no reason was recorded");
        lines.push(format!("failed: {}, seed {}: {reason}", failure.row, failure.seed));
    }
    // A blank line keeps Markdown's lines apart.
    lines.iter().map(|line| format!("{line}\n")).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::example;
    use super::*;

    fn table() -> ResultTable {
        let (layout, results) = example();
        ResultTable::new(&layout, &results).unwrap()
    }

    #[test]
    fn markdown_has_spread_counts_failures_and_the_papers_values() {
        insta::assert_snapshot!(markdown(&table()), @r#"
        | group | row | what changed | n | parameters ×10⁶ | paper | steps | dev/perplexity | paper | dev/bleu | paper |
        | --- | --- | --- | --: | --: | --: | --: | --: | --: | --: | --: |
        |  | base |  | 3 | 65.11 | 65 | 100000 | 5.00 ± 0.25 | 4.92 | 25.50 ± 0.50 | 25.8 |
        | (A) | A-h1 | heads=1 | 1/3 | 65.11 |  | 100000 | 5.25 | 5.29 | 24.50 | 24.9 |
        |  | own | position=none, label_smoothing=0.0 | 0/3 | – |  | – | – |  | – |  |

        ±: sample standard deviation over n seeds.

        BLEU: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`

        failed: A-h1, seed 2: diverged at step 300: the loss is NaN
        "#);
    }

    #[test]
    fn csv_is_unrounded() {
        insta::assert_snapshot!(csv(&table()).unwrap(), @r#"
        row,group,changes,finished,seeds,parameters,parameters sd,parameters paper (millions),steps,steps sd,dev/perplexity,dev/perplexity sd,dev/perplexity paper,dev/bleu,dev/bleu sd,dev/bleu paper
        base,,,3,3,65110016,0,65,100000,0,5,0.25,4.92,25.5,0.5,25.8
        A-h1,A,heads=1,1,3,65110016,,,100000,,5.25,,5.29,24.5,,24.9
        own,,"position=none, label_smoothing=0.0",0,3,,,,,,,,,,,
        "#);
    }

    #[test]
    fn a_terminal_of_100_columns_holds_the_table() {
        let text = terminal(&table(), 100);
        assert!(text.lines().take_while(|line| !line.is_empty()).all(|line| line.chars().count() <= 100));
        insta::assert_snapshot!(text, @r#"
        group  row   what changed     n  parameters  paper   steps         dev/  paper          dev/  paper
                                               ×10⁶                  perplexity                 bleu
        ────────────────────────────────────────────────────────────────────────────────────────────────────
               base                   3       65.11     65  100000  5.00 ± 0.25   4.92  25.50 ± 0.50   25.8
        (A)    A-h1  heads=1        1/3       65.11         100000         5.25   5.29         24.50   24.9
               own   position=none  0/3           –              –            –                    –
                     label_smoothi
                     ng=0.0
        ────────────────────────────────────────────────────────────────────────────────────────────────────

        ±: sample standard deviation over n seeds.

        BLEU: nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0

        failed: A-h1, seed 2: diverged at step 300: the loss is NaN
        "#);
    }

    #[test]
    fn the_order_of_results_does_not_matter() {
        let (layout, mut results) = example();
        results.reverse();
        assert_eq!(ResultTable::new(&layout, &results).unwrap(), table());
    }
}
