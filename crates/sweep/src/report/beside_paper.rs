//! Differences to the base row beside those of the paper.

use super::pictures::row_name;
use super::section::{Section, spoken};
use super::subject::Report;
use crate::figures::{Dot, Dots, dots};
use crate::results::sheet::signed;
use crate::results::verdict::COLUMN;

/// Draws how far each row is from the base row in the score that verdicts are about, and how far it is in the paper. Empty
/// where no row that is compared has a published value.
pub fn section(report: &Report) -> Section {
    let mut section = Section::new("Differences to the base row, here and in the paper");
    let table = report.table;
    let Some(at) = table.columns.iter().position(|column| column.name == COLUMN) else { return section };
    let Some(base) = table.base_row() else { return section };
    let (Some(metric), Some(of_base)) = (table.columns[at].metric, base.cells[at].published_value()) else {
        return section;
    };
    let digits = metric.digits;
    let mut rows = vec![Dot {
        name: base.layout.label.clone(),
        rule: false,
        mean: Some(0.0),
        spread: None,
        values: Vec::new(),
        other: None,
        words: "0".into(),
    }];
    let mut group = base.layout.group.as_ref();
    for trials in report.rows() {
        let Some(row) = report.table_row(trials) else { continue };
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
            other: row.cells[at].published_value().map(|value| value - of_base),
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
