//! chrF, chrF+ and chrF++ exactly as sacreBLEU computes them: an F-score over n-grams of characters
//! and, with a word order, of words.
//!
//! # Source
//! Popović 2015, "chrF: character n-gram F-score for automatic MT evaluation"; Popović 2017, "chrF++:
//! words helping character n-grams"; choices that the papers leave open are those of sacreBLEU 2.6.0,
//! `metrics/chrf.py`.

use super::metric::{Counts, Metric, check_lines};
use super::ngram::Interner;
use super::signature::Signature;
use crate::error::{Error, Result};
use crate::white_space::{is_white_space, words};
use serde::Deserialize;
use std::borrow::Cow;

/// Settings of chrF. The defaults are sacreBLEU's: chrF2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ChrfConfig {
    /// Longest n-gram of characters: 1 to 6.
    pub character_order: usize,
    /// Longest n-gram of words: 0 to 4. 2 makes chrF++ of chrF.
    pub word_order: usize,
    /// Weight of recall relative to precision.
    pub beta: u32,
    /// Lower-case everything first.
    pub lowercase: bool,
    /// Count white space as characters, instead of dropping it.
    pub whitespace: bool,
}

impl Default for ChrfConfig {
    fn default() -> Self {
        ChrfConfig { character_order: 6, word_order: 0, beta: 2, lowercase: false, whitespace: false }
    }
}

/// Numbers counted for each order of n-grams: in the hypothesis, in the reference, in both.
const PER_ORDER: usize = 3;
/// Largest numbers of characters and of words that fit into a [`Suffixes`] key.
const MAX_CHARACTER_ORDER: usize = 6;
const MAX_WORD_ORDER: usize = 4;

impl ChrfConfig {
    /// Refuses a configuration that sacreBLEU accepts and this implementation does not support.
    fn validate(&self) -> Result<()> {
        let ChrfConfig { character_order, word_order, .. } = *self;
        if !(1..=MAX_CHARACTER_ORDER).contains(&character_order) {
            return Err(Error::user(format!(
                "chrF's character order {character_order} is not from 1 to {MAX_CHARACTER_ORDER}"
            )));
        }
        if word_order > MAX_WORD_ORDER {
            return Err(Error::user(format!(
                "chrF's word order {word_order} is not from 0 to {MAX_WORD_ORDER}; 0 is chrF, 2 is chrF++"
            )));
        }
        Ok(())
    }

    fn segment(&self, segment: &str, interner: &mut Interner) -> Segment {
        let segment =
            if self.lowercase { Cow::Owned(segment.to_lowercase()) } else { Cow::Borrowed(segment) };
        // No symbol is 0, NUL included.
        let characters: Vec<u32> = segment
            .chars()
            .filter(|&c| self.whitespace || !is_white_space(c))
            .map(|c| u32::from(c) + 1)
            .collect();
        let mut words = Vec::new();
        if self.word_order > 0 {
            for_each_word(&segment, |word| words.push(interner.id(word)));
        }
        Segment {
            characters: Suffixes::new(&characters, self.character_order, 21),
            words: Suffixes::new(&words, self.word_order, 32),
        }
    }

    /// Fills `row` with the numbers of [`PER_ORDER`], characters first, of a hypothesis against one reference.
    fn compare(&self, hypothesis: &Segment, reference: &Segment, row: &mut Vec<u64>) {
        row.clear();
        let sequences =
            [(&hypothesis.characters, &reference.characters), (&hypothesis.words, &reference.words)];
        for (hypothesis, reference) in sequences {
            for order in 1..=hypothesis.order {
                let total = reference.ngrams(order);
                // An order that the reference is too short for is left out on both sides.
                let own = if total > 0 { hypothesis.ngrams(order) } else { 0 };
                row.extend([own, total, hypothesis.matches(reference, order)]);
            }
        }
    }

    /// Computes the F-score; precision and recall are averaged over the orders that both sides are long enough for.
    fn f_score(&self, counts: &[u64]) -> f64 {
        let (mut precision, mut recall, mut orders) = (0.0, 0.0, 0.0);
        for numbers in counts.chunks_exact(PER_ORDER) {
            if numbers[0] > 0 && numbers[1] > 0 {
                precision += numbers[2] as f64 / numbers[0] as f64;
                recall += numbers[2] as f64 / numbers[1] as f64;
                orders += 1.0;
            }
        }
        if precision + recall == 0.0 {
            return 0.0;
        }
        (precision, recall) = (precision / orders, recall / orders);
        let factor = f64::from(self.beta).powi(2);
        100.0 * ((1.0 + factor) * precision * recall / (factor * precision + recall))
    }
}

impl Metric for ChrfConfig {
    fn name(&self) -> String {
        format!("chrF{}{}", self.beta, "+".repeat(self.word_order))
    }

    fn signature(&self, references: usize) -> Signature {
        Signature::new(references)
            .with("case", "c", if self.lowercase { "lc" } else { "mixed" })
            .with("eff", "e", "yes")
            .with("nc", "nc", self.character_order.to_string())
            .with("nw", "nw", self.word_order.to_string())
            .with("space", "s", if self.whitespace { "yes" } else { "no" })
    }

    /// Counts each sentence against the reference that gives it the best score.
    fn counts(&self, hypotheses: &[String], references: &[Vec<String>]) -> Result<Counts> {
        self.validate()?;
        check_lines(hypotheses, references)?;
        let width = PER_ORDER * (self.character_order + self.word_order);
        let mut counts = Counts::with_capacity(width, hypotheses.len());
        let mut interner = Interner::default();
        let (mut row, mut best) = (Vec::with_capacity(width), Vec::with_capacity(width));
        for (line, hypothesis) in hypotheses.iter().enumerate() {
            let hypothesis = self.segment(hypothesis, &mut interner);
            let mut best_score = f64::NEG_INFINITY;
            for reference in references {
                self.compare(&hypothesis, &self.segment(&reference[line], &mut interner), &mut row);
                let score = self.f_score(&row);
                if score > best_score {
                    best_score = score;
                    std::mem::swap(&mut row, &mut best);
                }
            }
            counts.push(&best);
        }
        Ok(counts)
    }

