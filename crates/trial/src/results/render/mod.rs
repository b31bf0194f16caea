//! A [`ResultTable`] as Markdown, LaTeX, CSV, JSON and text for a terminal.
//!
//! The bytes depend on the table alone, not on the terminal, the locale or the clock.

mod caption;
mod comparison;
pub mod csv;
pub mod latex;
pub mod markdown;
pub mod text;

pub use comparison::comparison;
pub use text::{Screen, grid, paragraph};

use super::pivot::PivotTable;
use super::sheet::{self, Note, Sheet, details, list, table3};
use super::systems::SystemTable;
use super::table::ResultTable;
use super::table_layout::Form;
use crate::error::{Error, Result};

/// The note below a list that stands for a table in the form of Table 3.
const TOO_WIDE: &str =
    "layout = \"table3\" is wider than this terminal: a list is shown instead, and table.md has the layout.";

/// The table of one or several sweeps that is to be written.
pub enum Tabulated<'a> {
    /// A line per row.
    Rows(&'a ResultTable),
    /// Rows of the same system side by side, as in Table 2.
    Systems(SystemTable),
    /// The values of two settings against each other.
    Pivot(&'a PivotTable),
}

impl<'a> Tabulated<'a> {
    /// Makes the table of one sweep, in the form that the sweep requests.
    ///
    /// # Errors
    /// The same as for [`SystemTable::of`].
    pub fn of(table: &'a ResultTable) -> Result<Self> {
        Ok(match table.form {
            Form::List | Form::Table3 => Tabulated::Rows(table),
            Form::Table2 => Tabulated::Systems(SystemTable::of(&[table])?),
        })
    }

    /// Writes Markdown: bold for the best, tables of details and notes below.
    pub fn markdown(&self) -> String {
        markdown::document(&self.sheets(true), &self.notes())
    }

    /// Writes LaTeX for `\input` in a paper that uses the packages `array`, `booktabs` and `graphicx`: one `table` for
    /// the rows, one for each table of details. Each has a caption and a label, and is no wider than the text.
    pub fn latex(&self) -> String {
        let (caption, label) = (self.caption(), self.label());
        latex::document(
            &self.sheets(false),
            &self.notes(),
            &latex::Names { caption: &caption, label: &label, command: "table" },
        )
    }

    /// Writes CSV: values at full precision, for programs. Parameters are counts; the paper's are in millions as printed.
    ///
    /// # Errors
    /// None occurs for any table.
    pub fn csv(&self) -> Result<String> {
        match self {
            Tabulated::Rows(table) => csv::rows(table),
            Tabulated::Systems(table) => csv::systems(table),
            Tabulated::Pivot(table) => csv::pivot(table),
        }
    }

    /// Writes one JSON document with everything at full precision.
    ///
    /// # Errors
    /// None occurs for any table.
    pub fn json(&self) -> Result<String> {
        let text = match self {
            Tabulated::Rows(table) => serde_json::to_string_pretty(table),
            Tabulated::Systems(table) => serde_json::to_string_pretty(table),
            Tabulated::Pivot(table) => serde_json::to_string_pretty(table),
        };
        text.map(|text| text + "\n")
            .map_err(|error| Error::failed(format!("cannot write a table as JSON: {error}")))
    }

    /// Writes text for a terminal. A table in the form of Table 3 that is too wide for it is shown as a list that says so.
    pub fn terminal(&self, screen: Screen) -> String {
        let (mut sheets, mut notes) = (self.sheets(true), self.notes());
        if let (Tabulated::Rows(table), Some(first)) = (self, sheets.first_mut())
            && table.form == Form::Table3
            && text::natural_width(first) > usize::from(screen.width)
        {
            (*first, notes) = (list(table), sheet::notes(table, Form::List));
            notes.insert(0, Note::text(TOO_WIDE));
        }
        text::document(&sheets, &notes, screen)
    }

    /// The tables as texts; without `labels`, rows are identified by their groups alone, as in the paper.
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
            Tabulated::Pivot(table) => table.sheets(),
        }
    }

    /// The notes below the tables.
    pub fn notes(&self) -> Vec<Note> {
        match self {
            Tabulated::Rows(table) => sheet::notes(table, table.form),
            Tabulated::Systems(table) => table.notes(),
            Tabulated::Pivot(table) => table.notes().to_vec(),
        }
    }

    /// The caption of the first table.
    fn caption(&self) -> String {
        match self {
            Tabulated::Rows(table) => caption::of_rows(table),
            Tabulated::Systems(_) => {
                "BLEU and training cost, in the layout of Vaswani et al. (2017), Table 2.".to_string()
            }
            Tabulated::Pivot(table) => caption::of_pivot(table),
        }
    }

    /// Returns the word for labels in LaTeX.
    fn label(&self) -> String {
        match self {
            Tabulated::Rows(table) => table.sweep.clone(),
            Tabulated::Systems(_) => "systems".to_string(),
            Tabulated::Pivot(table) => table.sweep.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::comparison::{Comparison, OverSeeds, OverSentences, SeedTest, Significance};
    use super::super::examples::{example, finished, row, table3 as layout};
    use super::super::judge::judge;
    use super::super::published::Published;
    use super::super::trial_result::{TrainingTime, TrialOutcome};
    use super::*;

    /// The example's table, whose second row is compared with the first.
    fn table(form: Form) -> ResultTable {
        let (mut layout, results) = example();
        layout.form = form;
        layout.rows[1].hyperparameters.heads = Some(1);
        (layout.rows[1].hyperparameters.d_k, layout.rows[1].hyperparameters.d_v) = (Some(512), Some(512));
        let mut table = ResultTable::new(&layout, &results).unwrap();
        table.rows[1].cells[3].comparison = Some(Comparison {
            base: "base".into(),
            difference: -1.0,
            sentences: OverSentences { pairs: 3, p: 0.0099, half_width: 0.4321 },
            seeds: Some(OverSeeds {
                test: SeedTest::Welch,
                p: 0.02,
                half_width: 0.91,
                degrees_of_freedom: 3.5,
            }),
            seeds_untested: None,
            p: 0.02,
            p_corrected: 0.04,
        });
        table.significance = Significance {
            randomization_trials: Some(10_000),
            bootstrap_resamples: Some(1_000),
            resampling_seed: Some(12_345),
            missing: vec!["seed 3 of own_row is damaged".into()],
            ..Significance::default()
        };
        judge(&mut table);
        table
    }

    fn shown(form: Form, width: u16) -> String {
        Tabulated::of(&table(form)).unwrap().terminal(Screen { width, bold: false })
    }

    /// Asserts that every line occurs in the text.
    fn holds(text: &str, lines: &[&str]) {
        lines.iter().for_each(|line| assert!(text.lines().any(|found| found == *line), "{line}\nin\n{text}"));
    }

    #[test]
    fn markdown_has_values_tests_the_papers_values_verdicts_and_failures() {
        let text = Tabulated::of(&table(Form::List)).unwrap().markdown();
        let lines = [
            "| group | row | what changed | n | parameters ×10⁶ | steps | dev/perplexity | dev/bleu |",
            "| --- | --- | --- | --: | --: | --: | --: | --: |",
            "|  | base |  | 3 | 65.11 | 100000 | **5.00 ± 0.25** | **25.50 ± 0.50** |",
            "| (A) | A-h1 | heads=1 | 1/3 | 65.11 | 100000 | 5.25 | 24.50\\* |",
            "|  | own | position=none, label_smoothing=0.0 | 0/3 | – | – | – | – |",
            "| A-h1 | dev/bleu | −1.00 | 0.43 | 0.91 | 0.0099 | 0.0200 | 0.0400\\* |",
            "| base | 65 | +0.11 | 4.92 | +0.08 | 25.8 | −0.30 |",
            "| (A) | A-h1 | lower: −0.9 | **yes** |  |",
            "significance not tested: seed 3 of own_row is damaged",
            "BLEU: `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp|version:2.6.0`",
            "failed: A-h1, seed 2: diverged at step 300: the loss is NaN",
        ];
        holds(&text, &lines);
    }

    #[test]
    fn a_note_says_which_rows_have_which_test_over_seeds() {
        let mut table = table(Form::List);
        let text = |table: &ResultTable| Tabulated::of(table).unwrap().markdown();
        assert!(text(&table).contains("Seeds: Welch's t-test.\n"), "{}", text(&table));
        table.significance.paired = vec!["beam1".into(), "beam9".into()];
        table.significance.no_spread = vec!["own in dev/bleu".into()];
        table.significance.equal_differences = vec!["beam9 in test/bleu".into()];
        let both = "Seeds: Welch's t-test; paired t-test of the differences by seed where both rows decode the same \
                    trainings: beam1, beam9. Where the seeds do not differ, there is no test over seeds and no mark: own in dev/bleu. \
                    Where the differences by seed are all equal, there is none either: beam9 in test/bleu.";
        assert!(text(&table).contains(both), "{}", text(&table));
    }

    #[test]
    fn latex_has_the_layout_of_table_3() {
        let text = Tabulated::of(&table(Form::Table3)).unwrap().latex();
        let lines = [
            r"base & 6 & 512 & 2048 & 8 & 64 & 64 & 0.1 & 0.1 & 100K & 3 & 65.11 & 100000 & \textbf{5.00 $\pm$ 0.25} & \textbf{25.50 $\pm$ 0.50} \\",
            r"(A) &  &  &  & 1 & 512 & 512 &  &  &  & 1/3 & 65.11 & 100000 & 5.25 & 24.50* \\",
            r"own & \multicolumn{9}{c}{position=none} & 0/3 & -- & -- & -- & -- \\",
            r"significance not tested: seed 3 of own\_row is damaged\par",
        ];
        holds(&text, &lines);
        // Rules between the groups, one below the headings, one for each table of details.
        assert_eq!(
            (text.matches("\\midrule").count(), text.matches("\\begin{table}").count()),
            (6, 4),
            "{text}"
        );
    }

    #[test]
    fn csv_is_unrounded() {
        let text = Tabulated::of(&table(Form::List)).unwrap().csv().unwrap();
        let lines = [
            "base,,,3,3,65110016,0,65,0.11001600000000167,100000,0,5,0.25,4.92,0.08000000000000007,25.5,0.5,25.8,-0.3000000000000007,,,,,,",
            "A-h1,A,heads=1,1,3,65110016,,,,100000,,5.25,,5.29,-0.040000000000000036,24.5,,24.9,-0.3999999999999986,-1,0.4321,0.91,0.0099,0.02,0.04",
            "own,,\"position=none, label_smoothing=0.0\",0,3,,,,,,,,,,,,,,,,,,,,",
        ];
        holds(&text, &lines);
    }

    #[test]
    fn a_score_of_0_has_no_mark() {
        let mut table = table(Form::List);
        let text = |table: &ResultTable| Tabulated::of(table).unwrap().markdown();
        assert!(text(&table).contains("| 24.50\\* |"), "{}", text(&table));
        table.rows[1].cells[3].summary = super::super::summary::Summary::of(&[0.0]);
        let zero = text(&table);
        assert!(zero.contains("| 0.00 |") && !zero.contains("0.0400\\*"), "{zero}");
    }

    #[test]
    fn what_a_blank_cell_means_is_said_where_there_is_one() {
        let mut table = table(Form::Table3);
        let said = |table: &ResultTable, width| {
            let text = Tabulated::of(table).unwrap().terminal(Screen { width, bold: false });
            text.contains("A blank cell is as in the base row, base.")
        };
        assert!(said(&table, 140));
        // A list has none, and without a base row every cell is filled.
        assert!(!said(&table, 80));
        table.base = None;
        assert!(!said(&table, 140));
    }

    #[test]
    fn labels_are_neither_obeyed_by_a_terminal_nor_computed_by_a_spreadsheet() {
        let mut table = table(Form::List);
        table.rows[0].layout.label = "=1+1\u{1b}[2J".into();
        table.rows[0].layout.group = Some("@a\u{9b}31m\n".into());
        let tabulated = Tabulated::of(&table).unwrap();
        let text = tabulated.terminal(Screen { width: 200, bold: false });
        assert!(text.contains("=1+1\\u001b[2J") && text.contains("@a\\u009b31m\\u000a"), "{text}");
        assert!(!text.contains(|c: char| c.is_control() && c != '\n'), "{text:?}");
        let csv = tabulated.csv().unwrap();
        assert!(csv.contains("\n'=1+1\u{1b}[2J,\"'@a"), "{csv}");
        assert!(csv.contains(",-0.3000000000000007,") && csv.contains(",-1,0.4321,"), "{csv}");
    }

    #[test]
    fn a_terminal_of_80_columns_holds_every_form() {
        for form in [Form::List, Form::Table3] {
            let text = shown(form, 80);
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
            // Table 3 becomes a list if it does not fit.
            assert!(text.contains("heads=1") && !text.contains("d_model"), "{text}");
            assert_eq!(text.contains("table3\" is wider than this terminal"), form == Form::Table3, "{text}");
        }
        assert!(!shown(Form::Table3, 140).contains("wider"));
        assert!(shown(Form::Table3, 140).lines().next().unwrap().contains("d_model"));
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
            if let TrialOutcome::Finished { record, time } = &mut result.outcome {
                record.metrics.insert("test/bleu".into(), 27.125);
                record.metrics.insert("test/atat".into(), 27.5);
                record.provenance.device_name = "Tesla P100-PCIE-16GB".into();
                *time = Some(TrainingTime { unit_seconds: 3600.0, incomplete: true });
            }
        }
        let table = ResultTable::new(&layout, &results).unwrap();
        let text = Tabulated::of(&table).unwrap().terminal(Screen { width: 100, bold: false });
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
        let line = |start: &str, ends: &str| {
            assert!(
                text.lines().any(|line| line.starts_with(start) && line.ends_with(ends)),
                "{start} {ends}\n{text}"
            );
        };
        line("paper: ByteNet ", "23.75");
        line("paper: Transformer (big) ", "2.3e19");
        // An hour at the paper's 9.5 TFLOPS, which some attempt adds to.
        line("base  ", "> 3.4e16");
        // The paper's BLEU is the one with compounds split; the French rows are not of the paper's text.
        line("base    en-de  27.12      27.50   27.3 ", "+0.20");
        assert!(!text.contains("base    en-fr"), "{text}");
    }
}
