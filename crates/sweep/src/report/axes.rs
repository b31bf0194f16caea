//! The score against every setting that rows vary while they share all others.

use super::scored::{Axis, Scored, ScoredRows, UNSET};
use super::section::{Section, file_name, over_seeds, part_name, spoken};
use super::subject::Report;
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point, Series, Svg, chart};
use std::collections::BTreeMap;

/// Most lines of one picture; more lines are drawn as several pictures.
const MOST_LINES: usize = 7;

pub fn section(report: &Report, scored: &ScoredRows) -> Section {
    let mut section = Section::new("What each setting does");
    for (index, axis) in scored.axes.iter().enumerate() {
        let lines = lines(scored, index, report.base());
        let pictures = match lines.is_empty() {
            true => scattered(scored, index).into_iter().collect(),
            false => balanced(&lines),
        };
        let count = pictures.len();
        for (number, lines) in pictures.iter().enumerate() {
            let of = part_name(number, count).unwrap_or_default();
            let drawn = picture(report, scored, index, lines, &of);
            section.figure(&file_name(&["axis", &axis.key, &of]), drawn);
        }
        let alone =
            |row: &&Scored| !lines.is_empty() && !lines.iter().flatten().any(|other| other.row == row.row);
        let alone: Vec<&str> = scored.rows.iter().filter(alone).map(|row| row.row).collect();
        if !alone.is_empty() {
            section.paragraph(&format!(
                "Not in the figure of {}, because no other row differs from them in this setting alone: {}.",
                axis.name,
                alone.join(", ")
            ));
        }
    }
    if !section.body.is_empty() && !scored.left_out.is_empty() {
        section.paragraph(&format!(
            "Scored otherwise than the {}, or on other data, and left out: {}.",
            report.base_name(),
            scored.left_out.join(", ")
        ));
    }
    section
}

/// Returns rows that are equal but for one setting, as lines of at least two rows; the line of the base row first, then
/// in the order of the sweep.
fn lines<'a>(scored: &'a ScoredRows, index: usize, base: Option<&str>) -> Vec<Vec<&'a Scored<'a>>> {
    let mut lines: BTreeMap<Vec<Option<&String>>, Vec<&Scored>> = BTreeMap::new();
    let mut order: Vec<Vec<Option<&String>>> = Vec::new();
    for row in scored.rows.iter().filter(|row| row.values[index].is_some()) {
        let others = row.values.iter().enumerate().filter(|(other, _)| *other != index);
        let rest: Vec<Option<&String>> = others.map(|(_, value)| value.as_ref()).collect();
        if !lines.contains_key(&rest) {
            order.push(rest.clone());
        }
        lines.entry(rest).or_default().push(row);
    }
    let mut lines: Vec<Vec<&Scored>> = order.iter().filter_map(|rest| lines.remove(rest)).collect();
    lines.retain(|line| line.len() > 1);
    lines.sort_by_key(|line| !line.iter().any(|row| Some(row.row) == base));
    lines
}

/// Divides the lines among pictures, equally many to each; the last picture may have fewer.
fn balanced<'a>(lines: &[Vec<&'a Scored<'a>>]) -> Vec<Vec<Vec<&'a Scored<'a>>>> {
    let pictures = lines.len().div_ceil(MOST_LINES);
    lines.chunks(lines.len().div_ceil(pictures)).map(<[_]>::to_vec).collect()
}

/// Returns all rows as points without lines, if no two differ in this setting alone, as after random draws.
fn scattered<'a>(scored: &'a ScoredRows, index: usize) -> Option<Vec<Vec<&'a Scored<'a>>>> {
    let rows: Vec<&Scored> = scored.rows.iter().filter(|row| row.values[index].is_some()).collect();
    (rows.len() > 1).then(|| vec![rows])
}

