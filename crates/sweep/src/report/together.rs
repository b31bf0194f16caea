//! Several settings at once: which matters most, the score by two of them, and all of them as parallel coordinates.

use super::page::sheet;
use super::scored::{Axis, MOST_PLACES, Scored, ScoredRows};
use super::section::{Section, file_name, spoken};
use super::subject::{Report, text_of};
use crate::figures::{
    Bars, Coordinate, CoordinateKind, Parallel, Svg, Tile, Tiles, Track, bars, parallel, tiles,
};
use crate::results::importance::{Domain, LEAST_ROWS, Parameter, best_of, importances};
use crate::results::metric::Better;
use crate::results::sheet::{Heading, Line, Sheet};
use crate::results::summary::Summary;
use std::cmp::Reverse;

/// Largest number of settings whose pairs are drawn.
const MOST_PAIRED: usize = 3;
/// Rows from which parallel coordinates show more than a table.
const LEAST_LINES: usize = 4;
/// Share of the cells that must have a value: rows that change one setting each fill a cross.
const LEAST_FILLED: f64 = 0.75;

pub fn section(report: &Report, scored: &ScoredRows) -> Section {
    let mut section = Section::new("Several settings at once");
    if scored.axes.len() < 2 {
        return section;
    }
    let shares = importance(report, scored, &mut section);
    if scored.rows.len() >= LEAST_LINES {
        section.figure("parallel", coordinates(report, scored));
    }
    pairs(report, scored, shares.as_deref(), &mut section);
    section
}

/// Draws the importance of each setting, and returns the shares; None if they cannot be computed.
fn importance(report: &Report, scored: &ScoredRows, section: &mut Section) -> Option<Vec<f64>> {
    let count = scored.rows.len();
    if count < LEAST_ROWS {
        let are = if count == 1 { "is" } else { "are" };
        section.paragraph(&format!(
            "Which setting matters most is shown for {LEAST_ROWS} or more comparable rows; there {are} {count} here."
        ));
        return None;
    }
    let parameter = |(index, axis): (usize, &Axis)| Parameter {
        domain: match axis.range {
            Some((least, most, logarithmic)) => Domain::Range { least, most, logarithmic },
            None => Domain::Choices(axis.places.len()),
        },
        values: scored.rows.iter().map(|row| axis.place(row.values[index].as_ref()?)).collect(),
    };
    let parameters: Vec<Parameter> = scored.axes.iter().enumerate().map(parameter).collect();
    let scores: Vec<f64> = scored.rows.iter().map(|row| -report.better().loss(row.score.mean)).collect();
    let best = best_of(count);
    let score = spoken(report.setting_score());
    let Some(shares) = importances(&parameters, &scores, best) else {
        section.paragraph(&format!("No setting tells the best {best} rows in {score} from the others."));
        return None;
    };
    let mut order: Vec<usize> = (0..shares.len()).collect();
    order.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    let row = |index: &usize| {
        (scored.axes[*index].name.clone(), shares[*index], format!("{:.0} %", 100.0 * shares[*index]))
    };
    let drawn = bars(&Bars {
        title: "Which setting matters most".into(),
        x: format!("share in being among the best {best} of {count} rows in {score}"),
        rows: order.iter().map(row).collect(),
    });
    section.figure("importance", drawn);
    section.body += &means(scored, &order, (report.setting_score(), report.better()));
    section.body += "<p class=\"note\">Shares: PED-ANOVA (Watanabe, Bansal and Hutter 2023) with the kernels of Optuna's \
                     evaluator; a row counts with the mean over its seeds, up to ten values of a setting count as choices, \
                     unless they are drawn from a continuous range. A share depends on the values that the sweep tries, \
                     and says nothing about others.</p>\n";
    Some(shares)
}

/// Returns a table of the mean score at the best and at the worst value of each setting.
fn means(scored: &ScoredRows, order: &[usize], (score, better): (&str, Better)) -> String {
    let text = |value| text_of(score, value);
    let mut lines = Vec::new();
    for &index in order {
        let axis = &scored.axes[index];
        if axis.range.is_some() {
            continue;
        }
        let mean = |place: &str| {
            let rows = scored.rows.iter().filter(|row| row.values[index].as_deref() == Some(place));
            let values: Vec<f64> = rows.map(|row| row.score.mean).collect();
            Some(Summary::of(&values)?.mean)
        };
        let means = axis.places.iter().filter_map(|place| Some((place, mean(place)?)));
        let mut found: Vec<(&String, f64)> = means.collect();
        found.sort_by(|a, b| better.loss(a.1).total_cmp(&better.loss(b.1)));
        let (Some((best, at_best)), Some((worst, at_worst))) = (found.first(), found.last()) else {
            continue;
        };
        lines.push(Line::plain([
            axis.name.clone(),
            best.to_string(),
            text(*at_best),
            worst.to_string(),
            text(*at_worst),
            text((at_best - at_worst).abs()),
        ]));
    }
    if lines.is_empty() {
        return String::new();
    }
    let headings = vec![
        Heading::words("setting"),
        Heading::words("best value"),
        Heading::numbers("mean"),
        Heading::words("worst value"),
        Heading::numbers("mean"),
        Heading::numbers("difference"),
    ];
    let title = format!("Mean {} over the rows of each value", spoken(score));
    sheet(&Sheet { title, headings, keys: 1, lines })
}

