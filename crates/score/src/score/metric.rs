//! The interface that BLEU, chrF and TER share: counts that add up over sentences, and a score from sums.

use super::signature::Signature;
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// A way to score a corpus of translations.
pub trait Metric {
    /// Returns the name as in sacreBLEU: `BLEU`, `chrF2++`, `TER`.
    fn name(&self) -> String;

    /// Returns the signature of scores against `references` references.
    fn signature(&self, references: usize) -> Signature;

    /// Counts every line of `hypotheses` against the same line of every stream of
    /// `references`.
    ///
    /// # Errors
    /// A user error where there is no line, no reference, a reference of another number of lines than
    /// the hypotheses, or a configuration that makes no sense.
    fn counts(&self, hypotheses: &[String], references: &[Vec<String>]) -> Result<Counts>;

    /// Returns the score from the counts of a sentence or from their sum over a corpus.
    fn score(&self, counts: &[u64]) -> f64;

    /// Returns the parts of the score in readable form; `None` if it has no parts.
    fn details(&self, _counts: &[u64]) -> Option<String> {
        None
    }

    /// Returns an object with the score at full precision as `score`, and its parts.
    fn json(&self, counts: &[u64]) -> Value {
        json!({ "score": self.score(counts) })
    }
}

/// Counts of a metric: a row of numbers for each sentence, all rows of one width.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<Vec<u64>>", into = "Vec<Vec<u64>>")]
pub struct Counts {
    width: usize,
    numbers: Vec<u64>,
}

impl Counts {
    /// Creates a table without rows, with room for `sentences` of them. A row has at least one number.
    pub(super) fn with_capacity(width: usize, sentences: usize) -> Self {
        Counts { width: width.max(1), numbers: Vec::with_capacity(width * sentences) }
    }

    /// Adds the row of the next sentence.
    pub(super) fn push(&mut self, row: &[u64]) {
        debug_assert_eq!(row.len(), self.width);
        self.numbers.extend_from_slice(row);
    }

    /// Joins the rows of several corpora that translate the same sentences, sentence by sentence.
    ///
    /// # Errors
    /// A user error where they differ in their number of sentences.
    pub(super) fn side_by_side(corpora: &[&Counts]) -> Result<Counts> {
        let sentences = corpora.first().map_or(0, |first| first.sentences());
        if let Some(other) = corpora.iter().find(|other| other.sentences() != sentences) {
            return Err(Error::user(format!(
                "translations differ in their number of sentences, {sentences} and {}; all must translate the same",
                other.sentences()
            )));
        }
        let width = corpora.iter().map(|counts| counts.width).sum();
        let mut joined = Counts::with_capacity(width, sentences);
        for sentence in 0..sentences {
            corpora.iter().for_each(|counts| joined.numbers.extend_from_slice(counts.row(sentence)));
        }
        Ok(joined)
    }

    pub fn sentences(&self) -> usize {
        self.numbers.len() / self.width
    }

    /// The counts of every sentence, in order.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &[u64]> {
        self.numbers.chunks_exact(self.width)
    }

    /// The counts of one sentence.
    pub(super) fn row(&self, sentence: usize) -> &[u64] {
        &self.numbers[sentence * self.width..(sentence + 1) * self.width]
    }

    /// Returns the counts of the corpus.
    pub fn sum(&self) -> Vec<u64> {
        self.sum_of(0..self.sentences())
    }

    /// Returns the sum over these sentences, each as often as it is named.
    pub fn sum_of(&self, sentences: impl Iterator<Item = usize>) -> Vec<u64> {
        let mut sum = vec![0; self.width];
        for sentence in sentences {
            for (sum, number) in sum.iter_mut().zip(self.row(sentence)) {
                *sum += number;
            }
        }
        sum
    }
}

impl From<Counts> for Vec<Vec<u64>> {
    fn from(counts: Counts) -> Self {
        counts.rows().map(<[u64]>::to_vec).collect()
    }
}

impl TryFrom<Vec<Vec<u64>>> for Counts {
    type Error = String;

    /// # Errors
    /// If there is no row, or rows differ in their width.
    fn try_from(rows: Vec<Vec<u64>>) -> std::result::Result<Counts, String> {
        let width = rows.first().map_or(0, Vec::len);
        if width == 0 || rows.iter().any(|row| row.len() != width) {
            return Err("expected rows of numbers, all of one width".to_string());
        }
        Ok(Counts { width, numbers: rows.concat() })
    }
}

/// Returns a user error for texts that do not pair up line by line.
pub(super) fn check_lines(hypotheses: &[impl AsRef<str>], references: &[Vec<impl AsRef<str>>]) -> Result<()> {
    let lines = hypotheses.len();
    if lines == 0 {
        return Err(Error::user("the hypotheses have no line; a score needs at least one"));
    }
    if references.is_empty() {
        return Err(Error::user("there is no reference to score against; give at least one"));
    }
    if let Some(index) = references.iter().position(|reference| reference.len() != lines) {
        return Err(Error::user(format!(
            "hypotheses and reference {} of {} differ in their number of lines, {lines} and {}; line n of one must \
             translate the same as line n of the other",
            index + 1,
            references.len(),
            references[index].len(),
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_add_up_by_column() {
        let mut counts = Counts::with_capacity(2, 3);
        [[1, 2], [10, 20], [100, 200]].iter().for_each(|row| counts.push(row));
        assert_eq!((counts.sentences(), counts.rows().len()), (3, 3));
        assert_eq!(counts.sum(), [111, 222]);
        assert_eq!(counts.sum_of([2, 0, 2].into_iter()), [201, 402]);
    }

    #[test]
    fn corpora_are_joined_by_sentence_if_they_have_the_same() {
        let (mut wide, mut narrow) = (Counts::with_capacity(2, 2), Counts::with_capacity(1, 2));
        [[1, 2], [10, 20]].iter().for_each(|row| wide.push(row));
        [[3], [30]].iter().for_each(|row| narrow.push(row));
        let joined = Counts::side_by_side(&[&wide, &narrow]).unwrap();
        assert_eq!(joined.rows().collect::<Vec<_>>(), [[1, 2, 3], [10, 20, 30]]);
        narrow.push(&[300]);
        assert_eq!(Counts::side_by_side(&[&wide, &narrow]).unwrap_err().exit_code(), 2);
    }
}
