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

use super::layout::Form;
use super::sheet::{Note, Sheet, details, list, notes, table3};
use super::systems::SystemTable;
use super::table::ResultTable;
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

    fn sheets(&self, labels: bool) -> Vec<Sheet> {
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

    fn notes(&self) -> Vec<Note> {
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

#[cfg(test)]
mod tests {
    use super::super::published::Published;
    use super::super::significance::{Comparison, OverSeeds, OverSentences, Significance};
    use super::super::table::tests::{example, finished, row, table3 as layout};
    use super::*;

    /// The example's table, whose second row was compared with the first.
    fn table(form: Form) -> ResultTable {
        let (mut layout, results) = example();
        layout.form = form;
        layout.rows[1].hyperparameters.heads = 1;
        (layout.rows[1].hyperparameters.d_k, layout.rows[1].hyperparameters.d_v) = (512, 512);
        let mut table = ResultTable::new(&layout, &results).unwrap();
        table.rows[1].cells[3].comparison = Some(Comparison {
            base: "base".into(),
            difference: -1.0,
            sentences: OverSentences { pairs: 3, p: 0.0099, half_width: 0.4321 },
            seeds: Some(OverSeeds { p: 0.02, half_width: 0.91, degrees_of_freedom: 3.5 }),
            p: 0.02,
            p_corrected: 0.04,
        });
        table.significance = Significance {
            randomization_trials: Some(10_000),
            bootstrap_resamples: Some(1_000),
            resampling_seed: Some(12_345),
            missing: vec!["seed 3 of own_row is damaged".into()],
        };
        table.judge();
        table
    }

    fn shown(form: Form, width: u16) -> String {
        Tabulated::of(&table(form)).unwrap().terminal(Screen { width, bold: false })
    }

    #[test]
    fn markdown_of_a_list() {
        insta::assert_snapshot!(Tabulated::of(&table(Form::List)).unwrap().markdown(), @r#""#);
    }

    #[test]
    fn latex_of_table_3() {
        insta::assert_snapshot!(Tabulated::of(&table(Form::Table3)).unwrap().latex(), @r#""#);
    }

    #[test]
    fn csv_is_unrounded() {
        insta::assert_snapshot!(Tabulated::of(&table(Form::List)).unwrap().csv().unwrap(), @r#""#);
    }

    #[test]
    fn a_terminal_of_80_columns_holds_the_table() {
        let text = shown(Form::List, 80);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r#""#);
    }

    #[test]
    fn table_3_is_a_list_where_it_does_not_fit() {
        let narrow = shown(Form::Table3, 80);
        assert!(narrow.contains("what changed") && !narrow.contains("d_model"), "{narrow}");
        let wide = shown(Form::Table3, 140);
        insta::assert_snapshot!(wide.lines().take(8).collect::<Vec<_>>().join("\n"), @r#""#);
    }

    #[test]
    fn bold_is_for_terminals_and_keeps_columns_in_line() {
        let strip = |text: String| text.replace("\x1b[1m", "").replace("\x1b[0m", "");
        let bold = Tabulated::of(&table(Form::List)).unwrap().terminal(Screen { width: 100, bold: true });
        assert!(bold.contains("\x1b[1m25.50 ± 0.50\x1b[0m"), "{bold}");
        assert_eq!(strip(bold), shown(Form::List, 100));
    }

    #[test]
    fn systems_stand_beside_the_papers_with_their_costs() {
        let mut rows = vec![row("de,base", None, &[]), row("de,big", None, &[]), row("fr,base", None, &[])];
        for row in &mut rows {
            row.system = row.label[3..].into();
            row.paper = Some(row.system.clone());
            row.pair = format!("en-{}", &row.label[..2]);
        }
        let mut layout = layout(rows);
        (layout.form, layout.columns) = (Form::Table2, Vec::new());
        layout.published = Some(Published::named("table2").unwrap());
        let mut results = vec![finished("de,base", 1, 5.0, 25.0), finished("fr,base", 1, 5.0, 25.0)];
        for result in &mut results {
            if let super::super::layout::TrialOutcome::Finished { record, time } = &mut result.outcome {
                record.metrics.insert("test/bleu".into(), 27.125);
                record.provenance.device_name = "Tesla P100-PCIE-16GB".into();
                *time = Some(super::super::cost::TrainingTime { unit_seconds: 3600.0, incomplete: true });
            }
        }
        let table = ResultTable::new(&layout, &results).unwrap();
        insta::assert_snapshot!(Tabulated::of(&table).unwrap().terminal(Screen { width: 100, bold: false }), @r#""#);
    }
}
