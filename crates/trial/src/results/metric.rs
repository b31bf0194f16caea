//! The metrics that runs measure, in one table: name, title and display of each. Tables, reports and TensorBoard
//! iterate over it. docs/architecture.md ("Tables") lists the steps for a new metric.
//!
//! A *tag* is a set and a metric's name: `dev/bleu`. Tags are the keys of records and of `metrics.csv`, the columns of
//! tables and the names of TensorBoard's curves.

use super::length_class::whole_set;
pub use super::length_class::{LengthClass, is_of_class};
pub use super::metric_names::*;
use crate::train::TaskKind;
use crate::tree_repair::DEFECTS;

/// The sets in the order of columns.
const SETS: [&str; 4] = [TRAIN, BEST, DEV, TEST];

/// A metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// The part of its tags after the set: `bleu`.
    pub name: &'static str,
    /// The name in texts: `BLEU`.
    pub title: &'static str,
    /// The heading in the layouts of the paper's tables; if `None`, the tag is the heading.
    pub abbreviation: Option<&'static str>,
    pub unit: &'static str,
    pub better: Better,
    /// Digits after the point in tables.
    pub digits: usize,
    /// The tasks for which it is measured.
    pub tasks: &'static [TaskKind],
    /// Whether charts have a logarithmic axis.
    pub logarithmic: bool,
    /// Whether it is computed as the record's BLEU signature says: values with different signatures do not compare.
    pub has_signature: bool,
    /// Whether it is tested for significance, which needs the metric's counts for each sentence (`sweep/collect`).
    pub tested: bool,
    /// Whether it is recorded on test for each class of source lengths, too, if `decoding.length_buckets` defines classes.
    pub by_length: bool,
    /// Whether the report draws its learning curve on dev. If no tested metric is recorded, the first of these on test
    /// is the report's score.
    pub curve: bool,
    /// The sets on which the record of a finished run can have it.
    pub recorded: &'static [&'static str],
    /// The sets on which it is a column of a table whose sweep names no columns.
    pub usual: &'static [&'static str],
    /// The sets on which it has a chart on TensorBoard's Custom Scalars page.
    pub charted: &'static [&'static str],
    /// The sets on which it is a column of TensorBoard's HParams page.
    pub hparams: &'static [&'static str],
    /// Its definition, for a note below tables that show it; `None` if the signature of a record defines it.
    pub note: Option<&'static str>,
}

/// Which values of a metric are better.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Better {
    Higher,
    Lower,
}

impl Better {
    /// The value as a loss: lower is better.
    pub fn loss(self, value: f64) -> f64 {
        match self {
            Better::Higher => -value,
            Better::Lower => value,
        }
    }
}

/// The unit of shares, which lie between 0 and 1.
pub const OF_ONE: &str = "of 1";

/// Default values shared by most metrics.
const PLAIN: Metric = Metric {
    name: "",
    title: "",
    abbreviation: None,
    unit: "",
    better: Better::Higher,
    digits: 2,
    tasks: &[TaskKind::Translation, TaskKind::Parsing, TaskKind::LanguageModelling],
    logarithmic: false,
    has_signature: false,
    tested: false,
    by_length: false,
    curve: false,
    recorded: &[DEV, TEST],
    usual: &[],
    charted: &[],
    hparams: &[],
    note: None,
};

