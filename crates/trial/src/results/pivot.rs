//! Two settings against each other: `ablate table --pivot A,B` shows one score with a line for each value of A and a
//! column for each value of B. Rows that differ in more than these two settings stand in separate tables, so that means
//! are taken over seeds alone. `row` and `group` stand for all settings by which named rows and groups of rows differ.

use super::metric::{DEV_BLEU, DEV_F1, TEST_BLEU, TEST_F1};
use super::selection::{GROUP, ROW, possible};
use super::sheet::{
    Heading, LatexHeading, Line, Note, Sheet, Text, provenance, score_title, setting_heading, setting_text,
    signatures, significance, signs, value_and_count,
};
use super::table::{Cell, Column, ResultTable, Row};
use super::varied::{self, RowSettings, VariedSetting};
use crate::error::{Error, Result};
use crate::sequence::distinct;
use serde::Serialize;
use serde_json::Value;

/// The tables of two settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PivotTable {
    /// The sweep's name.
    pub sweep: String,
    /// The score that the tables show.
    pub metric: Column,
    /// The setting whose values are the lines.
    pub rows: VariedSetting,
    /// The setting whose values are the columns.
    pub columns: VariedSetting,
    /// The values of `columns`; `None` among them if the setting has no value in some rows.
    pub values: Vec<Option<Value>>,
    /// One panel for each combination of the other settings.
    pub panels: Vec<Panel>,
    #[serde(skip)]
    others: Vec<VariedSetting>,
    #[serde(skip)]
    notes: Vec<Note>,
}

/// The values that the rows of a panel share: the part of their labels that is no setting, and the other settings.
type Shared = (Option<String>, RowSettings);

/// The rows that share everything but the two settings.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Panel {
    /// The part of the rows' labels that is no setting.
    pub name: Option<String>,
    /// The values of the other settings.
    pub settings: RowSettings,
    pub lines: Vec<PivotLine>,
}

/// The cells of one value of the first setting.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PivotLine {
    pub value: Option<Value>,
    /// One cell for each of [`PivotTable::values`]; `None` if the sweep has no such row.
    pub cells: Vec<Option<PivotCell>>,
}

/// A row of the sweep as a cell.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PivotCell {
    pub row: String,
    /// Number of finished trials.
    pub finished: usize,
    /// Number of trials that the row should have.
    pub wanted: usize,
    #[serde(flatten)]
    pub cell: Cell,
}

impl PivotTable {
    /// Arranges the rows of `table` by two settings, each given by its key or the name of its column, or as `row` or
    /// `group`. Without a `metric` the score is the BLEU of the test set, else of the dev set, else the last score of the
    /// table.
    ///
    /// # Errors
    /// A user error for a setting or a score that the table does not have, with the existing ones, or if every row
    /// would stand in a separate table.
    pub fn of(table: &ResultTable, [rows, columns]: [&str; 2], metric: Option<&str>) -> Result<PivotTable> {
        let [rows, columns] = [setting(table, rows)?, setting(table, columns)?];
        if rows.key == columns.key {
            return Err(Error::user(format!(
                "--pivot: {0} against {0} shows nothing; name two settings",
                rows.name
            )));
        }
        let at = column(table, metric)?;
        let is_pivot = |key: &str| rows.key == key || columns.key == key;
        let named = is_pivot(ROW) || is_pivot(GROUP);
        // A setting that rows of one name, or of one group, have in common is part of that name or group.
        let same = |row: &Row| [ROW, GROUP].map(|key| is_pivot(key).then(|| value_of(row, key)));
        let alike = |a: &Row| {
            let settings = table.rows.iter().filter(|&b| same(b) == same(a)).map(|b| &b.layout.settings);
            settings.collect::<Vec<&RowSettings>>()
        };
        let is_other = |one: &&VariedSetting| {
            !is_pivot(&one.key) && table.rows.iter().any(|row| varied::differs(&one.key, &alike(row)))
        };
        let others: Vec<VariedSetting> = table.settings.iter().filter(is_other).cloned().collect();
        let values = values(table.rows.iter(), &columns.key);
        let rest = |row: &Row| -> Shared {
            let of_row = &row.layout.settings;
            let values =
                others.iter().filter_map(|one| Some((one.key.clone(), of_row.get(&one.key)?.clone())));
            (row.layout.name.clone().filter(|_| !named), values.collect())
        };
        let mut groups: Vec<(Shared, Vec<&Row>)> = Vec::new();
        for row in &table.rows {
            let key = rest(row);
            match groups.iter_mut().find(|(known, _)| *known == key) {
                Some((_, rows)) => rows.push(row),
                None => groups.push((key, vec![row])),
            }
        }
        if groups.len() == table.rows.len() && groups.len() > 1 {
            let others: Vec<&str> = others.iter().map(|one| one.name.as_str()).collect();
            let others = if others.is_empty() { "their names".to_string() } else { others.join(", ") };
            return Err(Error::user(format!(
                "--pivot {},{}: every row would stand in a table of its own, because no two rows share {others}; name two \
                 settings of which the sweep tries combinations",
                rows.name, columns.name
            )));
        }
        let panel = |((name, settings), of_panel): (Shared, Vec<&Row>)| -> Result<Panel> {
            let lines = lines(&of_panel, [&rows.key, &columns.key], &values, at)?;
            Ok(Panel { name, settings, lines })
        };
        let panels: Vec<Panel> = groups.into_iter().map(panel).collect::<Result<_>>()?;
        let metric = table.columns[at].clone();
        let notes = notes(table, at, &panels);
        Ok(PivotTable { sweep: table.sweep.clone(), metric, rows, columns, values, panels, others, notes })
    }

