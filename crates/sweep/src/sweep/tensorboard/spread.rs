//! A row's mean over its seeds, with one standard deviation to both sides, as a run of TensorBoard.

use super::charts::{charted, groups_of, has_means, tag};
use super::mean_directory::MEAN;
use crate::error::Result;
use crate::results::metric::METRICS;
use crate::results::record::Record;
use crate::results::summary::Summary;
use crate::sweep::trial::{Trial, is_of, run_dir};
use crate::telemetry::METRICS_FILE;
use crate::telemetry::growing_file::Line;
use crate::telemetry::metrics_log::Row;
use crate::telemetry::tensorboard_file::EventWriter;
use std::collections::BTreeMap;
use std::path::Path;

/// Writes the row's mean again from its finished seeds; nothing without such seeds, or if no row has several seeds.
///
/// # Errors
/// If the curves of a seed are not as recorded, or a file cannot be read or written.
pub fn write(sweep_dir: &Path, trials: &[Trial], row: &str) -> Result<()> {
    if !has_means(trials) {
        return Ok(());
    }
    let seeds: Vec<&Trial> = trials.iter().filter(|trial| trial.row == row).collect();
    let mut curves = Vec::new();
    for trial in &seeds {
        let run_dir = run_dir(sweep_dir, trial);
        let record = Record::readable(&run_dir);
        if let Some(record) = record.filter(|record| is_of(trial, record)) {
            record.check_file(&run_dir, METRICS_FILE)?;
            curves.push(Row::read_undamaged(&run_dir.join(METRICS_FILE))?.0);
        }
    }
    let (Some(first), false) = (seeds.first(), curves.is_empty()) else { return Ok(()) };
    let (groups, charted) = (groups_of(first, trials), charted(&METRICS));
    let mut events = EventWriter::create(&sweep_dir.join(row).join(MEAN))?;
    for (step, metric, summary) in means(&curves) {
        // The mean of a row with one seed would only hide the seed: it is written only for the charts of its group.
        if seeds.len() > 1 {
            events.scalar(&metric, step, summary.mean)?;
        }
        if !charted.iter().any(|(tag, _)| *tag == metric) {
            continue;
        }
        for group in &groups {
            events.scalar(&tag(group, &metric, "mean"), step, summary.mean)?;
            if let Some(deviation) = summary.deviation {
                events.scalar(&tag(group, &metric, "lower"), step, summary.mean - deviation)?;
                events.scalar(&tag(group, &metric, "upper"), step, summary.mean + deviation)?;
            }
        }
    }
    events.sync()
}

/// Returns step, tag and summary of the values that every seed has, by step.
fn means(seeds: &[Vec<Row>]) -> Vec<(u64, String, Summary)> {
    let mut values: BTreeMap<(u64, &str), Vec<f64>> = BTreeMap::new();
    for row in seeds.iter().flatten() {
        values.entry((row.step, &row.tag)).or_default().push(row.value);
    }
    let shared = values.into_iter().filter(|(_, values)| values.len() == seeds.len());
    shared.filter_map(|((step, tag), values)| Some((step, tag.to_string(), Summary::of(&values)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_of_the_steps_that_every_seed_has() {
        let row = |step, tag: &str, value| Row { step, tag: tag.into(), value };
        let seeds = [
            vec![row(1, "dev/loss", 2.0), row(2, "dev/loss", 1.0), row(2, "final/x", 5.0)],
            vec![row(1, "dev/loss", 4.0), row(3, "dev/loss", 1.0), row(2, "final/x", 5.0)],
        ];
        let found = means(&seeds);
        let shown: Vec<_> = found
            .iter()
            .map(|(step, tag, summary)| (*step, tag.as_str(), summary.mean, summary.deviation.unwrap()))
            .collect();
        assert_eq!(shown, [(1, "dev/loss", 3.0, 2f64.sqrt()), (2, "final/x", 5.0, 0.0)]);
        assert_eq!(means(&seeds[..1])[0].2.deviation, None);
    }
}