fn coordinates(report: &Report, scored: &ScoredRows) -> Svg {
    let axis = |axis: &Axis| Coordinate {
        name: axis.name.clone(),
        kind: match axis.range {
            Some((_, _, logarithmic)) => CoordinateKind::Numbers { logarithmic },
            None => CoordinateKind::Places(axis.places.clone()),
        },
    };
    let line = |row: &Scored| Track {
        values: scored
            .axes
            .iter()
            .zip(&row.values)
            .map(|(axis, value)| axis.place(value.as_ref()?))
            .collect(),
        score: row.score.mean,
        hint: format!("{}: {}", row.row, report.setting_score_text(row.score.mean)),
    };
    parallel(&Parallel {
        title: format!("Every row from its settings to its {}", spoken(report.setting_score())),
        settings: scored.axes.iter().map(axis).collect(),
        score: spoken(report.setting_score()),
        lower_is_better: report.better() == Better::Lower,
        rows: scored.rows.iter().map(line).collect(),
    })
}

/// Draws the mean score by the values of two settings, for pairs of the most important settings.
fn pairs(report: &Report, scored: &ScoredRows, shares: Option<&[f64]>, section: &mut Section) {
    let mut usable: Vec<usize> = (0..scored.axes.len())
        .filter(|&index| {
            let axis = &scored.axes[index];
            axis.range.is_none() && (2..=MOST_PLACES).contains(&axis.places.len())
        })
        .collect();
    if let Some(shares) = shares {
        usable.sort_by(|a, b| shares[*b].total_cmp(&shares[*a]));
    }
    let left_out = usable.split_off(usable.len().min(MOST_PAIRED));
    usable.sort_unstable();
    let mut drawn = 0;
    for (nth, &first) in usable.iter().enumerate() {
        for &second in &usable[nth + 1..] {
            // The setting with more values goes from left to right, where a page has more room.
            let mut pair = [first, second];
            pair.sort_by_key(|&index| (scored.axes[index].places.len(), Reverse(index)));
            if let Some(picture) = pair_picture(report, scored, pair) {
                let keys = pair.map(|index| scored.axes[index].key.as_str());
                section.figure(&file_name(&["pair", keys[0], keys[1]]), picture);
                drawn += 1;
            }
        }
    }
    if drawn > 0 && !left_out.is_empty() {
        let names: Vec<&str> = left_out.iter().map(|&index| scored.axes[index].name.as_str()).collect();
        let why = if shares.is_some() { "that matter most" } else { "that the sweep states first" };
        section.paragraph(&format!(
            "Pairs are drawn of the {MOST_PAIRED} settings {why}, and not with {}; the table has every row.",
            names.join(", ")
        ));
    }
}

fn pair_picture(report: &Report, scored: &ScoredRows, [down, across]: [usize; 2]) -> Option<Svg> {
    let (rows, columns) = (&scored.axes[down], &scored.axes[across]);
    let mut most = 0;
    let mut filled = 0;
    let mut cell = |row: &String, column: &String| {
        let of = |scored: &&Scored| {
            scored.values[down].as_ref() == Some(row) && scored.values[across].as_ref() == Some(column)
        };
        let values: Vec<f64> = scored.rows.iter().filter(of).map(|row| row.score.mean).collect();
        let Summary { n, mean, .. } = Summary::of(&values)?;
        most = most.max(n);
        filled += 1;
        let rows_told = if n == 1 { "one row".to_string() } else { format!("mean of {n} rows") };
        let words = report.setting_score_text(mean);
        let hint = format!("{}={row}, {}={column}: {words}, {rows_told}", rows.name, columns.name);
        Some(Tile { value: mean, words, hint })
    };
    let cells: Vec<Vec<Option<Tile>>> = rows
        .places
        .iter()
        .map(|row| columns.places.iter().map(|column| cell(row, column)).collect())
        .collect();
    let total = rows.places.len() * columns.places.len();
    if filled < 4 || (filled as f64) < LEAST_FILLED * total as f64 {
        return None;
    }
    let score = spoken(report.setting_score());
    Some(tiles(&Tiles {
        title: format!("{score} by {} and {}", rows.name, columns.name),
        remark: if most > 1 { format!("{score}, mean over up to {most} rows") } else { score },
        rows: (rows.name.clone(), rows.places.clone()),
        columns: (columns.name.clone(), columns.places.clone()),
        cells,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_and_the_worst_value_of_a_setting_stand_beside_their_means() {
        let row = |row: &'static str, value: &str, score: f64| Scored {
            row,
            score: Summary::of(&[score]).unwrap(),
            values: vec![Some(value.to_string())],
        };
        let rows = vec![row("a", "none", 1.0), row("b", "none", 2.0), row("c", "rotary", 9.0)];
        let values = rows.iter().filter_map(|row| row.values[0].clone()).collect();
        let scored = ScoredRows {
            axes: vec![Axis::new("k", "position", values, MOST_PLACES)],
            rows,
            left_out: Vec::new(),
        };
        let cells = |[best, worst]: [(&str, &str); 2]| {
            let cell = |(value, mean)| format!("<td>{value}</td><td class=\"number\">{mean}</td>");
            format!("<td>position</td>{}{}<td class=\"number\">7.50</td>", cell(best), cell(worst))
        };
        let [rotary, none] = [("rotary", "9.00"), ("none", "1.50")];
        let shown = |better| means(&scored, &[0], ("test/bleu", better));
        assert!(shown(Better::Higher).contains(&cells([rotary, none])), "{}", shown(Better::Higher));
        assert!(shown(Better::Lower).contains(&cells([none, rotary])), "{}", shown(Better::Lower));
    }
}
