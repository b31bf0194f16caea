//! The progress of a search: the best score so far by draw, what every draw scored, and the best draws with their spread
//! over seeds.

use super::section::{Section, heading, spoken};
use super::subject::{Report, Searched, Trial, mean_of, text_of};
use crate::figures::mark::SeriesStyle;
use crate::figures::svg::escaped;
use crate::figures::{Chart, Horizontal, Point, Series, chart};
use crate::results::metric::{Better, METRICS, find};
use crate::results::summary::Summary;
use crate::results::varied;
use crate::search::STARTUP_DRAWS;
use std::fmt::Write;

/// Best draws that are shown.
const SHOWN: usize = 5;

/// A draw with its score.
struct ScoredDraw<'r, 'a> {
    /// From 1.
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
    let digits = find(&METRICS, search.objective).map_or(2, |(metric, _)| metric.digits);
    let settings = &report.table.settings;
    let several = found.iter().any(|draw| draw.values.len() > 1);
    let other = Some(report.score()).filter(|score| *score != search.objective);
    let mut head = format!("<th>draw</th><th class=\"number\">{}</th>", escaped(&spoken(search.objective)));
    if several {
        head += "<th class=\"number\">± over seeds</th><th>each seed</th>";
    }
    if let Some(other) = other {
        let _ = write!(head, "<th class=\"number\">{}</th>", escaped(&spoken(other)));
    }
    for setting in settings {
        let _ = write!(head, "<th>{}</th>", escaped(&setting.name));
    }
    let mut lines = String::new();
    for draw in &found {
        let row = draw.row[0].row;
        let mut line =
            format!("<td>{}</td><td class=\"number\">{:.digits$}</td>", escaped(row), draw.score.mean);
        if several {
            let deviation =
                draw.score.deviation.map_or("–".to_string(), |value| format!("{value:.digits$}"));
            let each: Vec<String> = draw.values.iter().map(|value| format!("{value:.digits$}")).collect();
            let _ = write!(line, "<td class=\"number\">{deviation}</td><td>{}</td>", each.join(", "));
        }
        if let Some(other) = other {
            let mean = mean_of(draw.row, other).map_or("–".to_string(), |found| text_of(other, found.mean));
            let _ = write!(line, "<td class=\"number\">{mean}</td>");
        }
        let own = report.table_row(draw.row);
        for setting in settings {
            let value = own.and_then(|own| own.layout.settings.get(&setting.key));
            let text = value.map_or("–".to_string(), |value| varied::text(Some(value)));
            let _ = write!(line, "<td>{}</td>", escaped(&text));
        }
        let _ = writeln!(lines, "<tr>{line}</tr>");
    }
    format!(
        "<div class=\"wide\"><table><caption>The best draws</caption><thead><tr>{head}</tr></thead><tbody>\n{lines}</tbody>\
         </table></div>\n"
    )
}