    /// A sheet for each panel.
    pub fn sheets(&self) -> Vec<Sheet> {
        self.panels.iter().map(|panel| self.sheet(panel)).collect()
    }

    fn sheet(&self, panel: &Panel) -> Sheet {
        let heading = |value: &Option<Value>| {
            let value = setting_text(value.as_ref());
            let latex = LatexHeading::Words(format!("{} = {value}", self.columns.words()));
            Heading { latex: Some(latex), ..Heading::numbers(&format!("{}={value}", self.columns.name)) }
        };
        let line = |line: &PivotLine| {
            let cells = line.cells.iter().map(|cell| match cell {
                None => Text::default(),
                Some(PivotCell { finished, wanted, cell, .. }) => {
                    value_and_count(&self.metric, cell, *finished, *wanted)
                }
            });
            let first = Text::plain(setting_text(line.value.as_ref()));
            Line { cells: [first].into_iter().chain(cells).collect(), ..Line::default() }
        };
        Sheet {
            title: self.title(panel),
            headings: [setting_heading(&self.rows)]
                .into_iter()
                .chain(self.values.iter().map(heading))
                .collect(),
            keys: 1,
            lines: panel.lines.iter().map(line).collect(),
        }
    }

    /// The score, the two settings, and the values that the rows of the panel share.
    pub(super) fn title(&self, panel: &Panel) -> String {
        let settings = self.others.iter().filter_map(|one| {
            let value = panel.settings.get(&one.key)?;
            Some(format!("{}={}", one.name, varied::text(Some(value))))
        });
        let shared: Vec<String> = panel.name.iter().cloned().chain(settings).collect();
        let shared = if shared.is_empty() { String::new() } else { format!(": {}", shared.join(", ")) };
        format!("{} by {} and {}{shared}", self.metric.name, self.rows.name, self.columns.name)
    }

    /// The notes below the tables.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The settings that differ among panels.
    pub fn others(&self) -> &[VariedSetting] {
        &self.others
    }
}

/// Arranges the rows of a panel by the keys of two settings. `columns` are the values of the second one, and `at` is the
/// column of the table with the score.
///
/// # Errors
/// A user error if two rows of the panel have the same values of both settings.
fn lines(rows: &[&Row], keys: [&str; 2], columns: &[Option<Value>], at: usize) -> Result<Vec<PivotLine>> {
    let mut lines = Vec::new();
    for value in values(rows.iter().copied(), keys[0]) {
        let mut cells: Vec<Option<PivotCell>> = vec![None; columns.len()];
        for row in rows.iter().filter(|row| value_of(row, keys[0]) == value) {
            let value = value_of(row, keys[1]);
            let Some(place) = columns.iter().position(|one| *one == value) else { continue };
            let cell = PivotCell {
                row: row.layout.label.clone(),
                finished: row.finished,
                wanted: row.layout.seeds.len(),
                cell: row.cells[at].clone(),
            };
            if let Some(other) = cells[place].replace(cell) {
                return Err(Error::user(format!(
                    "--pivot: rows {} and {} differ in no setting that is shown; choose one with --where row=LABEL",
                    other.row, row.layout.label
                )));
            }
        }
        lines.push(PivotLine { value, cells });
    }
    Ok(lines)
}

