//! Two systems side by side: scores with intervals and tests, and the sentences in which they differ.
//!
//! A system is one run or several that differ in the seed alone. Differences are the second system minus the first.
//! [`significance`](super::significance) explains the tests.
//!
//! `ablate compare --json` prints a serialized [`SystemComparison`]: its field names are a file format.

use super::buckets::{Bucket, buckets};
use super::comparison::{OverSeeds, OverSentences, SeedTest};
use super::metric::{BLEU, CHRF, DEV, LOSS, TEST, tag};
use super::significance;
use super::summary::Summary;
use super::t_test::{paired, welch};
use crate::error::{Error, Result};
use crate::score::{
    BOOTSTRAP_RESAMPLES, BleuConfig, ChrfConfig, Counts, Metric, RESAMPLING_SEED, confidence_of_mean,
};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// One of two systems.
#[derive(Debug, Clone)]
pub struct Side {
    /// The name as the user gave it.
    pub name: String,
    /// The seeds in ascending order.
    pub seeds: Vec<u64>,
    /// The training identity behind each seed. Runs of one training differ in decoding alone.
    pub trainings: Vec<Option<String>>,
    /// Settings by key.
    pub settings: BTreeMap<String, String>,
    /// Recorded scores by tag, one for each seed.
    pub metrics: BTreeMap<String, Vec<f64>>,
    /// Number of parameters.
    pub parameters: u64,
    pub commits: Vec<String>,
    /// Translations by split, one list for each seed.
    pub translations: BTreeMap<String, Vec<Vec<String>>>,
}

/// The sentences that both systems translate.
#[derive(Debug, Clone, PartialEq)]
pub struct Text {
    pub sources: Vec<String>,
    pub references: Vec<String>,
}

/// The choices of a comparison: split, ranking score, and number of sentences to show.
#[derive(Debug, Clone)]
pub struct Question {
    /// The split of sentences and buckets: `dev` or `test`.
    pub split: String,
    /// Number of sentences to show for each side.
    pub sentences: usize,
    pub rank: Rank,
    /// The way in which BLEU is counted. If it lower-cases both sides, so does chrF.
    pub bleu: BleuConfig,
}

/// The score that sentences are ranked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Rank {
    Bleu,
    Chrf,
}

/// Two systems side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemComparison {
    /// The first and the second system.
    pub systems: [Described; 2],
    /// Settings that differ.
    pub configuration: Vec<Changed>,
    pub scores: Vec<ScorePair>,
    /// Recorded scores that only one of the systems has, which are not compared.
    pub of_one_alone: Vec<String>,
    /// The signatures of BLEU and of chrF.
    pub signatures: Vec<String>,
    /// The split of `sentences` and `buckets`.
    pub split: String,
    /// The sentences that differ most: first those where the first system is better, then those where the second is.
    pub sentences: Vec<SentencePair>,
    /// Number of sentences that one of the systems translates better; `sentences` holds some of them.
    pub differing_sentences: usize,
    pub ranked_by: Rank,
    /// Buckets by source length, and by reference length, in words between blanks.
    pub by_source_length: Vec<Bucket>,
    pub by_reference_length: Vec<Bucket>,
}

/// The description of a system.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Described {
    pub name: String,
    pub seeds: Vec<u64>,
    pub parameters: u64,
    pub commits: Vec<String>,
}

/// A setting that differs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Changed {
    pub key: String,
    pub values: [String; 2],
}

/// A score of both systems.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ScorePair {
    /// `dev/bleu`.
    pub tag: String,
    pub summaries: [Summary; 2],
    /// Half the width of the 95 % interval of each mean over sentences; `None` for scores that are not counted by
    /// sentence.
    pub half_widths: Option<[f64; 2]>,
    /// Second minus first. If the second decodes trainings of the first, over the seeds of the second.
    pub difference: f64,
    /// The test over sentences; `None` if `half_widths` is.
    pub sentences: Option<OverSentences>,
    /// The test over seeds; `None` if a side has one seed, or neither has spread.
    pub seeds: Option<OverSeeds>,
}

