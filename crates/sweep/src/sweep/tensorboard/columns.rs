//! The columns of TensorBoard's HParams page: the settings that vary, and the scores. No two rows of a sweep have the same
//! settings, so a column of their labels would only repeat these, in words that overprint the parallel coordinates.

use crate::experiment::hparams;
use crate::results::metric::{BEST, Metric, final_tag, of_tasks, on_sets};
use crate::sweep::draw::Distribution;
use crate::sweep::search_section::Search;
use crate::sweep::spec::SweepSpec;
use crate::sweep::trial::{Trial, tasks};
use crate::sweep::varied::varied;
use crate::telemetry::format::counted;
use crate::telemetry::hparams::{ExperimentSummary, HParamColumn, HParamDomain, HParamValue, MetricColumn};
use std::collections::BTreeSet;

/// Returns the page of a sweep.
pub fn summary(metrics: &[Metric], spec: &SweepSpec, trials: &[Trial]) -> ExperimentSummary {
    let drawn = drawn_keys(spec);
    let all: Vec<_> = trials.iter().map(|trial| hparams(&trial.experiment)).collect();
    let by_row: Vec<&Trial> =
        trials.chunk_by(|one, next| one.row == next.row).map(|seeds| &seeds[0]).collect();
    let (varying, _) = varied(&by_row);
    let keys: BTreeSet<&String> = all.iter().flat_map(|settings| settings.keys()).collect();
    // Settings that the sweep states come first, in its order and with the names in its table.
    let place = |key: &String| varying.iter().position(|setting| setting.key == *key).unwrap_or(usize::MAX);
    let mut keys: Vec<&String> = keys.into_iter().collect();
    keys.sort_by_key(|key| place(key));
    let mut hparams = Vec::new();
    // Widths that follow from the number of heads would only fill the page.
    let stated = |key: &str| match key {
        "model.d_k" => trials.iter().any(|trial| trial.experiment.model.d_k.is_some()),
        "model.d_v" => trials.iter().any(|trial| trial.experiment.model.d_v.is_some()),
        _ => true,
    };
    for key in keys.into_iter().filter(|key| stated(key.as_str())) {
        let values = all.iter().filter_map(|settings| settings.get(key)).cloned();
        let mut column = HParamColumn::from_values(key.clone(), values);
        if let Some(setting) = varying.get(place(key)) {
            column.title = setting.name.clone();
        }
        if drawn.contains(key) {
            column.domain = interval(column.domain);
        }
        if let Some((min, max)) = searched_bounds(spec, key) {
            column.domain = HParamDomain::Interval { min, max };
        }
        // A setting that some rows do not have varies too.
        column.differs |= all.iter().any(|settings| !settings.contains_key(key));
        hparams.extend(column.differs.then_some(column));
    }
    let column = |(metric, set): (&Metric, &str)| {
        let tag = metric.tag(set);
        // The best value during training has its own tag, which has only this value.
        MetricColumn { tag: if set == BEST { tag } else { final_tag(&tag) }, title: metric.of_set(set) }
    };
    ExperimentSummary {
        name: spec.name.clone(),
        description: format!("{} of the sweep {}", counted(count(spec, trials), "trial"), spec.name),
        hparams,
        metrics: on_sets(&of_tasks(metrics, &tasks(trials)), |metric| metric.hparams)
            .into_iter()
            .rev()
            .map(column)
            .collect(),
    }
}

/// Returns the keys that `[random]` or `[search]` draws: any value of a range is possible.
fn drawn_keys(spec: &SweepSpec) -> BTreeSet<String> {
    let factors = spec.sections.iter().flat_map(|section| &section.factors);
    let choices = factors.filter(|factor| factor.drawn).flat_map(|factor| &factor.choices);
    let at_random = choices.flat_map(|choice| &choice.changes).map(|change| &change.setting.key);
    let searched = spec.search.iter().flat_map(|search| &search.keys).map(|drawn| &drawn.key);
    at_random.chain(searched).cloned().collect()
}