/// Every metric, in the order of columns.
pub static METRICS: [Metric; 31] = [
    Metric {
        name: LOSS,
        title: "loss",
        unit: "nats per token",
        better: Better::Lower,
        digits: 4,
        tasks: &[
            TaskKind::Translation,
            TaskKind::Parsing,
            TaskKind::LanguageModelling,
            TaskKind::MaskedLanguageModelling,
            TaskKind::WordVectors,
        ],
        charted: &[TRAIN, DEV],
        ..PLAIN
    },
    Metric {
        name: "dev_perplexity",
        title: "dev perplexity",
        unit: "per token",
        better: Better::Lower,
        logarithmic: true,
        recorded: &[BEST],
        hparams: &[BEST],
        ..PLAIN
    },
    Metric {
        name: PERPLEXITY,
        title: "perplexity",
        abbreviation: Some("PPL"),
        unit: "per token",
        better: Better::Lower,
        logarithmic: true,
        curve: true,
        usual: &[DEV],
        charted: &[DEV],
        hparams: &[DEV],
        ..PLAIN
    },
    Metric {
        name: WORD_PERPLEXITY,
        title: "word perplexity",
        unit: "per word",
        better: Better::Lower,
        tasks: &[TaskKind::Translation, TaskKind::LanguageModelling],
        logarithmic: true,
        ..PLAIN
    },
    Metric {
        name: CHARACTER_PERPLEXITY,
        title: "character perplexity",
        unit: "per character",
        better: Better::Lower,
        digits: 3,
        tasks: &[TaskKind::LanguageModelling],
        logarithmic: true,
        ..PLAIN
    },
    Metric {
        name: BITS_PER_CHARACTER,
        title: "bits per character",
        unit: "bits per character",
        better: Better::Lower,
        digits: 4,
        tasks: &[TaskKind::LanguageModelling],
        usual: &[DEV, TEST],
        hparams: &[DEV, TEST],
        ..PLAIN
    },
    Metric {
        name: "dev_masked_perplexity",
        title: "dev masked perplexity",
        unit: "per hidden token",
        better: Better::Lower,
        tasks: &[TaskKind::MaskedLanguageModelling],
        logarithmic: true,
        recorded: &[BEST],
        hparams: &[BEST],
        ..PLAIN
    },
    Metric {
        name: MASKED_PERPLEXITY,
        title: "masked perplexity",
        unit: "per hidden token",
        better: Better::Lower,
        tasks: &[TaskKind::MaskedLanguageModelling],
        logarithmic: true,
        curve: true,
        usual: &[DEV, TEST],
        charted: &[DEV],
        hparams: &[DEV],
        ..PLAIN
    },
    Metric {
        name: MASKED_ACCURACY,
        title: "masked accuracy",
        unit: OF_ONE,
        digits: 4,
        tasks: &[TaskKind::MaskedLanguageModelling],
        curve: true,
        usual: &[DEV, TEST],
        charted: &[DEV],
        hparams: &[DEV],
        ..PLAIN
    },
    Metric {
        // Only some models predict the next sentence: shown if a table asks for it.
        name: NEXT_SENTENCE_ACCURACY,
        title: "next sentence accuracy",
        unit: OF_ONE,
        digits: 4,
        tasks: &[TaskKind::MaskedLanguageModelling],
        curve: true,
        ..PLAIN
    },
    Metric {
        name: "dev_loss",
        title: "dev loss",
        unit: "nats per prediction",
        better: Better::Lower,
        digits: 4,
        tasks: &[TaskKind::WordVectors],
        recorded: &[BEST],
        usual: &[BEST],
        hparams: &[BEST],
        ..PLAIN
    },
    Metric {
        name: PREDICTION_ACCURACY,
        title: "prediction accuracy",
        unit: OF_ONE,
        digits: 4,
        tasks: &[TaskKind::WordVectors],
        curve: true,
        usual: &[DEV, TEST],
        charted: &[DEV],
        hparams: &[DEV],
        ..PLAIN
    },
    Metric { name: ACCURACY, title: "accuracy", unit: OF_ONE, digits: 4, ..PLAIN },
    Metric {
        name: BLEU,
        title: "BLEU",
        abbreviation: Some("BLEU"),
        unit: "of 100",
        tasks: &[TaskKind::Translation],
        has_signature: true,
        tested: true,
        by_length: true,
        curve: true,
        usual: &[DEV, TEST],
        charted: &[DEV, TEST],
        hparams: &[DEV, TEST],
        ..PLAIN
    },
    Metric {
        name: EXACT_MATCH,
        title: "exact match",
        unit: OF_ONE,
        digits: 4,
        tasks: &[TaskKind::Translation, TaskKind::Parsing],
        by_length: true,
        ..PLAIN
    },
    Metric {
        name: ATAT,
        title: "atat",
        unit: "of 100",
        tasks: &[TaskKind::Translation],
        has_signature: true,
        note: Some(
            "atat: BLEU as the paper's authors counted it, by multi-bleu on Moses's tokens with compounds split.",
        ),
        ..PLAIN
    },
    Metric {
        name: CHRF,
        title: "chrF",
        unit: "of 100",
        tasks: &[TaskKind::Translation],
        has_signature: true,
        note: Some(
            "chrf: chrF2 as sacreBLEU counts it by default, on groups of up to 6 characters and on no words, lower-cased where data.lowercase is true.",
        ),
        ..PLAIN
    },
    Metric {
        name: F1,
        title: "F1",
        abbreviation: Some("F1"),
        curve: true,
        has_signature: true,
        tested: true,
        usual: &[DEV, TEST],
        charted: &[DEV, TEST],
        hparams: &[DEV, TEST],
        ..OF_PARSES
    },
    Metric { name: PRECISION, title: "precision", ..OF_PARSES },
    Metric { name: RECALL, title: "recall", ..OF_PARSES },
    Metric { name: F1_SHORT, title: "F1 of at most 40 words", ..OF_PARSES },
    Metric { name: F1_WELL_FORMED, title: "F1 of well-formed parses", ..OF_PARSES },
    Metric { name: TAGGING, title: "tagging accuracy", unit: OF_ONE, digits: 4, ..OF_PARSES },
    Metric {
        name: MALFORMED,
        title: "malformed share",
        unit: OF_ONE,
        digits: 4,
        usual: &[TEST],
        ..OF_DEFECTS
    },
    Metric { name: DEFECTS[0].0, title: "unclosed brackets", ..OF_DEFECTS },
    Metric { name: DEFECTS[1].0, title: "unopened brackets", ..OF_DEFECTS },
    Metric { name: DEFECTS[2].0, title: "empty constituents", ..OF_DEFECTS },
    Metric { name: DEFECTS[3].0, title: "missing words", ..OF_DEFECTS },
    Metric { name: DEFECTS[4].0, title: "extra words", ..OF_DEFECTS },
    Metric { name: DEFECTS[5].0, title: "stray symbols", ..OF_DEFECTS },
    Metric { name: DEFECTS[6].0, title: "split roots", ..OF_DEFECTS },
];