/// A sentence and both translations of it, from the lowest seeds. Scores are means over seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SentencePair {
    /// Line number, counted from 1.
    pub line: usize,
    pub source: String,
    pub reference: String,
    pub translations: [String; 2],
    pub bleu: [f64; 2],
    pub chrf: [f64; 2],
    /// Difference in the ranking score, second minus first.
    pub difference: f64,
}

/// Compares two systems that translate the same sentences. `texts` holds the sentences by split.
///
/// # Errors
/// A user error if translations and references do not pair up.
pub fn compare(
    sides: &[Side; 2],
    texts: &BTreeMap<String, Text>,
    question: &Question,
) -> Result<SystemComparison> {
    let bleu = question.bleu;
    let chrf = ChrfConfig { lowercase: bleu.lowercase, ..ChrfConfig::default() };
    let tags: BTreeSet<&String> = sides.iter().flat_map(|side| side.metrics.keys()).collect();
    let (mut scores, mut of_one_alone) = (Vec::new(), Vec::new());
    for tag in tags.into_iter().filter(|tag| shown(tag)) {
        match recorded(tag, sides) {
            Some(score) => scores.push(score),
            None => of_one_alone.push(tag.clone()),
        }
    }
    let mut counted: BTreeMap<&str, [[Vec<Counts>; 2]; 2]> = BTreeMap::new();
    for (split, text) in texts {
        let count = |metric: &dyn Metric| -> Result<[Vec<Counts>; 2]> {
            let of = |side: &Side| {
                let seeds = side.translations.get(split).into_iter().flatten();
                let counts = seeds.map(|lines| metric.counts(lines, std::slice::from_ref(&text.references)));
                counts.collect::<Result<Vec<_>>>()
            };
            Ok([of(&sides[0])?, of(&sides[1])?])
        };
        let both = [count(&bleu)?, count(&chrf)?];
        let metrics: [(&str, &dyn Metric); 2] = [(BLEU, &bleu), (CHRF, &chrf)];
        for ((name, metric), counts) in metrics.into_iter().zip(&both) {
            scores.push(score_pair(&tag(split, name), metric, sides, counts)?);
        }
        counted.insert(split, both);
    }
    scores.sort_by(|a, b| a.tag.cmp(&b.tag));
    let (text, [bleu_counts, chrf_counts]) =
        match (texts.get(&question.split), counted.get(question.split.as_str())) {
            (Some(text), Some(counts)) => (text, counts),
            _ => return Err(Error::user(format!("there is no split {:?}", question.split))),
        };
    let words =
        |lines: &[String]| lines.iter().map(|line| line.split_whitespace().count()).collect::<Vec<_>>();
    let describe = |side: &Side| Described {
        name: side.name.clone(),
        seeds: side.seeds.clone(),
        parameters: side.parameters,
        commits: side.commits.clone(),
    };
    let (shown_sentences, differing_sentences) = sentences(sides, text, question, bleu_counts, chrf_counts);
    Ok(SystemComparison {
        systems: [describe(&sides[0]), describe(&sides[1])],
        configuration: configuration(sides),
        scores,
        of_one_alone,
        signatures: vec![Metric::signature(&bleu, 1).to_string(), chrf.signature(1).to_string()],
        split: question.split.clone(),
        sentences: shown_sentences,
        differing_sentences,
        ranked_by: question.rank,
        by_source_length: buckets(&bleu, &words(&text.sources), bleu_counts),
        by_reference_length: buckets(&bleu, &words(&text.references), bleu_counts),
    })
}

/// Whether a recorded score is shown beside the scores that are computed here.
fn shown(tag: &str) -> bool {
    tag.split_once('/')
        .is_some_and(|(set, name)| matches!(set, DEV | TEST) && !matches!(name, BLEU | CHRF | LOSS))
}

