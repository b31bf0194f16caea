//! The metrics that runs of an experiment measure, as far as its settings decide. `task` in `crates/compute` measures
//! them.

use super::translations::moses_language;
use crate::config::Experiment;
use crate::moses::Language;
use crate::results::metric::{ATAT, EXACT_MATCH, METRICS, Metric, NEXT_SENTENCE_ACCURACY, TAGGING, of_tasks};
use crate::train::TaskKind;

/// Returns the metrics that the record of a finished run of an experiment can have.
pub fn measured(experiment: &Experiment) -> Vec<Metric> {
    let mut metrics = of_tasks(&METRICS, &[experiment.task()]);
    metrics.retain(|metric| advice_on(metric, experiment).is_none());
    metrics
}

/// Returns what to change so that runs of an experiment measure a metric of its task; `None` if they measure it, and for
/// metrics of other tasks.
pub fn advice_on(metric: &Metric, experiment: &Experiment) -> Option<String> {
    let task = experiment.task();
    let advice = match metric.name {
        EXACT_MATCH if task == TaskKind::Translation && experiment.decoding.length_buckets.is_empty() => {
            "set decoding.length_buckets, such as [10, 20, 30]".to_string()
        }
        ATAT if moses_language(experiment).is_none() => {
            let codes = Language::ALL.map(Language::code).join(", ");
            format!("use text in a target language that Moses has rules for ({codes})")
        }
        NEXT_SENTENCE_ACCURACY if !experiment.model.tells_next_sentence() => {
            "set model.masked.next_sentence = true".to_string()
        }
        TAGGING if !experiment.data.recipe.trees.tags => {
            "use a recipe with tags = true under [trees]".to_string()
        }
        _ => return None,
    };
    metric.tasks.contains(&task).then_some(advice)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::metric::find;

    #[test]
    fn settings_leave_out_metrics_of_a_task_and_say_how_to_have_them() {
        let mut experiment = Experiment::of_generated_text();
        let names = |experiment: &Experiment| -> Vec<&'static str> {
            measured(experiment).into_iter().map(|metric| metric.name).collect()
        };
        let advice = |tag: &str, experiment: &Experiment| {
            advice_on(find(&METRICS, tag).unwrap().0, experiment).unwrap_or_default()
        };
        let found = names(&experiment);
        assert!(found.contains(&ATAT) && !found.contains(&EXACT_MATCH), "{found:?}");
        assert!(advice("dev/exact_match", &experiment).contains("decoding.length_buckets"));
        // No setting makes a translation model measure these.
        assert_eq!(advice("dev/tagging_accuracy", &experiment), "");
        assert_eq!(advice("dev/next_sentence_accuracy", &experiment), "");
        experiment.decoding.length_buckets = vec![10];
        experiment.data.recipe.target_language = "fi".to_string();
        let found = names(&experiment);
        assert!(found.contains(&EXACT_MATCH) && !found.contains(&ATAT), "{found:?}");
        assert_eq!(
            advice("dev/atat", &experiment),
            "use text in a target language that Moses has rules for (de, en, fr, ja, ru, zh)"
        );
    }
}