/// Default values for metrics of parses.
const OF_PARSES: Metric = Metric { unit: "of 100", tasks: &[TaskKind::Parsing], ..PLAIN };
/// Default values for counts of repairs.
const OF_DEFECTS: Metric = Metric { unit: "in the set", better: Better::Lower, digits: 0, ..OF_PARSES };

impl Metric {
    /// The tag on a set: `dev/bleu`.
    pub fn tag(&self, set: &str) -> String {
        tag(set, self.name)
    }

    /// The title with the set, for an axis: `BLEU (dev)`.
    pub fn on(&self, set: &str) -> String {
        format!("{} ({set})", self.title)
    }

    /// The set and the title, for TensorBoard's charts and columns: `dev BLEU`.
    pub fn of_set(&self, set: &str) -> String {
        format!("{} {}", if set == TRAIN { "training" } else { set }, self.title)
    }
}

/// The tag of a metric on a set.
pub fn tag(set: &str, name: &str) -> String {
    format!("{set}/{name}")
}

/// The name of a task's perplexity; `None` for word vectors, which give no probabilities. The perplexity of a masked
/// language model does not compare with others.
pub fn perplexity_of(task: TaskKind) -> Option<&'static str> {
    match task {
        TaskKind::Translation | TaskKind::Parsing | TaskKind::LanguageModelling => Some(PERPLEXITY),
        TaskKind::MaskedLanguageModelling => Some(MASKED_PERPLEXITY),
        TaskKind::WordVectors => None,
    }
}

/// The name of a task's accuracy.
pub fn accuracy_of(task: TaskKind) -> &'static str {
    match task {
        TaskKind::Translation | TaskKind::Parsing | TaskKind::LanguageModelling => ACCURACY,
        TaskKind::MaskedLanguageModelling => MASKED_ACCURACY,
        TaskKind::WordVectors => PREDICTION_ACCURACY,
    }
}

