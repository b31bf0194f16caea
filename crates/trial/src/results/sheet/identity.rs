//! The columns that tell rows apart: their names, and the settings that vary.

use super::super::table::{ResultTable, Row};
use super::super::varied::{self, RowSettings, VariedSetting};
use super::cells::{EMPTY, Heading, LatexHeading, Text};
use serde_json::Value;
use std::collections::BTreeSet;

/// The label and the settings that identify a row.
#[derive(Debug, Clone, Copy)]
pub struct RowNames<'a> {
    /// The whole label, which is the name of the row's directory.
    pub label: &'a str,
    /// The part of the label that is no setting.
    pub name: Option<&'a str>,
    pub settings: &'a RowSettings,
}

/// The columns that tell the rows of a table apart.
pub struct Identity<'a> {
    row: RowColumn,
    settings: Vec<&'a VariedSetting>,
}

/// The content of a column called "row".
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowColumn {
    /// There is no such column: settings tell all rows apart.
    Absent,
    /// The part of the label that is no setting.
    Name,
    Label,
}

impl<'a> Identity<'a> {
    /// The columns of rows that differ in these settings.
    pub fn of(settings: &'a [VariedSetting], rows: &[RowNames]) -> Self {
        let settings: Vec<_> = settings.iter().filter(|setting| setting.is_column).collect();
        let row = if settings.is_empty() {
            RowColumn::Label
        } else if rows.iter().any(|row| row.name.is_some()) {
            RowColumn::Name
        } else {
            RowColumn::Absent
        };
        let identity = Identity { row, settings };
        let texts = |row: &RowNames| identity.cells(row).map(|cell| cell.text).collect::<Vec<_>>();
        match rows.iter().map(texts).collect::<BTreeSet<_>>().len() == rows.len() {
            true => identity,
            false => Identity { row: RowColumn::Label, ..identity },
        }
    }

    /// The columns of a table's rows.
    pub fn of_table(table: &'a ResultTable) -> Self {
        Identity::of(&table.settings, &table.rows.iter().map(names).collect::<Vec<_>>())
    }

    pub fn headings(&self) -> impl Iterator<Item = Heading> {
        let row = (self.row != RowColumn::Absent).then(|| Heading::words("row"));
        row.into_iter().chain(self.settings.iter().map(|setting| setting_heading(setting)))
    }

    pub fn cells(&self, row: &RowNames) -> impl Iterator<Item = Text> {
        let name = match self.row {
            RowColumn::Absent => None,
            RowColumn::Name => Some(row.name.unwrap_or_default().to_string()),
            RowColumn::Label => Some(row.label.to_string()),
        };
        let value = |setting: &&VariedSetting| setting_text(row.settings.get(&setting.key));
        name.into_iter().chain(self.settings.iter().map(value)).map(Text::plain)
    }

    /// Whether a setting has a column.
    pub fn is_column(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }
}

/// Returns the heading of the column that shows a setting.
pub fn setting_heading(setting: &VariedSetting) -> Heading {
    Heading {
        numeric: setting.numeric,
        latex: Some(LatexHeading::Words(setting.words())),
        ..Heading::words(&setting.name)
    }
}

/// Returns the text of a cell that shows a setting's value.
pub fn setting_text(value: Option<&Value>) -> String {
    value.map_or(EMPTY.to_string(), |value| varied::text(Some(value)))
}

/// Returns the label and the settings that identify a row of a table.
pub fn names(row: &Row) -> RowNames<'_> {
    RowNames { label: &row.layout.label, name: row.layout.name.as_deref(), settings: &row.layout.settings }
}
