//! TER as Tercom and sacreBLEU compute it: edits that turn a hypothesis into its reference, where
//! moving a run of words counts as one, over the length of the reference.
//!
//! # Source
//! Snover et al. 2006, "A Study of Translation Edit Rate with Targeted Human Annotation"; limits and
//! the order of preference among shifts are those of sacreBLEU 2.6.0, `metrics/ter.py` and
//! `lib_ter.py`, which follow Tercom.

use super::edit_distance::{Alignment, EditDistance, Matrix};
use super::metric::{Counts, Metric, check_lines};
use super::ngram::Interner;
use super::signature::Signature;
use super::tokenize_tercom::TercomTokenizer;
use crate::error::Result;
use crate::white_space::{trim_end, words};
use serde::Deserialize;
use std::cmp::Reverse;

/// Settings of TER: the normalisation of the text. The edits themselves have no options.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(transparent)]
pub struct TerConfig {
    pub tokenizer: TercomTokenizer,
}

impl TerConfig {
    fn hypothesis(&self, segment: &str, interner: &mut Interner) -> Vec<u32> {
        words(&self.tokenizer.normalize(trim_end(segment))).map(|word| interner.id(word)).collect()
    }

    /// References pass through normalisation twice, as they do in sacreBLEU. The effect shows only with
    /// `normalized`: `Bob's.` becomes three words, in a hypothesis two.
    fn reference(&self, segment: &str, interner: &mut Interner) -> Vec<u32> {
        if !self.tokenizer.normalized {
            return self.hypothesis(segment, interner);
        }
        let once = self.tokenizer.normalize(trim_end(segment));
        self.hypothesis(&words(&once).collect::<Vec<_>>().join(" "), interner)
    }
}

impl Metric for TerConfig {
    fn name(&self) -> String {
        "TER".to_string()
    }

    fn signature(&self, references: usize) -> Signature {
        let yes_or_no = |switch| if switch { "yes" } else { "no" };
        let TercomTokenizer { normalized, no_punct, asian_support, case_sensitive } = self.tokenizer;
        Signature::new(references)
            .with("case", "c", if case_sensitive { "mixed" } else { "lc" })
            .with("tok", "t", "tercom")
            .with("norm", "nr", yes_or_no(normalized))
            .with("punct", "pn", yes_or_no(!no_punct))
            .with("asian", "as", yes_or_no(asian_support))
    }

    /// Counts two numbers: the edits to the reference that needs fewest, once for every reference, and the words
    /// of all references. Their quotient is edits over mean length, in whole numbers.
    fn counts(&self, hypotheses: &[String], references: &[Vec<String>]) -> Result<Counts> {
        check_lines(hypotheses, references)?;
        let mut counts = Counts::with_capacity(2, hypotheses.len());
        let mut interner = Interner::default();
        for (line, hypothesis) in hypotheses.iter().enumerate() {
            let hypothesis = self.hypothesis(hypothesis, &mut interner);
            let (mut fewest, mut words) = (u64::MAX, 0);
            for reference in references {
                let reference = self.reference(&reference[line], &mut interner);
                fewest = fewest.min(edits(&hypothesis, &reference));
                words += reference.len() as u64;
            }
            counts.push(&[fewest * references.len() as u64, words]);
        }
        Ok(counts)
    }

    /// Returns 100 times edits over words; may exceed 100. Against empty references, 0 for an empty hypothesis and 100
    /// for any other.
    fn score(&self, counts: &[u64]) -> f64 {
        match *counts {
            [edits, words] if words > 0 => 100.0 * (edits as f64 / words as f64),
            [0, _] => 0.0,
            _ => 100.0,
        }
    }
}

/// Largest number of words that move at once.
const MAX_SHIFT_SIZE: usize = 10;
/// Largest distance between equal words in hypothesis and reference for which a shift is considered.
const MAX_SHIFT_DISTANCE: usize = 50;
/// Number of shifts tried on a sentence after which the search ends.
const MAX_SHIFT_CANDIDATES: usize = 1000;

/// Counts the shifts and single-word edits that turn the hypothesis into the reference, found greedily: the
/// shift that saves most edits first, until none saves any.
fn edits(hypothesis: &[u32], reference: &[u32]) -> u64 {
    if reference.is_empty() {
        return hypothesis.len() as u64;
    }
    let distance = EditDistance::new(reference, hypothesis.len());
    let mut words = hypothesis.to_vec();
    let mut shifts = 0;
    let mut tried = 0;
    loop {
        let matrix = distance.matrix(&words);
        let shift = best_shift(&distance, &matrix, &words, reference, &mut tried);
        match shift {
            // The shift during which the search ran out of tries is not made.
            Some(shift) if shift.saved > 0 && tried < MAX_SHIFT_CANDIDATES => {
                words = shift.apply(&words);
                shifts += 1;
            }
            _ => return shifts + u64::from(matrix.distance()),
        }
    }
}

/// A move of a run of words of the hypothesis. The order is Tercom's of preference: more edits saved,
/// more words, further left, to a place further left.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Shift {
    saved: i64,
    length: usize,
    start: Reverse<usize>,
    /// Index of the word before which the run goes, in the order before the move.
    target: Reverse<usize>,
}

