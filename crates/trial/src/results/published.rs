//! The paper's own numbers, to print beside ours: Vaswani et al. 2017 (arXiv 1706.03762, v5 and later), Tables 2 and 3.
//!
//! Configuration: a sweep's `table.paper` names the table, a row's `paper` its row. The
//! values are kept as printed, so that 5.00 does not become 5.

use super::metric::{DEV_BLEU, DEV_PERPLEXITY, TEST_BLEU};
use crate::error::{Diagnostic, did_you_mean};
use std::collections::BTreeMap;

type Result<T> = std::result::Result<T, Diagnostic>;

/// The tables that a sweep may name. For Table 2 there is one for each language pair, and one for both, whose scores
/// are in [`PublishedRow::on_pair`].
pub const TABLES: [&str; 4] = ["table2", "table2-en-de", "table2-en-fr", "table3"];

/// Columns of Table 3 that correspond to a column of ours: (ours, the file's).
const TABLE3_COLUMNS: [(&str, &str); 3] =
    [("parameters", "parameters_millions"), (DEV_PERPLEXITY, "perplexity"), (DEV_BLEU, "bleu")];

/// The recipe of the text that the paper trains and tests on, for a language pair.
pub fn paper_recipe(pair: &str) -> String {
    format!("wmt14-{pair}")
}

/// A published table.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// The name, one of [`TABLES`].
    pub name: String,
    /// The rows in the paper's order.
    pub rows: Vec<PublishedRow>,
}

/// A row of a published table.
#[derive(Debug, Clone, PartialEq)]
pub struct PublishedRow {
    pub label: String,
    /// A remark about the printed values.
    pub note: Option<String>,
    /// Printed text by the name of our column.
    values: BTreeMap<&'static str, String>,
    /// Every cell of the file by its heading: the row's hyper-parameters among them.
    cells: BTreeMap<String, String>,
}

impl PublishedRow {
    /// The printed value for our `column`; parameters in millions.
    pub fn value(&self, column: &str) -> Option<&str> {
        self.values.get(column).map(String::as_str)
    }

    /// The printed BLEU for a language pair, such as `en-de`.
    pub fn on_pair(&self, pair: &str) -> Option<&str> {
        self.cell(&format!("bleu_{}", pair.replace('-', "_")))
    }

    /// A cell by the heading of the embedded file: `d_model`, `flops_en_de`.
    pub fn cell(&self, heading: &str) -> Option<&str> {
        self.cells.get(heading).map(String::as_str)
    }
}

impl Published {
    /// The table with this name.
    ///
    /// # Errors
    /// No such table; the message lists them.
    pub fn named(name: &str) -> Result<Published> {
        let (text, columns): (&str, &[(&'static str, &str)]) = match name {
            "table2" => (include_str!("published/table2.csv"), &[]),
            "table2-en-de" => (include_str!("published/table2.csv"), &[(TEST_BLEU, "bleu_en_de")]),
            "table2-en-fr" => (include_str!("published/table2.csv"), &[(TEST_BLEU, "bleu_en_fr")]),
            "table3" => (include_str!("published/table3.csv"), &TABLE3_COLUMNS),
            _ => return Err(unknown("published table", name, TABLES)),
        };
        let rows = parse(text, columns)
            .map_err(|error| Diagnostic::new(format!("the embedded {name} cannot be read: {error}")))?;
        Ok(Published { name: name.to_string(), rows })
    }

    /// The row with this label.
    ///
    /// # Errors
    /// No such row; the message lists them.
    pub fn row(&self, label: &str) -> Result<&PublishedRow> {
        let labels = || self.rows.iter().map(|row| row.label.as_str());
        self.rows
            .iter()
            .find(|row| row.label == label)
            .ok_or_else(|| unknown(&format!("row of {}", self.name), label, labels()))
    }
}

fn unknown<'a>(what: &str, name: &str, names: impl IntoIterator<Item = &'a str>) -> Diagnostic {
    let names: Vec<&str> = names.into_iter().collect();
    let guess = did_you_mean(name, names.iter().copied());
    Diagnostic::new(format!("{name:?} is no {what}")).help(format!("{guess}accepted: {}", names.join(", ")))
}

fn parse(text: &str, columns: &[(&'static str, &str)]) -> std::result::Result<Vec<PublishedRow>, csv::Error> {
    csv::Reader::from_reader(text.as_bytes())
        .deserialize::<BTreeMap<String, String>>()
        .map(|record| {
            let mut cells = record?;
            cells.retain(|_, text| !text.is_empty());
            let label = cells.remove("row").unwrap_or_default();
            let note = cells.remove("note");
            let values = columns
                .iter()
                .filter_map(|(ours, theirs)| Some((*ours, cells.get(*theirs)?.clone())))
                .collect();
            Ok(PublishedRow { label, note, values, cells })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_3_has_the_papers_rows_as_printed() {
        let table = Published::named("table3").unwrap();
        assert_eq!(table.rows.len(), 20);
        let base = table.row("base").unwrap();
        assert_eq!(base.value("parameters"), Some("65"));
        assert_eq!(base.value("dev/perplexity"), Some("4.92"));
        assert_eq!(base.value("dev/bleu"), Some("25.8"));
        assert_eq!(base.value("test/bleu"), None);
        let four_heads = table.row("A-h4").unwrap();
        assert_eq!(
            (four_heads.value("dev/perplexity"), four_heads.value("parameters")),
            (Some("5.00"), None)
        );
        assert_eq!(four_heads.cell("d_k"), Some("128"));
        assert_eq!(table.row("big").unwrap().value("parameters"), Some("213"));
    }

    #[test]
    fn every_table_has_a_base_row_and_only_numbers() {
        for name in TABLES {
            let table = Published::named(name).unwrap();
            assert!(table.row("base").is_ok() && table.row("big").is_ok(), "{name}");
            for row in &table.rows {
                for (column, text) in &row.values {
                    assert!(text.parse::<f64>().is_ok(), "{name} {} {column}: {text}", row.label);
                }
            }
        }
        let french = Published::named("table2-en-fr").unwrap();
        let big = french.row("big").unwrap();
        assert_eq!(big.value("test/bleu"), Some("41.8"));
        let both = Published::named("table2").unwrap();
        let big = both.row("big").unwrap();
        assert_eq!(
            ["en-de", "en-fr", "de-en"].map(|pair| big.on_pair(pair)),
            [Some("28.4"), Some("41.8"), None]
        );
        assert!(big.note.as_deref().is_some_and(|note| note.contains("41.0")));
    }

    #[test]
    fn unknown_names_get_the_list_and_the_nearest() {
        let error = Published::named("table4").unwrap_err();
        assert_eq!(error.message, "\"table4\" is no published table");
        let help = "did you mean \"table3\"? accepted: table2, table2-en-de, table2-en-fr, table3";
        assert_eq!(error.help.as_deref(), Some(help));
        let error = Published::named("table3").unwrap().row("A-h2").unwrap_err();
        assert_eq!(error.message, "\"A-h2\" is no row of table3");
        assert!(error.help.is_some_and(|help| help.starts_with("did you mean \"A-h")));
    }
}
