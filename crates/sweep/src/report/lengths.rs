//! The score of short and of long sentences.

use super::pictures::{Picture, pictures};
use super::section::{Section, file_name, over_seeds, spoken};
use super::subject::{Report, Trial, runs};
use super::texts::Texts;
use crate::data::{ParallelText, Split};
use crate::error::Result;
use crate::experiment::{metric_of, recorded_hypotheses};
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point, Series, chart};
use crate::results::buckets::{by_length, range_text};
use crate::results::record::Record;
use crate::results::summary::Summary;

pub fn section(report: &Report, texts: &Texts) -> Result<Section> {
    let mut section = Section::new("By length of the source");
    for Picture { name, rows, labels } in pictures(report) {
        // Rows of one picture share its buckets, and so their sentences.
        let mut records = rows.iter().flat_map(|row| row.iter()).filter_map(Trial::record_of_run);
        let first = records.find(|record| record.has_translations());
        let Some((first, text)) = first.and_then(|record| Some((record, texts.of(record)?))) else {
            continue;
        };
        let lengths: Vec<usize> = text.source.iter().map(|line| line.split_whitespace().count()).collect();
        let buckets = by_length(&lengths);
        let mut series = Vec::new();
        let mut left_out = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let same =
                |record: &Record| record.data.has_text_of(&first.data) && record.signature == first.signature;
            if !runs(row).all(|(_, record)| same(record)) {
                left_out.push(row[0].row);
                continue;
            }
            let points = points(row, &buckets, text, texts.split)?;
            series.push(Series { name: labels[index].clone(), look: SeriesStyle(index), points });
        }
        let place =
            |(words, lines): &([usize; 2], Vec<usize>)| (range_text(*words), format!("n = {}", lines.len()));
        let of = if name.is_empty() { String::new() } else { format!(": {name}") };
        let drawn = chart(&Chart {
            title: format!("{} by length of the source{of}", spoken(report.score())),
            x: Horizontal::Places {
                name: "words of the source sentence; n sentences".into(),
                places: buckets.iter().map(place).collect(),
            },
            y: over_seeds(&spoken(report.score()), &series),
            logarithmic: false,
            joined: true,
            series,
            beside: Vec::new(),
        });
        section.figure(&file_name(&["length", &name]), drawn);
        if !left_out.is_empty() {
            section.paragraph(&format!(
                "Scored otherwise, or on other sentences, and left out: {}.",
                left_out.join(", ")
            ));
        }
    }
    texts
        .missing()
        .for_each(|why| section.paragraph(&format!("Left out, because sources are missing: {why}.")));
    Ok(section)
}

/// Returns the score of a row for the sentences of each bucket, over its finished trials.
fn points(
    row: &[Trial],
    buckets: &[([usize; 2], Vec<usize>)],
    text: &ParallelText,
    split: Split,
) -> Result<Vec<Point>> {
    let mut scores: Vec<Vec<f64>> = vec![Vec::new(); buckets.len()];
    for (trial, record) in runs(row) {
        let metric = metric_of(trial.experiment);
        let hypotheses = recorded_hypotheses(&trial.run_dir, record, split)?;
        let counts = metric.counts(&hypotheses, std::slice::from_ref(&text.target))?;
        for ((_, lines), scores) in buckets.iter().zip(&mut scores) {
            scores.push(metric.score(&counts.sum_of(lines.iter().copied())));
        }
    }
    let point = |(bucket, values): (usize, Vec<f64>)| {
        let Summary { mean, deviation, .. } = Summary::of(&values)?;
        Some(Point { x: bucket as f64, y: mean, spread: deviation, values })
    };
    Ok(scores.into_iter().enumerate().filter_map(point).collect())
}
