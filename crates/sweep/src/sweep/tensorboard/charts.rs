//! The charts of TensorBoard's Custom Scalars page: for each group of the table the curves of its rows beside
//! those of the rows that belong to none, and at the end every seed.

use crate::results::metric::{Metric, of_tasks, on_sets};
use crate::sequence::distinct;
use crate::sweep::trial::{Trial, tasks};
use crate::telemetry::chart_layout::{Category, Chart, Curves};
use std::collections::BTreeSet;

/// Returns the tags and the names of the metrics that are charted. TensorBoard (2.21) shows the last chart with a band first:
/// the metrics of tables come in their order, the others behind them.
pub fn charted(metrics: &[Metric]) -> Vec<(String, String)> {
    let charted = on_sets(metrics, |metric| metric.charted).into_iter();
    let (usual, others): (Vec<_>, Vec<_>) = charted.partition(|(metric, set)| metric.usual.contains(set));
    let named = |(metric, set): (&Metric, &str)| (metric.tag(set), metric.of_set(set));
    others.into_iter().chain(usual.into_iter().rev()).map(named).collect()
}

/// The group of all rows in a sweep without groups.
const ALL: &str = "all rows";

/// Returns the tag of a row's mean, or of a bound of its spread, in the charts of a group.
pub fn tag(group: &str, metric: &str, curve: &str) -> String {
    format!("seeds/{group}/{metric}/{curve}")
}

/// Returns the groups of the table, in its order.
pub fn groups(trials: &[Trial]) -> Vec<&str> {
    let groups = distinct(trials.iter().filter_map(|trial| trial.group.as_deref()));
    if groups.is_empty() { vec![ALL] } else { groups }
}

/// Returns the groups whose charts have a row: its own group, or all groups if it has none.
pub fn groups_of<'a>(trial: &'a Trial, trials: &'a [Trial]) -> Vec<&'a str> {
    trial.group.as_deref().map_or_else(|| groups(trials), |group| vec![group])
}

/// Whether some row has several seeds. Otherwise there are no means: the mean of one value would appear beside it as a
/// second run.
pub fn has_means(trials: &[Trial]) -> bool {
    let mut seen = BTreeSet::new();
    !trials.iter().all(|trial| seen.insert(trial.row.as_str()))
}

/// Returns the categories of the page.
pub fn layout(metrics: &[Metric], trials: &[Trial]) -> Vec<Category> {
    let charted = charted(&of_tasks(metrics, &tasks(trials)));
    let of_group = |group: &str| {
        let chart = |(metric, title): &(String, String)| {
            let [value, lower, upper] = ["mean", "lower", "upper"].map(|curve| tag(group, metric, curve));
            Chart { title: title.clone(), curves: Curves::Band { value, lower, upper } }
        };
        let name = if group == ALL { ALL.to_string() } else { format!("group {group}") };
        let title = format!("{name}: mean ± standard deviation over seeds");
        Category { title, charts: charted.iter().map(chart).collect() }
    };
    // Charts of this kind are shown in their order, unlike bands.
    let every = charted.iter().rev().map(|(metric, title)| Chart {
        title: title.clone(),
        curves: Curves::Tags(format!("^{}$", regex::escape(metric))),
    });
    let means = has_means(trials);
    let title = if means { "every seed" } else { "every row" };
    let every = Category { title: title.to_string(), charts: every.collect() };
    let groups = if means { groups(trials) } else { Vec::new() };
    groups.into_iter().map(of_group).chain([every]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::examples::with_comet;
    use crate::results::metric::METRICS;
    use crate::sweep::examples::of_demo;
    use crate::train::TaskKind;

    #[test]
    fn what_tables_show_is_shown_first_and_a_further_metric_behind_those_before_it() {
        let tags = |metrics: &[Metric]| charted(metrics).into_iter().map(|(tag, _)| tag).collect::<Vec<_>>();
        let of = |task| tags(&of_tasks(&METRICS, &[task]));
        let translation = ["train/loss", "dev/loss", "test/bleu", "dev/bleu", "dev/perplexity"];
        assert_eq!(of(TaskKind::Translation), translation);
        let masked = ["train/loss", "dev/loss", "dev/masked_accuracy", "dev/masked_perplexity"];
        assert_eq!(of(TaskKind::MaskedLanguageModelling), masked);
        assert_eq!(tags(&with_comet())[2..5], ["test/comet", "test/f1", "test/bleu"]);
    }

    #[test]
    fn each_group_has_its_charts_and_rows_without_one_are_in_all() {
        let (_, trials) = of_demo(
            "seeds = [1, 2]\n[[row]]\nlabel = \"base\"\n\
             [[row]]\nlabel = \"h1\"\ngroup = \"A\"\nset = { \"model.heads\" = 1 }\n\
             [[row]]\nlabel = \"deep\"\ngroup = \"C (size)\"\nset = { \"model.layers\" = 3 }\n",
        );
        let titles: Vec<String> =
            layout(&METRICS, &trials).into_iter().map(|category| category.title).collect();
        assert_eq!(titles.len(), 3);
        assert!(titles[0].starts_with("group A: mean") && titles[1].starts_with("group C (size): mean"));
        assert_eq!(titles[2], "every seed");
        let of = |row: &str| groups_of(trials.iter().find(|trial| trial.row == row).unwrap(), &trials);
        assert_eq!((of("base"), of("h1")), (vec!["A", "C (size)"], vec!["A"]));
    }

    #[test]
    fn with_one_seed_there_are_no_means_and_patterns_match_their_tags_alone() {
        let rows = "[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"h1\"\nset = { \"model.heads\" = 1 }\n";
        let of_seeds = |seeds: &str| of_demo(&format!("seeds = {seeds}\n{rows}")).1;
        let one = of_seeds("[1]");
        let layout = layout(&METRICS, &one);
        let titles: Vec<&str> = layout.iter().map(|category| category.title.as_str()).collect();
        assert_eq!(titles, ["every row"]);
        let Curves::Tags(pattern) = &layout[0].charts[0].curves else { panic!("{layout:?}") };
        let pattern = regex::Regex::new(pattern).unwrap();
        assert!(pattern.is_match("dev/perplexity"));
        assert!(!pattern.is_match(&tag(ALL, "dev/perplexity", "mean")));
        assert!(!has_means(&one) && has_means(&of_seeds("[1, 2]")));
    }
}