impl Shift {
    fn apply(&self, words: &[u32]) -> Vec<u32> {
        let (start, length, target) = (self.start.0, self.length, self.target.0);
        let (run, end) = (&words[start..start + length], start + length);
        if target < start {
            [&words[..target], run, &words[target..start], &words[end..]].concat()
        } else if target > end {
            [&words[..start], &words[end..target], run, &words[target..]].concat()
        } else {
            // A place inside the run: as many of the words behind it go before it.
            let until = (length + target).min(words.len());
            [&words[..start], &words[end..until.max(end)], run, &words[until.max(end)..]].concat()
        }
    }
}

/// Returns the preferred shift of those that move misplaced words to their places in the reference.
fn best_shift(
    distance: &EditDistance,
    matrix: &Matrix,
    words: &[u32],
    reference: &[u32],
    tried: &mut usize,
) -> Option<Shift> {
    let alignment = distance.alignment(matrix, words);
    let before = i64::from(matrix.distance());
    let mut best = None;
    for start in 0..words.len() {
        let places =
            start.saturating_sub(MAX_SHIFT_DISTANCE)..reference.len().min(start + MAX_SHIFT_DISTANCE + 1);
        for place in places {
            let equal = words[start..].iter().zip(&reference[place..]).take(MAX_SHIFT_SIZE);
            let longest = equal.take_while(|(a, b)| a == b).count();
            for length in 1..=longest {
                for target in targets(&alignment, start, place, length) {
                    let mut shift =
                        Shift { saved: 0, length, start: Reverse(start), target: Reverse(target) };
                    let shifted = shift.apply(words);
                    let after = distance.distance_after(matrix, start.min(target), &shifted);
                    shift.saved = before - i64::from(after);
                    *tried += 1;
                    best = best.max(Some(shift));
                }
                if *tried >= MAX_SHIFT_CANDIDATES {
                    return best;
                }
            }
        }
    }
    best
}

/// Returns the places where the run of `length` words from `start` on, equal to the reference's from `place` on, may
/// go: to the words that correspond to the reference's before `place` and to each within the run.
///
/// There is none if all of the run is right on one side, or if it is where it should be.
fn targets(alignment: &Alignment, start: usize, place: usize, length: usize) -> impl Iterator<Item = usize> {
    let wrong = alignment.wrong_in_hypothesis[start..start + length].contains(&true)
        && alignment.wrong_in_reference[place..place + length].contains(&true);
    let end = alignment.hypothesis_end[place];
    let useful = wrong && !(start < end && end <= start + length);
    let places = if useful { place..place + length + 1 } else { 0..0 };
    let mut previous = None;
    places
        .map(|next| next.checked_sub(1).map_or(0, |word| alignment.hypothesis_end[word]))
        .filter(move |&target| previous.replace(target) != Some(target))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ter(hypothesis: &str, references: &[&str]) -> f64 {
        let references: Vec<_> = references.iter().map(|reference| vec![reference.to_string()]).collect();
        let config = TerConfig::default();
        config.score(&config.counts(&[hypothesis.to_string()], &references).unwrap().sum())
    }

    #[test]
    fn a_moved_run_is_one_edit() {
        // Snover et al. 2006, section 2: a shift and three edits of 13 words.
        let reference = "SAUDI ARABIA denied THIS WEEK information published in the AMERICAN new york times";
        let hypothesis = "THIS WEEK THE SAUDIS denied information published in the new york times";
        assert_eq!(ter(hypothesis, &[reference]), 100.0 * 4.0 / 13.0);
        assert_eq!(ter("c d a b", &["a b c d"]), 25.0);
    }

    #[test]
    fn a_word_more_less_or_other_is_one_edit() {
        assert_eq!(ter("a b c d", &["a b c d"]), 0.0);
        assert_eq!(ter("a b d", &["a b c d"]), 25.0);
        assert_eq!(ter("a b x c d", &["a b c d"]), 25.0);
        assert_eq!(ter("a b x d", &["a b c d"]), 25.0);
    }

    #[test]
    fn of_several_references_the_nearest_is_edited_to_and_the_mean_length_counts() {
        assert_eq!(ter("a b c", &["a b x", "a b c d e f g"]), 100.0 / 5.0);
    }

    #[test]
    fn nothing_to_compare_with_counts_all_or_nothing() {
        assert_eq!(ter("", &[""]), 0.0);
        assert_eq!(ter("a b", &[""]), 100.0);
        assert_eq!(ter("", &["a b"]), 100.0);
        assert_eq!(ter("x y z", &["a"]), 300.0);
    }

    #[test]
    fn references_are_normalized_twice() {
        let config = TerConfig { tokenizer: TercomTokenizer { normalized: true, ..Default::default() } };
        let counts = config.counts(&["Bob's.".into()], &[vec!["Bob's.".into()]]).unwrap();
        assert_eq!(counts.sum(), [2, 3]);
    }

    #[test]
    fn a_run_moves_left_right_and_within_itself() {
        let moved = |start, length, target| {
            let shift = Shift { saved: 0, length, start: Reverse(start), target: Reverse(target) };
            shift.apply(&[0, 1, 2, 3, 4, 5])
        };
        assert_eq!(moved(3, 2, 1), [0, 3, 4, 1, 2, 5]);
        assert_eq!(moved(0, 2, 4), [2, 3, 0, 1, 4, 5]);
        assert_eq!(moved(1, 2, 2), [0, 3, 1, 2, 4, 5]);
        assert_eq!(moved(4, 2, 5), [0, 1, 2, 3, 4, 5]);
    }
}