/// Returns the bounds of a number that `[search]` draws, which also limit later draws.
fn searched_bounds(spec: &SweepSpec, key: &str) -> Option<(f64, f64)> {
    let drawn = spec.search.as_ref()?.keys.iter().find(|drawn| drawn.key == key)?;
    match drawn.distribution {
        Distribution::Uniform(low, high) | Distribution::LogUniform(low, high) => Some((low, high)),
        Distribution::Integer(low, high) => Some((low as f64, high as f64)),
        Distribution::Choice(_) => None,
    }
}

/// Returns the number of trials, with those that a search will draw.
fn count(spec: &SweepSpec, trials: &[Trial]) -> usize {
    let of_search = |search: &Search| {
        search.count * spec.sections.iter().map(|section| section.seeds.len()).sum::<usize>()
    };
    spec.search.as_ref().map_or(trials.len(), of_search)
}

/// Turns discrete numbers into the interval from the least to the greatest; other domains stay as they are.
fn interval(domain: HParamDomain) -> HParamDomain {
    let HParamDomain::Discrete(values) = &domain else { return domain };
    let numbers: Option<Vec<f64>> = values
        .iter()
        .map(|value| if let HParamValue::Number(number) = value { Some(*number) } else { None })
        .collect();
    match numbers {
        Some(numbers) if numbers.len() > 1 => HParamDomain::Interval {
            min: numbers.iter().copied().fold(f64::INFINITY, f64::min),
            max: numbers.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        },
        _ => domain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::examples::with_comet;
    use crate::results::metric::METRICS;
    use crate::sweep::examples::of_demo;
    use HParamValue::Number;

    fn of(metrics: &[Metric], sweep: &str) -> ExperimentSummary {
        let (spec, trials) = of_demo(sweep);
        summary(metrics, &spec, &trials)
    }

    fn columns(sweep: &str) -> Vec<HParamColumn> {
        of(&METRICS, sweep).hparams
    }

    #[test]
    fn the_scores_are_those_of_the_table_of_metrics() {
        let scores = |metrics: &[Metric]| {
            let found = of(metrics, "seeds = [1]\n[[row]]\nlabel = \"base\"\n").metrics;
            found.into_iter().map(|column| (column.tag, column.title)).collect::<Vec<_>>()
        };
        let shown = [
            ("final/test_bleu", "test BLEU"),
            ("final/dev_bleu", "dev BLEU"),
            ("final/dev_perplexity", "dev perplexity"),
            ("best/dev_perplexity", "best dev perplexity"),
        ];
        assert_eq!(scores(&METRICS), shown.map(|(tag, title)| (tag.into(), title.into())));
        assert!(scores(&with_comet()).contains(&("final/test_comet".into(), "test COMET".into())));
    }

    #[test]
    fn columns_are_the_settings_that_vary_called_as_in_the_table() {
        let found = columns(
            "seeds = [1]\n[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"deep\"\nset = { \"model.layers\" = 3, \"training.clip_norm\" = 1.0 }\n",
        );
        let names: Vec<&str> = found.iter().map(|column| column.name.as_str()).collect();
        assert_eq!(names, ["model.layers", "training.clip_norm"]);
        let titles: Vec<&str> = found.iter().map(|column| column.title.as_str()).collect();
        assert_eq!(titles, ["layers", "clip_norm"]);
        assert_eq!(found[0].domain, HParamDomain::Discrete(vec![Number(2.0), Number(3.0)]));
        assert!(found.iter().all(|column| column.differs));
    }

    #[test]
    fn what_is_drawn_has_a_range() {
        let found = columns(
            "seeds = [1]\n[random]\nseed = 1\ncount = 4\n\"model.dropout\" = { uniform = [0.0, 0.5] }\n\"model.norm\" = { choice = [\"pre\", \"post\"] }\n",
        );
        let domain = |name: &str| &found.iter().find(|column| column.name == name).unwrap().domain;
        let HParamDomain::Interval { min, max } = domain("model.dropout") else { panic!("{found:?}") };
        assert!(0.0 <= *min && min < max && *max <= 0.5);
        assert!(matches!(domain("model.norm"), HParamDomain::Discrete(_)));
    }
}
