//! The score against every setting that rows vary while they share all others.

use super::section::{Section, file_name, part_name, spoken};
use super::subject::{Report, Trial, signature};
use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::settings::settings_by_key;
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point, Series, chart};
use crate::results::summary::Summary;
use std::collections::{BTreeMap, BTreeSet};

/// Settings by key, as text.
pub type Settings = BTreeMap<String, String>;

/// More values than these are numbers on a line, not places.
const MOST_PLACES: usize = 10;
/// Lines of one picture; what has more is drawn as several.
const MOST_LINES: usize = 7;

pub fn section(report: &Report) -> Section {
    let mut section = Section::new("What each setting does");
    let rows = report.rows();
    let settings: Vec<Settings> = rows.iter().map(|row| stated(row[0].experiment)).collect();
    let varying: BTreeSet<&String> = settings
        .iter()
        .flat_map(|one| one.keys())
        .filter(|key| settings.iter().any(|other| other.get(*key) != settings[0].get(*key)))
        .collect();
    let base = rows.iter().position(|row| Some(row[0].row) == report.base());
    for key in varying {
        // Rows that are equal but for this key, and scored alike, are a line.
        let mut lines: BTreeMap<(Settings, Option<&str>), Vec<usize>> = BTreeMap::new();
        for (index, one) in settings.iter().enumerate() {
            let mut rest = one.clone();
            rest.remove(key);
            lines.entry((rest, signature(rows[index]))).or_default().push(index);
        }
        let value = |index: usize| settings[index].get(key).cloned().unwrap_or_else(|| UNSET.to_string());
        let mut lines: Vec<Vec<usize>> = lines.into_values().filter(|line| line.len() > 1).collect();
        // That of the base row first, then in the order of the sweep.
        lines.sort_by_key(|line| (!base.is_some_and(|base| line.contains(&base)), line[0]));
        // All pictures of a setting share their places and the words that tell lines apart.
        let places = ordered(lines.iter().flatten().map(|&index| value(index)).collect());
        let numbers: Option<Vec<f64>> = places.iter().map(|place| place.parse().ok()).collect();
        let along = numbers.as_ref().filter(|numbers| numbers.len() > MOST_PLACES);
        let series: Vec<Series> = lines
            .iter()
            .map(|line| {
                let x = |index: usize| match along {
                    Some(_) => value(index).parse().unwrap_or(f64::NAN),
                    None => places.iter().position(|place| *place == value(index)).unwrap_or(0) as f64,
                };
                let mut points: Vec<Point> =
                    line.iter().filter_map(|&index| point(rows[index], report.score(), x(index))).collect();
                points.sort_by(|a, b| a.x.total_cmp(&b.x));
                (name(line, &settings, key, &lines), points)
            })
            .filter(|(_, points)| points.len() > 1)
            .enumerate()
            .map(|(nth, (name, points))| Series { name, look: SeriesStyle(nth), points })
            .collect();
        let parts = series.len().div_ceil(MOST_LINES);
        for (part, series) in series.chunks(MOST_LINES).enumerate() {
            let x = match along {
                Some(numbers) => {
                    let (least, most) = (numbers[0], numbers[numbers.len() - 1]);
                    Horizontal::Numbers {
                        name: key.clone(),
                        logarithmic: least > 0.0 && most / least >= 20.0,
                    }
                }
                None => Horizontal::Places {
                    name: key.clone(),
                    places: places.iter().map(|place| (place.clone(), String::new())).collect(),
                },
            };
            let number = part_name(part, parts);
            let of = number.as_ref().map_or(String::new(), |number| format!(" ({number})"));
            let drawn = chart(&Chart {
                title: format!("{} by {key}{of}", spoken(report.score())),
                x,
                y: format!("{}, mean and standard deviation over seeds", spoken(report.score())),
                logarithmic: false,
                joined: numbers.is_some(),
                series: series.to_vec(),
            });
            section.figure(&file_name(&["axis", key, &number.unwrap_or_default()]), drawn);
        }
    }
    section
}

/// What is shown for a setting that is not stated.
pub const UNSET: &str = "unset";

/// Every stated setting that can change a result but the seed.
pub fn stated(experiment: &Experiment) -> Settings {
    settings_by_key(experiment).into_iter().map(|(key, value)| (key, cell_text(&value))).collect()
}

/// Numbers by size, if all are; else in the order of the sweep, once each.
fn ordered(values: Vec<String>) -> Vec<String> {
    let mut seen = Vec::new();
    for value in values {
        if !seen.contains(&value) {
            seen.push(value);
        }
    }
    if seen.iter().all(|value| value.parse::<f64>().is_ok()) {
        seen.sort_by(|a, b| a.parse::<f64>().unwrap_or(0.0).total_cmp(&b.parse::<f64>().unwrap_or(0.0)));
    }
    seen
}

/// What sets a line apart from the others of its picture.
fn name(line: &[usize], settings: &[Settings], key: &str, lines: &[Vec<usize>]) -> String {
    let own = &settings[line[0]];
    let differs =
        |other: &str| other != key && lines.iter().any(|line| settings[line[0]].get(other) != own.get(other));
    let apart: Vec<String> = own
        .iter()
        .filter(|(other, _)| differs(other))
        .map(|(other, value)| format!("{}={value}", other.rsplit('.').next().unwrap_or(other)))
        .collect();
    apart.join(", ")
}

fn point(row: &[Trial], score: &str, x: f64) -> Option<Point> {
    signature(row)?;
    let finished = row.iter().filter_map(|trial| trial.record);
    let values: Vec<f64> = finished.filter_map(|record| record.metrics.get(score).copied()).collect();
    let Summary { mean, deviation, .. } = Summary::of(&values)?;
    Some(Point { x, y: mean, spread: deviation, values })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ordered_by_size_and_words_as_in_the_sweep() {
        let strings = |values: &[&str]| values.iter().map(|value| value.to_string()).collect::<Vec<_>>();
        assert_eq!(ordered(strings(&["16", "4", "16", "0.5"])), ["0.5", "4", "16"]);
        assert_eq!(ordered(strings(&["sinusoidal", "none", "none"])), ["sinusoidal", "none"]);
    }
}
