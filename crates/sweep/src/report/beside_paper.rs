//! Differences to the base row beside those of the paper.

use super::pictures::row_name;
use super::section::{Section, spoken};
use super::subject::{Report, text_of};
use crate::figures::{Dot, Dots, dots};
use crate::results::sheet::signed;
use crate::results::table::{Cell, Row};
use crate::results::verdict::COLUMN;

/// Draws how far each row is from the base row in the score that verdicts are about, and how far it is in the paper. Empty
/// where no row that is compared has a published value.
pub fn section(report: &Report) -> Section {
    let mut section = Section::new("Differences to the base row, here and in the paper");
    let table = report.table;
    let Some(at) = table.columns.iter().position(|column| column.name == COLUMN) else { return section };
    let Some(base) = table.base_row() else { return section };
    let Some(of_base) = published(&base.cells[at]) else { return section };
    let digits = text_of(COLUMN, 0.0).len() - 2;
    let mut rows = vec![Dot {
        name: base.layout.label.clone(),
        rule: false,
        mean: Some(0.0),
        spread: None,
        values: Vec::new(),
        other: Some(0.0),
        words: "0".into(),
    }];
    let mut group = base.layout.group.as_ref();
    for trials in report.rows() {
        let own = |row: &&Row| row.layout.label == trials[0].row;
        let Some(row) = table.rows.iter().find(own) else { continue };
        let Some(found) = row.cells[at].comparison.as_ref().filter(|found| found.base == base.layout.label)
        else {
            continue;
        };
        let spread = found.seeds.as_ref().map(|seeds| seeds.half_width);
        let difference = signed(found.difference, digits);
        rows.push(Dot {
            name: row_name(report, trials),
            rule: group != row.layout.group.as_ref(),
            mean: Some(found.difference),
            spread,
            values: Vec::new(),
            other: published(&row.cells[at]).map(|value| value - of_base),
            words: spread.map_or(difference.clone(), |spread| format!("{difference} ± {spread:.digits$}")),
        });
        group = row.layout.group.as_ref();
    }
    if rows[1..].iter().all(|row| row.other.is_none()) {
        return section;
    }
    let score = spoken(COLUMN);
    section.figure(
        "differences",
        dots(&Dots {
            title: format!("{score}: differences to {}", base.layout.label),
            x: format!("difference in {score}, with its 95 % interval over seeds"),
            rows,
            base: Some(0),
            other: Some("the paper's difference, on WMT 2014".into()),
        }),
    );
    section.paragraph(
        "The paper's values are single runs of another corpus and another size: the directions within a group may be compared, \
         the sizes of the differences may not.",
    );
    section
}

fn published(cell: &Cell) -> Option<f64> {
    cell.published.as_ref()?.parse().ok()
}
