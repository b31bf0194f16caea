//! Scores by the length of the source: the quality on sentences that are longer than the training sentences
//! (`decoding.length_buckets`, `data.max_train_length`).

use super::translations::score_translations;
use crate::config::Experiment;
use crate::data::Split;
use crate::data::store::Store;
use crate::error::Result;
use crate::results::metric::{BLEU, EXACT_MATCH, LengthClass, tag};

/// The scores of the sentences of one class.
#[derive(Debug, PartialEq)]
pub struct ClassScores {
    pub class: LengthClass,
    pub sentences: usize,
    pub bleu: f64,
    pub exact_match: f64,
}

/// The scores that `decoding.length_buckets` adds to those of a split.
#[derive(Debug, PartialEq)]
pub struct ScoresByLength {
    split: Split,
    /// The share of exact matches in the whole split.
    exact_match: f64,
    /// The scores of the non-empty classes of the test set, from short to long; empty for the dev set.
    pub classes: Vec<ClassScores>,
}

impl ScoresByLength {
    /// Scores the translations of a split, one translation for each reference. `None` if the experiment states no
    /// classes.
    ///
    /// # Errors
    /// The same as for [`score_translations`].
    pub fn of(
        experiment: &Experiment,
        split: Split,
        store: &Store,
        hypotheses: &[String],
        references: &[String],
    ) -> Result<Option<Self>> {
        let lengths: Vec<usize> = (0..store.len()).map(|pair| store.source_length(pair)).collect();
        Self::of_lengths(experiment, split, &lengths, hypotheses, references)
    }

    fn of_lengths(
        experiment: &Experiment,
        split: Split,
        lengths: &[usize],
        hypotheses: &[String],
        references: &[String],
    ) -> Result<Option<Self>> {
        let bounds = &experiment.decoding.length_buckets;
        if bounds.is_empty() || references.is_empty() {
            return Ok(None);
        }
        let mut classes = Vec::new();
        for class in LengthClass::all(bounds).into_iter().filter(|_| split == Split::Test) {
            let lines: Vec<usize> = (0..lengths.len()).filter(|&line| class.has(lengths[line])).collect();
            if lines.is_empty() {
                continue;
            }
            let [hypotheses, references] = [hypotheses, references]
                .map(|all| lines.iter().map(|&line| all[line].clone()).collect::<Vec<_>>());
            let bleu = score_translations(experiment, &hypotheses, &references)?.score;
            let exact_match = exact_match(&hypotheses, &references);
            classes.push(ClassScores { class, sentences: lines.len(), bleu, exact_match });
        }
        Ok(Some(ScoresByLength { split, exact_match: exact_match(hypotheses, references), classes }))
    }

    /// Returns every score with its tag.
    pub fn metrics(&self) -> Vec<(String, f64)> {
        let [bleu, exact] = [BLEU, EXACT_MATCH].map(|metric| tag(self.split.name(), metric));
        let mut metrics = vec![(exact.clone(), self.exact_match)];
        for ClassScores { class, bleu: score, exact_match, .. } in &self.classes {
            metrics.extend([(class.tag(&bleu), *score), (class.tag(&exact), *exact_match)]);
        }
        metrics
    }
}

/// The share of the hypotheses that equal their reference, blanks at the ends ignored; from 0 to 1.
fn exact_match(hypotheses: &[String], references: &[String]) -> f64 {
    let equal = hypotheses.iter().zip(references).filter(|(ours, theirs)| ours.trim() == theirs.trim());
    equal.count() as f64 / references.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.split('/').map(String::from).collect()
    }

    #[test]
    fn each_class_is_scored_by_its_own_sentences() {
        let mut experiment = Experiment::of_generated_text();
        let hypotheses = lines("a b c d e/x y z q w/one two three four five/p q r s t ");
        let references = lines("a b c d e/x y z w q/one two three four five/p q r s t");
        let found = |experiment: &Experiment, split| {
            ScoresByLength::of_lengths(experiment, split, &[3, 9, 12, 4], &hypotheses, &references).unwrap()
        };
        assert_eq!(found(&experiment, Split::Test), None);
        experiment.decoding.length_buckets = vec![4, 6, 10];
        let scores = found(&experiment, Split::Test).unwrap();
        // No sentence has 5 or 6 tokens.
        let counts: Vec<_> = scores
            .classes
            .iter()
            .map(|class| (class.class.to_string(), class.sentences, class.exact_match))
            .collect();
        assert_eq!(counts, [("1-4".into(), 2, 1.0), ("7-10".into(), 1, 0.0), ("11+".into(), 1, 1.0)]);
        let alone = score_translations(&experiment, &hypotheses[1..2], &references[1..2]).unwrap().score;
        assert!(alone > 0.0 && alone < 100.0);
        let metrics = scores.metrics();
        let tags: Vec<&str> = metrics.iter().map(|(tag, _)| tag.as_str()).collect();
        assert_eq!(
            tags,
            [
                "test/exact_match",
                "test/bleu@1-4",
                "test/exact_match@1-4",
                "test/bleu@7-10",
                "test/exact_match@7-10",
                "test/bleu@11+",
                "test/exact_match@11+"
            ]
        );
        assert_eq!((metrics[0].1, metrics[3].1), (0.75, alone));
        assert!((metrics[1].1 - 100.0).abs() < 1e-9);
        assert_eq!(
            found(&experiment, Split::Dev).unwrap().metrics(),
            [("dev/exact_match".to_string(), 0.75)]
        );
    }
}
