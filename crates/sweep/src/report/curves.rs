//! Learning curves: the dev metrics in `metrics.csv` of every finished run, row by row.

use super::pictures::{Picture, pictures};
use super::section::{Section, file_name, heading, over_seeds};
use super::subject::{Report, Trial, signature};
use crate::error::Result;
use crate::figures::mark::SeriesStyle;
use crate::figures::{Chart, Horizontal, Point, Series, chart, extent};
use crate::results::metric::{DEV, Metric};
use crate::results::summary::Summary;
use crate::telemetry::{METRICS_FILE, metrics_log};
use std::collections::BTreeMap;

/// The curves of the metrics that have one, where runs have values at two updates or more.
pub fn section(report: &Report, metrics: &[Metric]) -> Result<Section> {
    let mut section = Section::new("Learning curves");
    let mut known: BTreeMap<(&str, u64), Vec<metrics_log::Row>> = BTreeMap::new();
    for trial in &report.trials {
        let Some(record) = trial.record_of_run() else { continue };
        record.check_file(&trial.run_dir, METRICS_FILE)?;
        let rows = metrics_log::read(&trial.run_dir.join(METRICS_FILE))?;
        known.insert((trial.row, trial.seed), rows);
    }
    let pictures = pictures(report);
    for metric in metrics.iter().filter(|metric| metric.curve) {
        let (tag, spoken) = (metric.tag(DEV), metric.on(DEV));
        // A score of another signature than the first row's does not belong into one picture with it.
        let alike = |rows: &[&[Trial]], row: &[Trial]| {
            !metric.has_signature || signature(row) == rows.iter().find_map(|row| signature(row))
        };
        let series = |Picture { rows, labels, .. }: &Picture| -> Vec<Series> {
            let lines = rows.iter().zip(labels).enumerate().filter(|(_, (row, _))| alike(rows, row));
            let line = |(index, (row, label)): (usize, (&&[Trial], &String))| Series {
                name: label.clone(),
                look: SeriesStyle(index),
                points: curve(row, &known, &tag),
            };
            lines.map(line).filter(|series| series.points.len() > 1).collect()
        };
        let found: Vec<(&Picture, Vec<Series>)> =
            pictures.iter().map(|picture| (picture, series(picture))).collect();
        let all = found.iter().flat_map(|(_, series)| series);
        let beside: Vec<f64> = all.flat_map(|series| extent(series, metric.logarithmic)).collect();
        // Groups without finished runs would each show the curve of the base row again.
        let is_base_alone = |(picture, series): &(&Picture, Vec<Series>)| {
            let is_base = report.is_base(picture.rows[0][0].row);
            is_base && series.len() == 1 && series[0].look == SeriesStyle(0)
        };
        let several = found.len() > 1;
        let others = found.iter().any(|found| !found.1.is_empty() && !is_base_alone(found));
        let shown_alone = if others { None } else { found.iter().position(is_base_alone) };
        for (nth, picture) in found.into_iter().enumerate() {
            let is_left_out = is_base_alone(&picture) && shown_alone != Some(nth);
            let (Picture { name, rows, .. }, series) = picture;
            if series.is_empty() || is_left_out {
                continue;
            }
            // The curve of the base row alone belongs to no group.
            let name = if several && shown_alone == Some(nth) { "" } else { name.as_str() };
            let of = if name.is_empty() { String::new() } else { format!(": {name}") };
            let drawn = chart(&Chart {
                title: format!("{} while training{of}", heading(&spoken)),
                x: Horizontal::Numbers { name: "updates".into(), logarithmic: false },
                y: over_seeds(&spoken, &series),
                logarithmic: metric.logarithmic,
                joined: true,
                series,
                beside: beside.clone(),
            });
            section.figure(&file_name(&["curves", &tag, name]), drawn);
            let unlike =
                rows.iter().filter(|row| !alike(rows, row) && row.iter().any(|trial| trial.record.is_some()));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_experiment;
    use crate::results::examples::{example, record, with_comet};
    use crate::results::metric::METRICS;
    use crate::results::table::ResultTable;
    use std::fs;
    use std::path::Path;

    #[test]
    fn a_further_metric_of_the_table_has_its_curve_and_groups_without_runs_do_not_repeat_it() {
        let folder = tempfile::tempdir().unwrap();
        let metrics = "step,tag,value\n1,dev/bleu,5.0\n1,dev/comet,9.0\n2,dev/bleu,6.0\n2,dev/comet,9.5\n";
        fs::write(folder.path().join(METRICS_FILE), metrics).unwrap();
        let mut record = record();
        record.checksums.insert(METRICS_FILE.into(), blake3::hash(metrics.as_bytes()).to_hex().to_string());
        let (layout, results) = example();
        let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../experiments/demo.toml");
        let experiment = load_experiment(&demo, &[]).unwrap();
        let trial = Trial {
            row: "base",
            group: None,
            seed: 1,
            experiment: &experiment,
            is_reused: false,
            halved_at: None,
            run_dir: folder.path().into(),
            record: Some(&record),
            failure: None,
        };
        let unfinished = |row: &'static str, group: &'static str| Trial {
            row,
            group: Some(group),
            seed: 1,
            experiment: &experiment,
            is_reused: false,
            halved_at: None,
            run_dir: folder.path().into(),
            record: None,
            failure: None,
        };
        let report = Report {
            name: "s",
            sweep_file: Path::new("s.toml"),
            sweep_text: "",
            sets: &[],
            trials: vec![trial, unfinished("x", "first"), unfinished("y", "second")],
            table: &ResultTable::new(&layout, &results).unwrap(),
            search: None,
            continuous: &[],
            data_root: folder.path(),
        };
        let titles = |metrics: &[Metric]| {
            let figures = section(&report, metrics).unwrap().figures;
            figures.into_iter().map(|figure| figure.file).collect::<Vec<_>>()
        };
        assert_eq!(titles(&METRICS), ["curves-dev-bleu"]);
        assert_eq!(titles(&with_comet()), ["curves-dev-bleu", "curves-dev-comet"]);
        assert!(section(&report, &with_comet()).unwrap().figures[1].svg.inline().contains("COMET (dev)"));
    }
}