fn configuration(sides: &[Side; 2]) -> Vec<Changed> {
    let [a, b] = [&sides[0].settings, &sides[1].settings];
    let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
    let value = |side: &BTreeMap<String, String>, key: &String| side.get(key).cloned().unwrap_or_default();
    keys.into_iter()
        .map(|key| Changed { key: key.clone(), values: [value(a, key), value(b, key)] })
        .filter(|changed| changed.values[0] != changed.values[1])
        .collect()
}

/// Compares a score that only the records have.
fn recorded(tag: &str, sides: &[Side; 2]) -> Option<ScorePair> {
    let of = |side: &Side| Summary::of(side.metrics.get(tag)?);
    let summaries = [of(&sides[0])?, of(&sides[1])?];
    // If a record lacks the score, the values cannot be assigned to seeds.
    let complete = sides.iter().zip(&summaries).all(|(side, found)| found.n == side.seeds.len());
    let pairs = same_trainings(sides).filter(|_| complete);
    let pairs = pairs.and_then(|places| Some((chosen(&summaries[0], &places)?, &summaries[1])));
    let (difference, seeds) = match pairs {
        Some((theirs, ours)) => (ours.mean - theirs.mean, paired(&theirs.values, &ours.values)),
        None => (summaries[1].mean - summaries[0].mean, welch(&summaries[0], &summaries[1])),
    };
    Some(ScorePair {
        tag: tag.to_string(),
        difference,
        seeds: seeds.ok(),
        half_widths: None,
        sentences: None,
        summaries,
    })
}

/// Compares a score that is counted sentence by sentence.
fn score_pair(
    tag: &str,
    metric: &dyn Metric,
    sides: &[Side; 2],
    counts: &[Vec<Counts>; 2],
) -> Result<ScorePair> {
    let summary = |seeds: &[Counts]| {
        let scores: Vec<f64> = seeds.iter().map(|counts| metric.score(&counts.sum())).collect();
        Summary::of(&scores).ok_or_else(|| Error::user("there are no translations to compare"))
    };
    let interval = |seeds: &[Counts]| {
        confidence_of_mean(metric, seeds, BOOTSTRAP_RESAMPLES, RESAMPLING_SEED)
            .map(|interval| interval.half_width)
    };
    let summaries = [summary(&counts[0])?, summary(&counts[1])?];
    let places = same_trainings(sides);
    let pairs = places.and_then(|places| {
        let theirs = places.iter().map(|&place| counts[0][place].clone()).collect::<Vec<Counts>>();
        Some((chosen(&summaries[0], &places)?, theirs))
    });
    let name = &sides[0].name;
    let ours = (&summaries[1], counts[1].as_slice());
    let found = match &pairs {
        Some((scores, theirs)) => {
            significance::compare(metric, name, SeedTest::Paired, (scores, theirs), ours)
        }
        None => significance::compare(metric, name, SeedTest::Welch, (&summaries[0], &counts[0]), ours),
    }?;
    Ok(ScorePair {
        tag: tag.to_string(),
        half_widths: Some([interval(&counts[0])?, interval(&counts[1])?]),
        difference: found.difference,
        sentences: Some(found.sentences),
        seeds: found.seeds,
        summaries,
    })
}

/// The places, among the seeds of the first side, of the trainings that the second side decodes: then both sides share
/// the chance in training. `None` if the second side has trainings of its own.
fn same_trainings(sides: &[Side; 2]) -> Option<Vec<usize>> {
    let trainings =
        |side: &Side| side.seeds.iter().copied().zip(side.trainings.iter().cloned()).collect::<Vec<_>>();
    significance::same_trainings(&trainings(&sides[0]), &trainings(&sides[1]))
}

/// The summary of the scores at these places.
fn chosen(scores: &Summary, places: &[usize]) -> Option<Summary> {
    Summary::of(&places.iter().map(|&place| scores.values[place]).collect::<Vec<f64>>())
}