/// The tag and the value of the best result that training measured on dev, at its lowest loss: `best/dev_perplexity`,
/// or the loss itself if the task has no perplexity.
pub fn best_on_dev(task: TaskKind, loss: f64) -> (String, f64) {
    let (name, value) = perplexity_of(task).map_or((LOSS, loss), |perplexity| (perplexity, loss.exp()));
    (tag(BEST, &format!("{DEV}_{name}")), value)
}

/// The tag of a score of the finished model: `final/dev_bleu`.
pub fn final_tag(tag: &str) -> String {
    format!("final/{}", tag.replace('/', "_"))
}

/// The main score of a model's output on a set, BLEU or F1, and its title, for places with room for one number; `value`
/// returns the values of tags.
pub fn main_score(set: &str, value: impl Fn(&str) -> Option<f64>) -> Option<(&'static str, f64)> {
    [("BLEU", BLEU), ("F1", F1)].into_iter().find_map(|(title, name)| Some((title, value(&tag(set, name))?)))
}

/// Whether the metric of this tag is measured after training, as a score of the finished model.
pub fn is_final_score(tag: &str) -> bool {
    tag == DEV_BLEU || tag == DEV_F1 || ["test/", "final/", "best/"].iter().any(|kind| tag.starts_with(kind))
}

/// The metric and the set of a tag, also of one with a class of lengths; `None` if it is no metric, such as `steps`.
pub fn find<'a>(metrics: &'a [Metric], tag: &'a str) -> Option<(&'a Metric, &'a str)> {
    let (set, name) = whole_set(tag).split_once('/')?;
    Some((metrics.iter().find(|metric| metric.name == name)?, set))
}

/// The metrics that are measured for some of these tasks; all metrics if `tasks` is empty.
pub fn of_tasks(metrics: &[Metric], tasks: &[TaskKind]) -> Vec<Metric> {
    let wanted = |metric: &&Metric| tasks.is_empty() || metric.tasks.iter().any(|task| tasks.contains(task));
    metrics.iter().filter(wanted).copied().collect()
}

/// Pairs of a metric and a set for which `sets` of the metric contains the set, set by set.
pub fn on_sets(
    metrics: &[Metric],
    sets: impl Fn(&Metric) -> &'static [&'static str],
) -> Vec<(&Metric, &'static str)> {
    let on = |set: &&'static str| {
        let set = *set;
        let having = metrics.iter().filter(|metric| sets(metric).contains(&set));
        having.map(|metric| (metric, set)).collect::<Vec<_>>()
    };
    SETS.iter().flat_map(on).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn named_tags_are_of_the_table() {
        let mut tags: Vec<String> =
            on_sets(&METRICS, |metric| metric.recorded).iter().map(|(metric, set)| metric.tag(set)).collect();
        tags.push(METRICS[0].tag(TRAIN));
        for named in [
            TRAIN_LOSS,
            DEV_LOSS,
            DEV_PERPLEXITY,
            DEV_BLEU,
            DEV_F1,
            TEST_F1,
            TEST_BLEU,
            TEST_ATAT,
            TEST_MASKED_PERPLEXITY,
            TEST_PREDICTION_ACCURACY,
        ] {
            assert!(tags.iter().any(|tag| tag == named), "{named} is not in {tags:?}");
        }
        for task in METRICS.iter().flat_map(|metric| metric.tasks) {
            assert!(tags.contains(&best_on_dev(*task, 1.0).0));
        }
    }

    #[test]
    fn a_class_of_lengths_has_the_metric_of_its_set() {
        let (metric, set) = find(&METRICS, "test/bleu@12-30").unwrap();
        assert_eq!((metric.name, set), (BLEU, TEST));
    }

    #[test]
    fn what_is_shown_is_recorded() {
        for metric in METRICS {
            for set in [metric.usual, metric.hparams].concat() {
                assert!(metric.recorded.contains(&set), "{} {set}", metric.name);
            }
        }
    }
}