fn picture(report: &Report, scored: &ScoredRows, index: usize, lines: &[Vec<&Scored>], number: &str) -> Svg {
    let axis = &scored.axes[index];
    // The settings that differ among this picture's lines name them. The settings that they share are in its title.
    let differs = |other: usize| {
        other != index && lines.iter().any(|line| line[0].values[other] != lines[0][0].values[other])
    };
    let is_scattered = lines.len() == 1
        && lines[0].windows(2).any(|pair| {
            (0..scored.axes.len())
                .any(|other| other != index && pair[0].values[other] != pair[1].values[other])
        });
    let mut series = Vec::new();
    for (nth, line) in lines.iter().enumerate() {
        let mut points: Vec<Point> = line.iter().filter_map(|row| point(axis, row, index)).collect();
        points.sort_by(|a, b| a.x.total_cmp(&b.x));
        series.push(Series { name: line_name(scored, line[0], differs), look: SeriesStyle(nth), points });
    }
    let shared = if number.is_empty() || is_scattered {
        String::new()
    } else {
        let words = scored.words(lines[0][0], |other| other != index && !differs(other));
        if words.is_empty() { format!(" ({number})") } else { format!(" ({number}: {words})") }
    };
    let x = match axis.range {
        Some((_, _, logarithmic)) => Horizontal::Numbers { name: axis.name.clone(), logarithmic },
        None => Horizontal::Places {
            name: axis.name.clone(),
            places: axis.places.iter().map(|place| (place.clone(), String::new())).collect(),
        },
    };
    chart(&Chart {
        title: format!("{} by {}{shared}", spoken(report.setting_score()), axis.name),
        x,
        y: over_seeds(&spoken(report.setting_score()), &series),
        logarithmic: false,
        joined: axis.is_ordered() && !is_scattered,
        series,
        // The scores of all rows lie on the axis of every figure of the section; standard deviations may extend it.
        beside: scored.rows.iter().flat_map(|row| &row.score.values).copied().collect(),
    })
}

/// Returns the settings that distinguish a line from the others of its picture, or that they are unset.
fn line_name(scored: &ScoredRows, row: &Scored, differs: impl Fn(usize) -> bool) -> String {
    let words = scored.words(row, &differs);
    if !words.is_empty() {
        return words;
    }
    let differing = scored.axes.iter().enumerate().filter(|(index, _)| differs(*index));
    differing.map(|(_, axis)| format!("{}={UNSET}", axis.name)).collect::<Vec<_>>().join(", ")
}

fn point(axis: &Axis, row: &Scored, index: usize) -> Option<Point> {
    let x = axis.place(row.values[index].as_ref()?)?;
    let score = &row.score;
    Some(Point { x, y: score.mean, spread: score.deviation, values: score.values.clone() })
}

#[cfg(test)]
mod tests {
    use super::super::scored::MOST_PLACES;
    use super::*;
    use crate::results::summary::Summary;

    fn scored(rows: &[(&'static str, &[&str])]) -> ScoredRows<'static> {
        let values = |column: usize| rows.iter().map(|(_, values)| values[column].to_string()).collect();
        let names = ["rate", "dropout", "position"];
        let row = |(index, (row, values)): (usize, &(&'static str, &[&str]))| Scored {
            row,
            score: Summary::of(&[index as f64]).unwrap(),
            values: values.iter().map(|value| Some(value.to_string())).collect(),
        };
        ScoredRows {
            axes: (0..3)
                .map(|index| Axis::new(names[index], names[index], values(index), MOST_PLACES))
                .collect(),
            rows: rows.iter().enumerate().map(row).collect(),
            left_out: Vec::new(),
        }
    }

    #[test]
    fn lines_are_rows_that_differ_in_one_setting_and_none_of_them_is_lost() {
        let grid: Vec<(&str, [&str; 3])> = vec![
            ("a", ["1", "0.0", "none"]),
            ("b", ["1", "0.1", "none"]),
            ("c", ["2", "0.0", "none"]),
            ("d", ["2", "0.1", "none"]),
            ("e", ["2", "0.1", "learned"]),
        ];
        let grid: Vec<(&str, &[&str])> = grid.iter().map(|(name, values)| (*name, &values[..])).collect();
        let scored = scored(&grid);
        let names = |index| -> Vec<Vec<&str>> {
            let lines = lines(&scored, index, Some("c"));
            lines.into_iter().map(|line| line.into_iter().map(|row| row.row).collect()).collect()
        };
        assert_eq!(names(0), [["a", "c"], ["b", "d"]]);
        assert_eq!(names(1), [["c", "d"], ["a", "b"]]);
        assert_eq!(names(2), [["d", "e"]]);
        let found = lines(&scored, 0, None);
        let nine: Vec<Vec<&Scored>> = (0..9).map(|index| found[index % 2].clone()).collect();
        assert_eq!(line_name(&scored, &scored.rows[0], |index| index == 1), "dropout=0.0");
        let mut without = scored.rows[0].clone();
        without.values[1] = None;
        assert_eq!(line_name(&scored, &without, |index| index == 1), "dropout=unset");
        assert_eq!(balanced(&nine).iter().map(Vec::len).collect::<Vec<_>>(), [5, 4]);
    }
}