    fn score(&self, counts: &[u64]) -> f64 {
        self.f_score(counts)
    }
}

/// Visits the words between white space. An ASCII punctuation mark at the end of a word is split off or, if there
/// is none, one at its start.
fn for_each_word(segment: &str, mut visit: impl FnMut(&str)) {
    for word in words(segment) {
        let mut characters = word.chars();
        let (first, last) = (characters.next(), characters.next_back());
        let is_punctuation = |c: Option<char>| c.is_some_and(|c| c.is_ascii_punctuation());
        // `last` is `None` in a word of one character. ASCII takes one byte.
        let cut = match last {
            Some(_) if is_punctuation(last) => word.len() - 1,
            Some(_) if is_punctuation(first) => 1,
            _ => word.len(),
        };
        let (start, end) = word.split_at(cut);
        visit(start);
        if !end.is_empty() {
            visit(end);
        }
    }
}

struct Segment {
    characters: Suffixes,
    words: Suffixes,
}

/// The n-grams of a sequence of symbols, of all orders at once: its suffixes, cut to the longest
/// order, sorted. The n-grams of an order are their prefixes, already sorted, too.
///
/// A suffix is packed into 128 bits, the first symbol highest. No symbol is 0, so a 0 marks the end.
struct Suffixes {
    keys: Vec<u128>,
    /// The longest order.
    order: usize,
    /// Bits of a symbol.
    bits: u32,
}

impl Suffixes {
    fn new(symbols: &[u32], order: usize, bits: u32) -> Self {
        let mut keys = Vec::with_capacity(symbols.len());
        if order > 0 {
            let highest = bits * (order as u32 - 1);
            let mut key = 0;
            for &symbol in symbols.iter().rev() {
                key = key >> bits | u128::from(symbol) << highest;
                keys.push(key);
            }
            keys.sort_unstable();
        }
        Suffixes { keys, order, bits }
    }

    /// Returns the number of n-grams of one order.
    fn ngrams(&self, order: usize) -> u64 {
        (self.keys.len() + 1).saturating_sub(order) as u64
    }

    /// Returns the n-grams of one order, sorted.
    fn sorted(&self, order: usize) -> impl Iterator<Item = u128> {
        let shift = self.bits * (self.order - order) as u32;
        let last = (1 << self.bits) - 1;
        self.keys.iter().map(move |key| key >> shift).filter(move |ngram| ngram & last != 0)
    }

    /// Counts the n-grams of one order that both have, each as often as in the sequence where it is rarer.
    fn matches(&self, other: &Suffixes, order: usize) -> u64 {
        let (mut ours, mut theirs) = (self.sorted(order), other.sorted(order));
        let (mut our, mut their) = (ours.next(), theirs.next());
        let mut matches = 0;
        while let (Some(a), Some(b)) = (our, their) {
            matches += u64::from(a == b);
            if a <= b {
                our = ours.next();
            }
            if b <= a {
                their = theirs.next();
            }
        }
        matches
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(config: &ChrfConfig, hypothesis: &str, references: &[&str]) -> f64 {
        let references: Vec<_> = references.iter().map(|reference| vec![reference.to_string()]).collect();
        config.score(&config.counts(&[hypothesis.to_string()], &references).unwrap().sum())
    }

    #[test]
    fn matches_are_clipped_by_the_rarer_side() {
        let suffixes = |text: &str| {
            let symbols: Vec<u32> = text.chars().map(|c| u32::from(c) + 1).collect();
            Suffixes::new(&symbols, 6, 21)
        };
        let (a, b) = (suffixes("aaaab"), suffixes("baab"));
        let matches: Vec<u64> = (1..=6).map(|order| a.matches(&b, order)).collect();
        assert_eq!(matches, [3, 2, 1, 0, 0, 0]);
        assert_eq!((a.ngrams(5), a.ngrams(6), b.ngrams(6)), (1, 0, 0));
        let nul = suffixes("\0\0");
        assert_eq!((nul.matches(&nul, 1), nul.matches(&nul, 2), nul.matches(&nul, 3)), (2, 1, 0));
    }

    #[test]
    fn punctuation_is_split_off_one_side_of_a_word() {
        let mut words = Vec::new();
        for_each_word(" (hi) \"so it's, ... € a! ,é", |word| words.push(word.to_string()));
        assert_eq!(words, ["(hi", ")", "\"", "so", "it's", ",", "..", ".", "€", "a", "!", ",", "é"]);
    }

    #[test]
    fn the_best_reference_counts_and_names_follow_the_papers() {
        let chrf = ChrfConfig::default();
        let (near, far) = ("the cat sat", "dogs");
        assert_eq!(score(&chrf, "the cat sits", &[far, near]), score(&chrf, "the cat sits", &[near]));
        assert_eq!(chrf.name(), "chrF2");
        assert_eq!(ChrfConfig { word_order: 2, beta: 3, ..chrf }.name(), "chrF3++");
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            chrf.signature(1).to_string(),
            format!("nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:ablate-{version}")
        );
    }

    #[test]
    fn orders_that_do_not_fit_are_refused() {
        for (character_order, word_order) in [(0, 0), (7, 0), (6, 5)] {
            let config = ChrfConfig { character_order, word_order, ..ChrfConfig::default() };
            let error = config.counts(&["a".into()], &[vec!["a".into()]]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
        }
    }
}
