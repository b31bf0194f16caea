//! Parallel coordinates: a line for each row from setting to setting down to its score. The axes are stacked, so
//! that any number of them fits the width of a page, and words along them stay level.

use super::font::{self, Weight};
use super::frame::{FONT, MARGIN, WIDTH, add_title, below_title, over_lines, remark};
use super::paint::{LEVELS, Paint};
use super::scale::Scale;
use super::svg::{Anchor, Element, Svg, line, number, path, text};
use std::fmt::Write;

/// The content of parallel coordinates.
#[derive(Debug, Clone)]
pub struct Parallel {
    pub title: String,
    pub settings: Vec<Coordinate>,
    /// The name of the score.
    pub score: String,
    /// Whether less of the score is better.
    pub lower_is_better: bool,
    pub rows: Vec<Track>,
}

/// The axis of a setting.
#[derive(Debug, Clone)]
pub struct Coordinate {
    pub name: String,
    pub kind: CoordinateKind,
}

/// The kind of an axis, which decides where values lie.
#[derive(Debug, Clone)]
pub enum CoordinateKind {
    /// Values lie on a scale.
    Numbers { logarithmic: bool },
    /// Each value has a place of its own; a row's value is the place's index.
    Places(Vec<String>),
}

/// A row.
#[derive(Debug, Clone)]
pub struct Track {
    /// A value for each setting; none where the row has none.
    pub values: Vec<Option<f64>>,
    pub score: f64,
    /// The words that a pointer over the line shows.
    pub hint: String,
}

/// Distance between the axes.
const PITCH: f64 = 74.0;
/// Share of a place over which the lines of its rows spread, so that they can be followed.
const SPREAD: f64 = 0.6;
/// The palest colour.
const FIRST: u8 = 14;

/// Draws the rows from the worst, which is palest, to the best, which is drawn last and bold. Rows whose score is not
/// finite are left out.
pub fn parallel(plot: &Parallel) -> Svg {
    let mut rows: Vec<&Track> = plot.rows.iter().filter(|row| row.score.is_finite()).collect();
    rows.sort_by(|a, b| a.score.total_cmp(&b.score));
    if plot.lower_is_better {
        rows.reverse();
    }
    let (left, right) = (MARGIN + 8.0, WIDTH - MARGIN - 8.0);
    let top = below_title(&plot.title) + FONT + 14.0;
    let axis_y = |index: usize| top + index as f64 * PITCH;
    let count = plot.settings.len();
    let bottom = axis_y(count);
    let names: Vec<&str> = plot.settings.iter().map(|setting| setting.name.as_str()).collect();
    let description =
        format!("{}: {} rows by {} and {}", plot.title, rows.len(), names.join(", "), plot.score);
    let mut svg = Svg::new(WIDTH, bottom + FONT + 10.0 + MARGIN, &description);
    add_title(&mut svg, &plot.title);

    // Place where each row crosses each axis; `None` without a value. Words are drawn over the rows' lines.
    let mut crossings: Vec<Vec<Option<f64>>> = vec![Vec::new(); rows.len()];
    let mut words: Vec<Element> = Vec::new();
    for (index, Coordinate { name, kind }) in plot.settings.iter().enumerate() {
        let y = axis_y(index);
        svg.add(line(left, y, right, y).stroke(Paint::Muted, 1.0));
        let values = || rows.iter().map(|row| row.values.get(index).copied().flatten());
        match kind {
            CoordinateKind::Numbers { logarithmic } => {
                let scale = Scale::around(values().flatten(), *logarithmic, (left, right));
                let ticks = scale.ticks().into_iter().map(|(value, words)| (scale.place(value), words));
                words.extend(axis_words(name, ticks, left, y));
                let place = |value: Option<f64>| value.map(|value| scale.place(value));
                crossings.iter_mut().zip(values().map(place)).for_each(|(row, x)| row.push(x));
            }
            CoordinateKind::Places(places) => {
                let room = (right - left) / places.len().max(1) as f64;
                let centre = |place: usize| left + (place as f64 + 0.5) * room;
                let names =
                    places.iter().map(|words| font::shortened(words, FONT, Weight::Regular, room - 6.0));
                let ticks = names.enumerate().map(|(place, words)| (centre(place), words));
                words.extend(axis_words(name, ticks, left, y));
                let total = |place: usize| values().filter(|value| *value == Some(place as f64)).count();
                let mut seen = vec![0; places.len()];
                for (row, value) in crossings.iter_mut().zip(values()) {
                    let place = value.map(|value| value as usize).filter(|place| *place < places.len());
                    row.push(place.map(|place| {
                        seen[place] += 1;
                        let share = (seen[place] as f64 - 0.5) / total(place).max(1) as f64 - 0.5;
                        centre(place) + share * SPREAD * room
                    }));
                }
            }
        }
    }
    let scores = Scale::around(rows.iter().map(|row| row.score), false, (left, right));
    svg.add(line(left, bottom, right, bottom).stroke(Paint::Muted, 1.0));
    let ticks = scores.ticks().into_iter().map(|(value, words)| (scores.place(value), words));
    words.extend(axis_words(&plot.score, ticks, left, bottom));

    let (worst, best) = (rows.first().map_or(0.0, |row| row.score), rows.last().map_or(0.0, |row| row.score));
    for (nth, (row, crossing)) in rows.iter().zip(&crossings).enumerate() {
        let share = if best == worst { 1.0 } else { (row.score - worst) / (best - worst) };
        let paint = Paint::Amount(FIRST + (share * f64::from(LEVELS - 1 - FIRST)).round() as u8);
        let is_best = nth + 1 == rows.len();
        let places = crossing.iter().enumerate().filter_map(|(index, x)| Some(((*x)?, axis_y(index))));
        let points: Vec<(f64, f64)> = places.chain([(scores.place(row.score), bottom)]).collect();
        let drawn = path(&smooth(&points)).stroke(paint, if is_best { 3.0 } else { 1.6 });
        svg.add(drawn.hint(&row.hint));
    }
    words.into_iter().for_each(|words| svg.add(words));
    svg
}