fn notes(table: &ResultTable, at: usize, panels: &[Panel]) -> Vec<Note> {
    let mut notes: Vec<Note> = table.selection.iter().map(Note::text).collect();
    let cells = || panels.iter().flat_map(|panel| &panel.lines).flat_map(|line| &line.cells);
    if cells().any(Option::is_none) {
        notes.push(Note::text("A blank cell: the sweep has no such row."));
    }
    notes.extend(signs(table, "the best of all cells"));
    if table.rows.iter().any(|row| row.cells[at].comparison.is_some()) {
        notes.extend(significance(&table.significance, table.base.as_deref(), score_title(&[table])));
    }
    notes.extend(signatures(&[table]));
    notes.extend(provenance(table));
    notes
}

/// Returns the setting of a word, which may also be `row` or `group` if the rows have different names or groups.
///
/// # Errors
/// A user error for a word that is no setting in which rows differ.
fn setting(table: &ResultTable, word: &str) -> Result<VariedSetting> {
    let of_rows = |key: &&str| values(table.rows.iter(), key).len() > 1;
    let of_rows: Vec<&str> = [ROW, GROUP].into_iter().filter(of_rows).collect();
    if of_rows.contains(&word) {
        let word = word.to_string();
        return Ok(VariedSetting { key: word.clone(), name: word, numeric: false, is_column: true });
    }
    let found = table.setting_key(word).and_then(|key| table.settings.iter().find(|one| one.key == key));
    found.cloned().ok_or_else(|| {
        let names = table.settings.iter().map(|one| one.name.as_str());
        let names: Vec<&str> = names.chain(of_rows.iter().copied()).collect();
        let what = match names.is_empty() {
            true => "the rows of this sweep differ in no setting".to_string(),
            false => possible("they differ in", word, &names),
        };
        Error::user(format!("--pivot {word}: the rows do not differ in {word:?}; {what}"))
    })
}

/// # Errors
/// A user error for a word that is no column, and for a table that has no score.
fn column(table: &ResultTable, metric: Option<&str>) -> Result<usize> {
    let names: Vec<&str> = table.columns.iter().map(|column| column.name.as_str()).collect();
    let place = |name: &str| names.iter().position(|known| *known == name);
    match metric {
        Some(name) => place(name).ok_or_else(|| {
            let what = possible("it has", name, &names);
            Error::user(format!("--metric {name}: the table has no such column; {what}"))
        }),
        None => {
            let last = table.columns.iter().rposition(|column| column.metric.is_some());
            [TEST_BLEU, DEV_BLEU, TEST_F1, DEV_F1].into_iter().find_map(place).or(last).ok_or_else(|| {
                Error::user(format!("--pivot: name a column with --metric; {}", names.join(", ")))
            })
        }
    }
}

/// Returns the value of a row for a setting, or its name or group.
fn value_of(row: &Row, key: &str) -> Option<Value> {
    match key {
        ROW => row.layout.name.clone().map(Value::String),
        GROUP => row.layout.group.clone().map(Value::String),
        key => row.layout.settings.get(key).cloned(),
    }
}

