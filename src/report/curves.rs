//! Learning curves: what `metrics.csv` of every finished run says of the dev set, row by row.

use super::{Report, Section, Trial, file_name, heading, signature, spoken};
use crate::error::Result;
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point, Series, chart};
use crate::results::summary::Summary;
use crate::telemetry::{METRICS_FILE, metrics_log};
use std::collections::BTreeMap;

/// What is drawn, where runs have it at two updates or more.
const TAGS: [&str; 2] = ["dev/perplexity", "dev/bleu"];

pub fn section(report: &Report) -> Result<Section> {
    let mut section = Section::new("Learning curves");
    let mut known: BTreeMap<(&str, u64), Vec<metrics_log::Row>> = BTreeMap::new();
    for trial in &report.trials {
        let Some(record) = trial.record else { continue };
        record.check_file(&trial.run_dir, METRICS_FILE)?;
        let rows = metrics_log::read(&trial.run_dir.join(METRICS_FILE))?;
        known.insert((trial.row, trial.seed), rows);
    }
    for tag in TAGS {
        for (name, rows) in report.charts() {
            // BLEU of another signature than the first row's does not belong into one picture with it.
            let first = rows.iter().find_map(|row| signature(row));
            let alike = |row: &[Trial]| tag != "dev/bleu" || signature(row) == first;
            let series: Vec<Series> = rows
                .iter()
                .enumerate()
                .filter(|(_, row)| alike(row))
                .map(|(index, row)| Series {
                    name: row[0].row.to_string(),
                    look: SeriesStyle(index),
                    points: curve(row, &known, tag),
                })
                .filter(|series| series.points.len() > 1)
                .collect();
            if series.is_empty() {
                continue;
            }
            let of = if name.is_empty() { String::new() } else { format!(": {name}") };
            let drawn = chart(&Chart {
                title: format!("{} while training{of}", heading(tag)),
                x: Horizontal::Numbers { name: "updates".into(), logarithmic: false },
                y: format!("{}, mean and standard deviation over seeds", spoken(tag)),
                logarithmic: tag.ends_with("perplexity"),
                joined: true,
                series,
            });
            section.figure(&file_name(&["curves", tag, &name]), drawn);
            let unlike =
                rows.iter().filter(|row| !alike(row) && row.iter().any(|trial| trial.record.is_some()));
            let unlike: Vec<&str> = unlike.map(|row| row[0].row).collect();
            if !unlike.is_empty() {
                section.paragraph(&format!("Scored otherwise, and left out: {}.", unlike.join(", ")));
            }
        }
    }
    Ok(section)
}

/// Mean and spread at every update, over the seeds that have a value there.
fn curve(row: &[Trial], known: &BTreeMap<(&str, u64), Vec<metrics_log::Row>>, tag: &str) -> Vec<Point> {
    let mut values: BTreeMap<u64, Vec<f64>> = BTreeMap::new();
    for trial in row {
        for found in known.get(&(trial.row, trial.seed)).into_iter().flatten().filter(|row| row.tag == tag) {
            values.entry(found.step).or_default().push(found.value);
        }
    }
    let point = |(step, values): (u64, Vec<f64>)| {
        let Summary { mean, deviation, .. } = Summary::of(&values)?;
        Some(Point { x: step as f64, y: mean, spread: deviation, values: Vec::new() })
    };
    values.into_iter().filter_map(point).collect()
}