/// The sentences in which the systems differ most, and the number of all sentences in which they differ.
fn sentences(
    sides: &[Side; 2],
    text: &Text,
    question: &Question,
    bleu_counts: &[Vec<Counts>; 2],
    chrf_counts: &[Vec<Counts>; 2],
) -> (Vec<SentencePair>, usize) {
    // BLEU of a single sentence uses the n-gram orders for which the sentence is long enough.
    let bleu = BleuConfig { effective_order: true, ..BleuConfig::default() };
    let (bleu, chrf) = (by_sentence(&bleu, bleu_counts), by_sentence(&ChrfConfig::default(), chrf_counts));
    let first = |side: &Side, line: usize| {
        side.translations
            .get(&question.split)
            .and_then(|seeds| seeds.first()?.get(line))
            .cloned()
            .unwrap_or_default()
    };
    let mut pairs: Vec<SentencePair> = (0..text.references.len())
        .map(|line| {
            let [bleu, chrf] = [&bleu, &chrf].map(|scores| [scores[0][line], scores[1][line]]);
            let ranked = if question.rank == Rank::Bleu { bleu } else { chrf };
            SentencePair {
                line: line + 1,
                source: text.sources.get(line).cloned().unwrap_or_default(),
                reference: text.references[line].clone(),
                translations: [first(&sides[0], line), first(&sides[1], line)],
                bleu,
                chrf,
                difference: ranked[1] - ranked[0],
            }
        })
        .collect();
    pairs.sort_by(|a, b| a.difference.total_cmp(&b.difference).then(a.line.cmp(&b.line)));
    let worse = pairs.iter().take(question.sentences).filter(|pair| pair.difference < 0.0);
    let better = pairs.iter().rev().take(question.sentences).filter(|pair| pair.difference > 0.0);
    (worse.chain(better).cloned().collect(), pairs.iter().filter(|pair| pair.difference != 0.0).count())
}

