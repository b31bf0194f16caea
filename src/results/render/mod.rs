//! A [`ResultTable`] as Markdown, LaTeX, CSV, JSON and text for a terminal.
//!
//! The bytes depend on the table alone, not on the terminal, the locale or the clock.

mod comparison;
mod csv;
mod latex;
mod markdown;
mod text;

pub use comparison::comparison;
pub use text::{Screen, grid, paragraph};

use super::sheet::{Note, Sheet, details, list, notes, table3};
use super::systems::SystemTable;
use super::table::{Form, ResultTable};
use crate::error::{Error, Result};

/// What is written of one or several sweeps.
pub enum Tabulated<'a> {
    /// A line a row.
    Rows(&'a ResultTable),
    /// Rows of the same system side by side, as in Table 2.
    Systems(SystemTable),
}

impl<'a> Tabulated<'a> {
    /// Of one sweep, in the form that it asks for.
    ///
    /// # Errors
    /// As for [`SystemTable::of`].
    pub fn of(table: &'a ResultTable) -> Result<Self> {
        Ok(match table.form {
            Form::List | Form::Table3 => Tabulated::Rows(table),
            Form::Table2 => Tabulated::Systems(SystemTable::of(&[table])?),
        })
    }

    /// Markdown: bold for the best, tables of details and notes below.
    pub fn markdown(&self) -> String {
        markdown::document(&self.sheets(true), &self.notes())
    }

    /// LaTeX for `\input` in a paper that uses the package `booktabs`: one `table` for the rows, one for each
    /// table of details.
    pub fn latex(&self) -> String {
        latex::document(&self.sheets(false), &self.notes(), &self.caption())
    }

    /// CSV: values at full precision, for programs. Parameters are counts, the paper's are in millions as printed.
    ///
    /// # Errors
    /// None that a table can cause.
    pub fn csv(&self) -> Result<String> {
        match self {
            Tabulated::Rows(table) => csv::rows(table),
            Tabulated::Systems(table) => csv::systems(table),
        }
    }

    /// One JSON document with everything at full precision.
    ///
    /// # Errors
    /// None that a table can cause.
    pub fn json(&self) -> Result<String> {
        let text = match self {
            Tabulated::Rows(table) => serde_json::to_string_pretty(table),
            Tabulated::Systems(table) => serde_json::to_string_pretty(table),
        };
        text.map(|text| text + "\n")
            .map_err(|error| Error::failed(format!("cannot write a table as JSON: {error}")))
    }

    /// Text for a terminal. What would be too wide for it in the form of Table 3 is shown as a list.
    pub fn terminal(&self, screen: Screen) -> String {
        let mut sheets = self.sheets(true);
        if let (Tabulated::Rows(table), Some(first)) = (self, sheets.first_mut())
            && text::natural_width(first) > usize::from(screen.width)
        {
            *first = list(table);
        }
        let mut blocks: Vec<String> = sheets.iter().map(|sheet| grid(sheet, screen)).collect();
        blocks.extend(self.notes().iter().map(|note| paragraph(note, screen)));
        blocks.join("\n")
    }

    /// The tables as texts; without `labels`, rows are known by their groups alone, as in the paper.
    pub fn sheets(&self, labels: bool) -> Vec<Sheet> {
        match self {
            Tabulated::Rows(table) => {
                let first = match table.form {
                    Form::Table3 => table3(table, labels),
                    Form::List | Form::Table2 => list(table),
                };
                [first].into_iter().chain(details(table)).collect()
            }
            Tabulated::Systems(table) => table.sheets(),
        }
    }

    /// What stands below the tables.
    pub fn notes(&self) -> Vec<Note> {
        match self {
            Tabulated::Rows(table) => notes(table),
            Tabulated::Systems(table) => table.notes(),
        }
    }

    /// What the first table shows.
    fn caption(&self) -> String {
        match self {
            Tabulated::Rows(table) if table.form == Form::Table3 => {
                "Variations on the Transformer, in the layout of Vaswani et al. (2017), Table 3.".to_string()
            }
            Tabulated::Rows(_) => "Results.".to_string(),
            Tabulated::Systems(_) => {
                "BLEU and training cost, in the layout of Vaswani et al. (2017), Table 2.".to_string()
            }
        }
    }
}
