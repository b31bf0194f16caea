//! The progress of a search: the best score so far by draw, what every draw scored, and the best draws with their spread
//! over seeds.

use super::page::sheet;
use super::section::{Section, heading, spoken};
use super::subject::{Report, Searched, Trial, mean_of, text_of};
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point, Series, chart};
use crate::results::metric::{Better, METRICS, find};
use crate::results::sheet::{EMPTY, Heading, Line, Sheet};
use crate::results::summary::Summary;
use crate::results::varied;
use crate::search::STARTUP_DRAWS;

/// Number of best draws in the table.
const SHOWN: usize = 5;

/// A draw with its score.
struct ScoredDraw<'r, 'a> {
    /// The number of the draw, from 1.
    number: usize,
    row: &'r [Trial<'a>],
    score: Summary,
    values: Vec<f64>,
}

/// The section; empty for a sweep without a search and before the first draw is finished.
pub fn section(report: &Report) -> Section {
    let mut section = Section::new("Progress of the search");
    let Some(search) = report.search else { return section };
    let rows = report.rows();
    // A draw counts once all its seeds have their score, as the search counts it.
    let scored = |(index, row): (usize, &&[Trial])| -> Option<(usize, Summary, Vec<f64>)> {
        let score = |trial: &Trial| trial.record?.metrics.get(search.objective).copied();
        let values: Vec<f64> = row.iter().map(score).collect::<Option<_>>()?;
        Some((index, Summary::of(&values)?, values)).filter(|(_, score, _)| score.mean.is_finite())
    };
    let draw = |(index, score, values)| ScoredDraw { number: index + 1, row: rows[index], score, values };
    let found: Vec<ScoredDraw> = rows.iter().enumerate().filter_map(scored).map(draw).collect();
    if found.is_empty() {
        return section;
    }
    let is_better = |a: f64, b: f64| search.better.loss(a) < search.better.loss(b);
    let objective = spoken(search.objective);
    let logarithmic = find(&METRICS, search.objective).is_some_and(|(metric, _)| metric.logarithmic);
    let mut best: Vec<Point> = Vec::new();
    let mut every = Vec::new();
    for draw in &found {
        let mean = draw.score.mean;
        let so_far = best.last().map_or(mean, |point| if is_better(mean, point.y) { mean } else { point.y });
        best.push(Point { x: draw.number as f64, y: so_far, spread: None, values: Vec::new() });
        every.push(Point { x: draw.number as f64, y: mean, spread: None, values: Vec::new() });
    }
    section.paragraph(&format!(
        "{} of {} draws are finished. The first {} are random, and each of the others follows from the results before it. The \
         search looks for {} {objective}.",
        found.len(),
        search.count,
        STARTUP_DRAWS.min(search.count),
        if search.better == Better::Lower { "the lowest" } else { "the highest" }
    ));
    let over = if found.iter().any(|draw| draw.values.len() > 1) { ", mean over seeds" } else { "" };
    let picture = |title: String, points: Vec<Point>, joined: bool| {
        chart(&Chart {
            title,
            x: Horizontal::Numbers { name: "draw".into(), logarithmic: false },
            y: format!("{objective}{over}"),
            logarithmic,
            joined,
            series: vec![Series { name: String::new(), look: SeriesStyle(0), points }],
            beside: Vec::new(),
        })
    };
    if found.len() > 1 {
        section.figure("search-best", picture(format!("Best {objective} so far"), best, true));
        section
            .figure("search-draws", picture(format!("{} of every draw", heading(&objective)), every, false));
    }
    section.body += &best_draws(report, search, found);
    section
}

/// A table of the best draws.
fn best_draws(report: &Report, search: Searched, mut found: Vec<ScoredDraw>) -> String {
    let loss = |draw: &ScoredDraw| search.better.loss(draw.score.mean);
    found.sort_by(|a, b| loss(a).total_cmp(&loss(b)));
    found.truncate(SHOWN);
    let settings = &report.table.settings;
    let several = found.iter().any(|draw| draw.values.len() > 1);
    let other = Some(report.score()).filter(|score| *score != search.objective);
    let mut headings = vec![Heading::words("draw"), Heading::numbers(&spoken(search.objective))];
    if several {
        headings.extend([Heading::numbers("± over seeds"), Heading::words("each seed")]);
    }
    headings.extend(other.map(|other| Heading::numbers(&spoken(other))));
    headings.extend(settings.iter().map(|setting| Heading::words(&setting.name)));
    let text = |value: f64| text_of(search.objective, value);
    let empty = || EMPTY.to_string();
    let line = |draw: &ScoredDraw| {
        let mut cells = vec![draw.row[0].row.to_string(), text(draw.score.mean)];
        if several {
            let each: Vec<String> = draw.values.iter().map(|value| text(*value)).collect();
            cells.extend([draw.score.deviation.map_or_else(empty, text), each.join(", ")]);
        }
        if let Some(other) = other {
            cells.push(mean_of(draw.row, other).map_or_else(empty, |found| text_of(other, found.mean)));
        }
        let own = report.table_row(draw.row);
        cells.extend(settings.iter().map(|setting| {
            let value = own.and_then(|own| own.layout.settings.get(&setting.key));
            value.map_or_else(empty, |value| varied::text(Some(value)))
        }));
        Line::plain(cells)
    };
    let lines = found.iter().map(line).collect();
    sheet(&Sheet { title: "The best draws".into(), headings, keys: 1, lines })
}