/// Scores of both sides by sentence; means over seeds.
fn by_sentence(metric: &dyn Metric, counts: &[Vec<Counts>; 2]) -> [Vec<f64>; 2] {
    [&counts[0], &counts[1]].map(|seeds| {
        let scores: Vec<Vec<f64>> =
            seeds.iter().map(|counts| counts.rows().map(|row| metric.score(row)).collect()).collect();
        let lines = scores.first().map_or(0, Vec::len);
        (0..lines)
            .map(|line| scores.iter().map(|seed| seed[line]).sum::<f64>() / scores.len() as f64)
            .collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_of_the_same_trainings_are_paired_by_seed() {
        let lines: [&[&str]; 2] = [&["a"], &["b"]];
        let mut sides = [side("one", &lines), side("two", &lines)];
        let tag = "test/perplexity";
        for (side, values) in sides.iter_mut().zip([[1.0, 5.0], [2.0, 7.0]]) {
            side.metrics.insert(tag.to_string(), values.to_vec());
        }
        let p = |sides: &[Side; 2]| recorded(tag, sides).unwrap().seeds.unwrap().p;
        assert!(p(&sides) > 0.5, "Welch's test drowns 1.0 and 2.0 in the seeds' spread");
        sides[1].trainings = sides[0].trainings.clone();
        // For two differences d and e: t = |d + e| / |d - e| with one degree of freedom, p = 2 atan(1 / t) / pi.
        assert!((p(&sides) - 2.0 * (1.0_f64 / 3.0).atan() / std::f64::consts::PI).abs() < 1e-9);
        // With a third seed, one side's second value may be that of the third seed.
        for side in &mut sides {
            side.seeds.push(3);
            side.trainings.push(Some("three".into()));
        }
        assert!(p(&sides) > 0.5);
        // The first side has one more seed, which the second does not decode.
        sides[0].metrics.insert(tag.to_string(), vec![1.0, 5.0, 90.0]);
        sides[1].seeds.pop();
        sides[1].trainings.pop();
        let found = recorded(tag, &sides).unwrap();
        assert_eq!((found.difference, found.seeds.unwrap().test), (1.5, SeedTest::Paired));
        sides[1].metrics.insert("test/atat".to_string(), vec![20.0, 21.0]);
        sides[1].translations.insert("test".to_string(), vec![vec!["b".to_string()]]);
        let found = compare(&sides, &texts_of(&["a"]), &question(0)).unwrap();
        assert_eq!(found.of_one_alone, ["test/atat"]);
        assert_eq!((found.sentences.len(), found.differing_sentences), (0, 1));
    }

    fn texts_of(lines: &[&str]) -> BTreeMap<String, Text> {
        let lines: Vec<String> = lines.iter().map(|line| line.to_string()).collect();
        BTreeMap::from([("test".to_string(), Text { sources: lines.clone(), references: lines })])
    }

    fn side(name: &str, seeds: &[&[&str]]) -> Side {
        let lines = |lines: &&[&str]| lines.iter().map(|line| line.to_string()).collect();
        Side {
            name: name.into(),
            seeds: (1..=seeds.len() as u64).collect(),
            trainings: (1..=seeds.len()).map(|seed| Some(format!("{name} {seed}"))).collect(),
            settings: BTreeMap::from([
                ("model.heads".into(), name.len().to_string()),
                ("model.layers".into(), "2".into()),
            ]),
            metrics: BTreeMap::from([
                ("test/perplexity".to_string(), seeds.iter().zip(2..).map(|(_, p)| f64::from(p)).collect()),
                ("test/bleu".to_string(), vec![0.0; seeds.len()]),
            ]),
            parameters: 9,
            commits: vec!["abc".into()],
            translations: BTreeMap::from([("test".to_string(), seeds.iter().map(lines).collect())]),
        }
    }

    fn question(sentences: usize) -> Question {
        Question { split: "test".into(), sentences, rank: Rank::Chrf, bleu: BleuConfig::default() }
    }

    const REFERENCES: [&str; 3] = ["a b c d e", "one two three four five six", "short one"];

    fn texts() -> BTreeMap<String, Text> {
        let lines = |lines: &[&str]| lines.iter().map(|line| line.to_string()).collect();
        let text = Text { sources: lines(&["A B C D", "ONE TWO", "SHORT"]), references: lines(&REFERENCES) };
        BTreeMap::from([("test".to_string(), text)])
    }

    #[test]
    fn sentences_that_differ_come_from_both_sides_and_equal_ones_do_not() {
        let one = side("a", &[&["a b c d e", "one two three four", "short one"]]);
        let other = side("bb", &[&["a b x d e", "one two three four five six", "short one"]]);
        let found = compare(&[one, other], &texts(), &question(5)).unwrap();
        let lines: Vec<usize> = found.sentences.iter().map(|pair| pair.line).collect();
        assert_eq!(lines, [1, 2]);
        assert!(found.sentences[0].difference < 0.0 && found.sentences[1].difference > 0.0);
        assert_eq!(found.sentences[1].translations[1], "one two three four five six");
        assert!((found.sentences[1].chrf[1] - 100.0).abs() < 1e-9);
        let changed: Vec<_> = found
            .configuration
            .iter()
            .map(|changed| (changed.key.as_str(), changed.values.join(" ")))
            .collect();
        assert_eq!(changed, [("model.heads", "1 2".to_string())]);
        let tags: Vec<&str> = found.scores.iter().map(|score| score.tag.as_str()).collect();
        assert_eq!(tags, ["test/bleu", "test/chrf", "test/perplexity"]);
        assert_eq!((found.scores[0].seeds.is_some(), found.scores[2].sentences.is_some()), (false, false));
    }

    #[test]
    fn seeds_are_averaged() {
        let good: &[&str] = &REFERENCES;
        let one = side("a", &[good, &["x", "one two three four five six", "short one"]]);
        let other = side("b", &[good, good]);
        let found = compare(&[one, other], &texts(), &question(1)).unwrap();
        let bleu = &found.scores[0];
        assert_eq!(bleu.summaries[0].n, 2);
        assert!((bleu.summaries[1].mean - 100.0).abs() < 1e-9 && bleu.summaries[0].mean < 100.0);
        // In one of two seeds the first sentence has no match at all.
        assert!((found.sentences[0].bleu[0] - 50.0).abs() < 1e-9, "{:?}", found.sentences);
        assert_eq!(found.scores[2].summaries[0].values, [2.0, 3.0]);
    }
}