/// The distinct values that rows have for a setting: by size if all are numbers, else in the order of the sweep. Rows
/// without a value come last.
fn values<'a>(rows: impl Iterator<Item = &'a Row>, key: &str) -> Vec<Option<Value>> {
    let mut values = distinct(rows.map(|row| value_of(row, key)));
    if values.iter().flatten().all(Value::is_number) {
        let number = |value: &Option<Value>| value.as_ref().and_then(Value::as_f64).unwrap_or(f64::INFINITY);
        values.sort_by(|a, b| number(a).total_cmp(&number(b)));
    } else {
        values.sort_by_key(Option::is_none);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::super::examples::grid;
    use super::super::selection::RowSelection;
    use super::*;

    fn table() -> ResultTable {
        let (layout, results) = grid();
        ResultTable::new(&layout, &results).unwrap()
    }

    fn texts(sheet: &Sheet) -> Vec<Vec<String>> {
        let headings = sheet.headings.iter().map(|heading| heading.text.clone()).collect();
        let lines = sheet.lines.iter().map(|line| line.cells.iter().map(|cell| cell.text.clone()).collect());
        [headings].into_iter().chain(lines).collect()
    }

    #[test]
    fn values_of_two_settings_stand_against_each_other() {
        let pivot = PivotTable::of(&table(), ["dropout", "model.position"], None).unwrap();
        let sheets = pivot.sheets();
        assert_eq!(sheets.len(), 1);
        assert_eq!(sheets[0].title, "dev/bleu by dropout and position");
        assert_eq!(
            texts(&sheets[0]),
            [
                ["dropout", "position=none", "position=rotary"],
                ["0.0", "22.50 ± 0.71", "23.50 ± 0.71"],
                ["0.1", "26.50 ± 0.71", "27.50 ± 0.71"],
                ["0.2", "24.50 ± 0.71", "25.50 ± 0.71"],
            ]
        );
        assert!(sheets[0].lines[1].cells[2].bold && !sheets[0].lines[1].cells[1].bold);
        let other = PivotTable::of(&table(), ["position", "dropout"], Some("dev/perplexity")).unwrap();
        assert_eq!(texts(&other.sheets()[0])[1], ["none", "10.50 ± 0.71", "6.50 ± 0.71", "8.50 ± 0.71"]);
    }

    #[test]
    fn what_else_differs_makes_further_tables_and_missing_rows_are_blank() {
        let mut table = table();
        for (index, row) in table.rows.iter_mut().enumerate() {
            row.layout.settings.insert("model.heads".into(), if index < 4 { 2.into() } else { 4.into() });
        }
        table.settings.push(VariedSetting {
            key: "model.heads".into(),
            name: "heads".into(),
            numeric: true,
            is_column: true,
        });
        table.rows.remove(0);
        let pivot = PivotTable::of(&table, ["dropout", "position"], None).unwrap();
        let titles: Vec<String> = pivot.sheets().into_iter().map(|sheet| sheet.title).collect();
        assert_eq!(
            titles,
            ["dev/bleu by dropout and position: heads=2", "dev/bleu by dropout and position: heads=4"]
        );
        assert_eq!(texts(&pivot.sheets()[0])[1], ["0.0", "23.50 ± 0.71", ""]);
        assert!(pivot.notes().iter().any(|note| note.text.starts_with("A blank cell")));
        // The table states the selection.
        let only = RowSelection { conditions: vec![("heads".into(), "4".into())], ..RowSelection::default() };
        table.select(&only).unwrap();
        let pivot = PivotTable::of(&table, ["dropout", "position"], None).unwrap();
        assert_eq!(pivot.panels.len(), 1);
        assert_eq!(pivot.notes()[0].text, "2 of 5 rows with heads=4.");
    }

    #[test]
    fn names_and_groups_of_rows_stand_for_the_settings_that_they_change() {
        let mut table = table();
        table.settings[1].is_column = false;
        for (index, row) in table.rows.iter_mut().enumerate() {
            row.layout.name = Some(if index % 2 == 0 { "plain" } else { "turned" }.into());
            row.layout.group = (index % 2 == 1).then(|| "P".into());
        }
        let pivot = PivotTable::of(&table, ["dropout", "row"], None).unwrap();
        assert_eq!(pivot.panels.len(), 1);
        let sheet = &pivot.sheets()[0];
        assert_eq!(sheet.title, "dev/bleu by dropout and row");
        let shown = texts(sheet);
        assert_eq!(shown[0], ["dropout", "row=plain", "row=turned"]);
        assert_eq!(shown[2], ["0.1", "26.50 ± 0.71", "27.50 ± 0.71"]);
        let groups = PivotTable::of(&table, ["group", "dropout"], None).unwrap();
        assert_eq!(texts(&groups.sheets()[0])[1], ["P", "23.50 ± 0.71", "27.50 ± 0.71", "25.50 ± 0.71"]);
        // Another setting than those of the names makes further tables.
        assert_eq!(PivotTable::of(&table, ["row", "position"], None).unwrap().panels.len(), 3);
    }

    #[test]
    fn what_cannot_be_shown_is_refused_with_what_can() {
        let told = |words, metric| PivotTable::of(&table(), words, metric).unwrap_err().to_string();
        assert_eq!(
            told(["drpout", "position"], None),
            "--pivot drpout: the rows do not differ in \"drpout\"; did you mean \"dropout\"? they differ in dropout, position"
        );
        assert!(told(["row", "dropout"], None).contains("the rows do not differ in \"row\"; "));
        assert!(told(["dropout", "dropout"], None).contains("name two settings"));
        assert!(told(["dropout", "position"], Some("test/bleu")).contains("it has dev/perplexity, dev/bleu"));
        let mut apart = table();
        for (index, row) in apart.rows.iter_mut().enumerate() {
            row.layout.name = Some(format!("draw-{index}"));
        }
        let error = PivotTable::of(&apart, ["dropout", "position"], None).unwrap_err();
        assert!(error.to_string().contains("every row would stand in a table of its own"), "{error}");
    }
}
