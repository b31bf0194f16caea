//! Sentences of similar length, scored together.

use crate::score::{Bleu, BleuConfig, Counts, Metric, SentenceStatistics};
use serde::Serialize;
use std::collections::BTreeMap;

/// Most buckets of sentences by length.
const BUCKETS: usize = 5;

/// Sentences of similar length, and their scores.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Bucket {
    /// Words of the shortest and of the longest sentence.
    pub words: [usize; 2],
    pub sentences: usize,
    /// BLEU of the bucket as a corpus, for both sides; means over seeds.
    pub bleu: [f64; 2],
    /// Tokens of the translations over tokens of the references, for both sides.
    pub length_ratio: [f64; 2],
}

/// Returns the shortest and the longest length as text: `7–12`, or `7` if they are equal.
pub fn range_text([shortest, longest]: [usize; 2]) -> String {
    if shortest == longest { shortest.to_string() } else { format!("{shortest}–{longest}") }
}

/// Groups sentences of these lengths: at most [`BUCKETS`] groups with about as many sentences each, as shortest and
/// longest length and line numbers. Sentences of the same length stay together.
pub fn by_length(lengths: &[usize]) -> Vec<([usize; 2], Vec<usize>)> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    lengths.iter().enumerate().for_each(|(line, length)| by_length.entry(*length).or_default().push(line));
    let mut groups: BTreeMap<usize, ([usize; 2], Vec<usize>)> = BTreeMap::new();
    let mut shorter = 0;
    for (length, lines) in by_length {
        // The part of all sentences that contains the middle sentence of this length.
        let part = (2 * shorter + lines.len()) * BUCKETS / (2 * lengths.len());
        shorter += lines.len();
        let (words, group) = groups.entry(part).or_insert(([length, length], Vec::new()));
        words[1] = length;
        group.extend(lines);
    }
    groups.into_values().collect()
}

/// Scores the sentences of each bucket; `counts` holds the counts of both sides, seed by seed.
pub(super) fn buckets(metric: &BleuConfig, lengths: &[usize], counts: &[Vec<Counts>; 2]) -> Vec<Bucket> {
    let bucket = |(words, lines): ([usize; 2], Vec<usize>)| {
        let over_seeds = |of: &dyn Fn(&[u64]) -> f64| {
            [&counts[0], &counts[1]].map(|seeds| {
                let sums = seeds.iter().map(|counts| counts.sum_of(lines.iter().copied()));
                sums.map(|sum| of(&sum)).sum::<f64>() / seeds.len() as f64
            })
        };
        let ratio =
            |sum: &[u64]| Bleu::from_statistics(metric, &SentenceStatistics::from(sum)).length_ratio();
        Bucket {
            words,
            sentences: lines.len(),
            bleu: over_seeds(&|sum| metric.score(sum)),
            length_ratio: over_seeds(&ratio),
        }
    };
    by_length(lengths).into_iter().map(bucket).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buckets_hold_every_sentence_once_and_never_split_a_length() {
        let lengths = [1, 1, 1, 1, 1, 1, 2, 3, 3, 9];
        let lines: Vec<String> = lengths.iter().map(|length| vec!["w"; *length].join(" ")).collect();
        let counts = BleuConfig::default().counts(&lines, std::slice::from_ref(&lines)).unwrap();
        let found = buckets(&BleuConfig::default(), &lengths, &[vec![counts.clone()], vec![counts]]);
        let shape: Vec<_> = found.iter().map(|bucket| (bucket.words, bucket.sentences)).collect();
        assert_eq!(shape, [([1, 1], 6), ([2, 2], 1), ([3, 9], 3)]);
        assert!(found.iter().all(|bucket| bucket.length_ratio == [1.0, 1.0]));
        assert!((found[2].bleu[0] - 100.0).abs() < 1e-9);
    }
}
