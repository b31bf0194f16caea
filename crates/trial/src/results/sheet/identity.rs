//! The columns that tell rows apart: their names, and the settings that vary.

use super::super::table::{ResultTable, Row};
use super::super::varied::{self, RowSettings, VariedSetting};
use super::cells::{EMPTY, Heading, LatexHeading, Text};
use std::collections::BTreeSet;

/// What a row is known by.
#[derive(Debug, Clone, Copy)]
pub struct RowNames<'a> {
    /// All of it: the name of its directory.
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

/// What a column called "row" shows.
#[derive(Clone, Copy, PartialEq, Eq)]
enum RowColumn {
    /// Nothing: settings tell all rows apart.
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
        let settings = self.settings.iter().map(|setting| Heading {
            numeric: setting.numeric,
            latex: Some(LatexHeading::Words(setting.name.replace(['_', '.'], " "))),
            ..Heading::words(&setting.name)
        });
        row.into_iter().chain(settings)
    }

    pub fn cells(&self, row: &RowNames) -> impl Iterator<Item = Text> {
        let name = match self.row {
            RowColumn::Absent => None,
            RowColumn::Name => Some(row.name.unwrap_or_default().to_string()),
            RowColumn::Label => Some(row.label.to_string()),
        };
        let value = |setting: &&VariedSetting| match row.settings.get(&setting.key) {
            None => EMPTY.to_string(),
            value => varied::text(value),
        };
        name.into_iter().chain(self.settings.iter().map(value)).map(Text::plain)
    }

    /// Whether a setting has a column.
    pub fn is_column(&self, key: &str) -> bool {
        self.settings.iter().any(|setting| setting.key == key)
    }
}

/// What a row of a table is known by.
pub fn names(row: &Row) -> RowNames<'_> {
    RowNames { label: &row.layout.label, name: row.layout.name.as_deref(), settings: &row.layout.settings }
}
