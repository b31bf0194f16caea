//! The charts of TensorBoard's Custom Scalars page: for each group of the table the curves of its rows beside
//! those of the rows that belong to none, and at the end every seed.

use crate::sweep::expand::Trial;
use crate::telemetry::chart_layout::{Category, Chart, Curves};
use std::collections::BTreeSet;

/// What is charted, and what it is called. TensorBoard (2.21) shows the last one first.
pub const CHARTED: [(&str, &str); 5] = [
    ("train/loss", "training loss"),
    ("dev/loss", "dev loss"),
    ("test/bleu", "test BLEU"),
    ("dev/bleu", "dev BLEU"),
    ("dev/perplexity", "dev perplexity"),
];

/// The group of all rows in a sweep without groups.
const ALL: &str = "all rows";

/// The tag of a row's mean in the charts of a group, or of a bound of its spread.
pub fn tag(group: &str, metric: &str, curve: &str) -> String {
    format!("seeds/{group}/{metric}/{curve}")
}

/// The groups of the table, in its order.
pub fn groups(trials: &[Trial]) -> Vec<&str> {
    let mut groups: Vec<&str> = Vec::new();
    for group in trials.iter().filter_map(|trial| trial.group.as_deref()) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.is_empty() { vec![ALL] } else { groups }
}

/// The groups in whose charts a row is: its own, or all if it has none.
pub fn groups_of<'a>(trial: &'a Trial, trials: &'a [Trial]) -> Vec<&'a str> {
    trial.group.as_deref().map_or_else(|| groups(trials), |group| vec![group])
}

/// The page.
pub fn layout(trials: &[Trial]) -> Vec<Category> {
    let seeds: BTreeSet<u64> = trials.iter().map(|trial| trial.seed).collect();
    let of_group = |group: &str| {
        let chart = |(metric, title): (&str, &str)| {
            let curves = match seeds.len() {
                1 => Curves::Tags(format!("^{}$", regex::escape(&tag(group, metric, "mean")))),
                _ => Curves::Band {
                    value: tag(group, metric, "mean"),
                    lower: tag(group, metric, "lower"),
                    upper: tag(group, metric, "upper"),
                },
            };
            Chart { title: title.to_string(), curves }
        };
        let kind = if seeds.len() == 1 { "" } else { ": mean ± standard deviation over seeds" };
        let name = if group == ALL { ALL.to_string() } else { format!("group {group}") };
        Category { title: format!("{name}{kind}"), charts: CHARTED.map(chart).to_vec() }
    };
    let every = CHARTED.map(|(metric, title)| Chart {
        title: title.to_string(),
        curves: Curves::Tags(format!("^{}$", regex::escape(metric))),
    });
    let every = Category { title: "every seed".to_string(), charts: every.to_vec() };
    groups(trials).into_iter().map(of_group).chain([every]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::expand::{TrialPurpose, expand};
    use crate::sweep::spec::SweepSpec;
    use std::path::Path;

    fn trials(sweep: &str) -> Vec<Trial> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.toml");
        let base = Path::new(env!("CARGO_MANIFEST_DIR")).join("experiments/demo.toml");
        std::fs::write(&path, format!("base = {:?}\n{sweep}", base.display().to_string())).unwrap();
        expand(TrialPurpose::Train, &SweepSpec::load(&path).unwrap(), &[]).unwrap()
    }

    #[test]
    fn each_group_has_its_charts_and_rows_without_one_are_in_all() {
        let trials = trials(
            "seeds = [1, 2]\n[[row]]\nlabel = \"base\"\n\
             [[row]]\nlabel = \"h1\"\ngroup = \"A\"\nset = { \"model.heads\" = 1 }\n\
             [[row]]\nlabel = \"deep\"\ngroup = \"C (size)\"\nset = { \"model.layers\" = 3 }\n",
        );
        let titles: Vec<String> = layout(&trials).into_iter().map(|category| category.title).collect();
        assert_eq!(titles.len(), 3);
        assert!(titles[0].starts_with("group A: mean") && titles[1].starts_with("group C (size): mean"));
        assert_eq!(titles[2], "every seed");
        let of = |row: &str| groups_of(trials.iter().find(|trial| trial.row == row).unwrap(), &trials);
        assert_eq!((of("base"), of("h1")), (vec!["A", "C (size)"], vec!["A"]));
    }

    #[test]
    fn with_one_seed_there_is_no_band_and_patterns_match_their_tags_alone() {
        let trials = trials(
            "seeds = [1]\n[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"h1\"\nset = { \"model.heads\" = 1 }\n",
        );
        let layout = layout(&trials);
        assert_eq!(layout[0].title, "all rows");
        let Curves::Tags(pattern) = &layout[0].charts[4].curves else { panic!("{layout:?}") };
        let pattern = regex::Regex::new(pattern).unwrap();
        assert!(pattern.is_match(&tag(ALL, "dev/perplexity", "mean")));
        assert!(!pattern.is_match(&tag(ALL, "dev/perplexity", "upper")));
    }
}