/// Returns the name of an axis, above it, and its ticks, below it.
fn axis_words(name: &str, ticks: impl Iterator<Item = (f64, String)>, left: f64, y: f64) -> Vec<Element> {
    let mut words = vec![over_lines(text(left, y - 8.0, FONT, Anchor::Start, name).bold())];
    for (x, tick) in ticks {
        words.push(line(x, y, x, y + 4.0).stroke(Paint::Muted, 1.0));
        words.push(over_lines(remark(x, y + 5.0 + FONT, Anchor::Middle, &tick)));
    }
    words
}

/// Returns a line through points below each other that is vertical at each of them.
fn smooth(points: &[(f64, f64)]) -> String {
    let mut data = String::new();
    for (index, (x, y)) in points.iter().enumerate() {
        if index == 0 {
            let _ = write!(data, "M{} {}", number(*x), number(*y));
            continue;
        }
        let (from_x, from_y) = points[index - 1];
        let middle = (from_y + y) / 2.0;
        let [a, m, b, y] = [from_x, middle, *x, *y].map(number);
        let _ = write!(data, "C{a} {m} {b} {m} {b} {y}");
    }
    data
}

#[cfg(test)]
mod tests {
    use super::*;
    use resvg::usvg::roxmltree::Document;

    #[test]
    fn every_row_is_a_line_that_ends_at_its_score_and_the_best_is_drawn_last() {
        let row = |values: &[Option<f64>], score: f64| Track {
            values: values.to_vec(),
            score,
            hint: format!("scores {score}"),
        };
        let plot = Parallel {
            title: "Rows".into(),
            settings: vec![
                Coordinate { name: "rate".into(), kind: CoordinateKind::Numbers { logarithmic: true } },
                Coordinate {
                    name: "position".into(),
                    kind: CoordinateKind::Places(vec!["sinusoidal".into(), "none".into()]),
                },
            ],
            score: "BLEU (test)".into(),
            lower_is_better: false,
            rows: vec![
                row(&[Some(1.0), Some(1.0)], 20.0),
                row(&[Some(100.0), Some(0.0)], 30.0),
                row(&[Some(10.0), None], 10.0),
                row(&[Some(10.0), Some(1.0)], f64::NAN),
            ],
        };
        let svg = parallel(&plot);
        let text = svg.inline();
        let document = Document::parse(&text).unwrap();
        let hints = |document: &Document| -> Vec<String> {
            let titles = document.descendants().filter(|n| n.has_tag_name("title"));
            titles.filter_map(|n| n.text().map(String::from)).collect()
        };
        assert_eq!(hints(&document), ["scores 10", "scores 20", "scores 30"]);
        let reversed = parallel(&Parallel { lower_is_better: true, ..plot.clone() }).inline();
        assert_eq!(hints(&Document::parse(&reversed).unwrap()), ["scores 30", "scores 20", "scores 10"]);
        for words in ["rate", "position", "sinusoidal", "none", "BLEU (test)"] {
            let named = document.descendants().filter(|n| n.has_tag_name("text") && n.text() == Some(words));
            assert_eq!(named.count(), 1, "{words}");
        }
        assert!(!text.contains("NaN"));
        svg.to_png(1.0).unwrap();
        parallel(&Parallel { rows: Vec::new(), ..plot }).to_png(1.0).unwrap();
    }

    #[test]
    fn rows_of_one_place_lie_beside_each_other() {
        let places = CoordinateKind::Places(vec!["a".into(), "b".into()]);
        let row = |score: f64| Track { values: vec![Some(0.0)], score, hint: String::new() };
        let plot = Parallel {
            title: String::new(),
            settings: vec![Coordinate { name: "s".into(), kind: places }],
            score: String::new(),
            lower_is_better: false,
            rows: vec![row(1.0), row(2.0), row(3.0)],
        };
        let text = parallel(&plot).inline();
        let mut starts: Vec<&str> =
            text.split("d=\"M").skip(1).map(|rest| rest.split(' ').next().unwrap()).collect();
        assert_eq!(starts.len(), 3);
        starts.dedup();
        assert_eq!(starts.len(), 3, "{starts:?}");
    }
}
