//! Decides which rows belong into one picture, and by which names.

use super::section::part_name;
use super::subject::{Report, Trial};
use crate::results::table_layout::RowLayout;
use crate::results::varied::{VariedSetting, text};

/// Rows beside the base row in one picture: as many as have colours of their own.
const MOST_LINES: usize = 6;
/// Least mean number of rows for which pictures of equal settings are worth it.
const LEAST_LINES: usize = 3;

/// Rows of one picture, the base row first.
pub struct Picture<'r, 'a> {
    /// The name that distinguishes the picture from the others; empty for the only picture.
    pub name: String,
    pub rows: Vec<&'r [Trial<'a>]>,
    /// The name of each row in the picture.
    pub labels: Vec<String>,
}

/// Returns pictures of the base row and at most [`MOST_LINES`] other rows of one group each. Rows of a grid are divided
/// by the values of its first settings.
pub fn pictures<'r, 'a>(report: &'r Report<'a>) -> Vec<Picture<'r, 'a>> {
    let rows = report.rows();
    let base = rows.iter().find(|row| report.is_base(row[0].row)).copied();
    let others: Vec<&[Trial<'a>]> = rows.into_iter().filter(|row| !report.is_base(row[0].row)).collect();
    let settings = shown_settings(report);
    let mut pictures: Vec<Picture<'r, 'a>> = Vec::new();
    for group in others.chunk_by(|a, b| a[0].group == b[0].group) {
        let parts = parts(report, group, &settings);
        for (index, rows_of_part) in parts.iter().enumerate() {
            let shared = |setting: &&&VariedSetting| {
                let same = |rows: &[&[Trial]]| {
                    rows.iter().all(|row| value(report, row, setting) == value(report, rows[0], setting))
                };
                same(rows_of_part) && !same(group)
            };
            let shared: Vec<&VariedSetting> = settings.iter().filter(shared).copied().collect();
            let group_name = group[0][0].group.unwrap_or_default().to_string();
            let words = words(report, rows_of_part[0], &shared);
            let part = match part_name(index, parts.len()) {
                None => String::new(),
                Some(number) if words.is_empty() => number,
                Some(number) => format!("{words} ({number})"),
            };
            let name = [group_name, part].into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>();
            let own: Vec<&VariedSetting> = settings
                .iter()
                .filter(|setting| parts.len() == 1 || !shared.contains(setting))
                .copied()
                .collect();
            let base_label = base.map(|row| label(report, row, &settings));
            let labels = rows_of_part.iter().map(|row| label(report, row, &own));
            pictures.push(Picture {
                name: name.join(", "),
                labels: base_label.into_iter().chain(labels).collect(),
                rows: base.into_iter().chain(rows_of_part.iter().copied()).collect(),
            });
        }
    }
    if pictures.is_empty() {
        let alone = |row| Picture {
            name: String::new(),
            labels: vec![label(report, row, &settings)],
            rows: vec![row],
        };
        pictures.extend(base.map(alone));
    }
    pictures
}

/// Returns the name of a row beside others: the settings of a grid, else its label.
pub fn row_name(report: &Report, row: &[Trial]) -> String {
    label(report, row, &shown_settings(report))
}

/// Returns the settings that are columns of the table.
fn shown_settings<'r>(report: &'r Report) -> Vec<&'r VariedSetting> {
    report.table.settings.iter().filter(|setting| setting.is_column).collect()
}

/// Divides the rows of a group into consecutive parts, one for each picture.
fn parts<'r, 'a>(
    report: &Report,
    group: &[&'r [Trial<'a>]],
    settings: &[&VariedSetting],
) -> Vec<Vec<&'r [Trial<'a>]>> {
    if group.len() <= MOST_LINES {
        return vec![group.to_vec()];
    }
    for count in 1..settings.len() {
        let values = |row: &[Trial]| {
            settings[..count].iter().map(|setting| value(report, row, setting)).collect::<Vec<_>>()
        };
        let runs: Vec<Vec<&[Trial]>> =
            group.chunk_by(|a, b| values(a) == values(b)).map(<[_]>::to_vec).collect();
        if runs.len() * LEAST_LINES > group.len() {
            break;
        }
        if runs.iter().all(|run| run.len() <= MOST_LINES) {
            return runs;
        }
    }
    let pictures = group.len().div_ceil(MOST_LINES);
    group.chunks(group.len().div_ceil(pictures)).map(<[_]>::to_vec).collect()
}

fn layout<'r>(report: &'r Report, row: &[Trial]) -> Option<&'r RowLayout> {
    report.table_row(row).map(|row| &row.layout)
}

fn value(report: &Report, row: &[Trial], setting: &VariedSetting) -> Option<String> {
    layout(report, row)?.settings.get(&setting.key).map(|value| text(Some(value)))
}

/// `name=value` of the settings that the row has.
fn words(report: &Report, row: &[Trial], settings: &[&VariedSetting]) -> String {
    let word = |setting: &&VariedSetting| Some(format!("{}={}", setting.name, value(report, row, setting)?));
    settings.iter().filter_map(word).collect::<Vec<_>>().join(", ")
}

fn label(report: &Report, row: &[Trial], settings: &[&VariedSetting]) -> String {
    let is_named = layout(report, row).is_none_or(|layout| layout.name.is_some());
    let words = if is_named { String::new() } else { words(report, row, settings) };
    if words.is_empty() { row[0].row.to_string() } else { words }
}
