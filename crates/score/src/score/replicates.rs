//! Systems that were trained several times: scores of several corpora of translations, one for each seed,
//! of the same sentences.
//!
//! The score of a system is the mean of its corpora's scores. Resampling treats a sentence as one unit: it
//! is drawn, or changes sides, with the translations of all seeds at once. Translations of one sentence by
//! models that differ in the seed alone resemble each other; taken one by one they would pass for more
//! independent evidence than they are. The question is whether *these models* differ on other sentences;
//! sentences cannot tell whether other seeds would differ.
//!
//! # Source
//! Riezler and Maxwell 2005 (approximate randomisation) and Koehn 2004 (bootstrap) as in
//! [`resampling`](super::resampling); the mean over runs as the statistic is that of Clark et al. 2011,
//! "Better Hypothesis Testing for Statistical Machine Translation: Controlling for Optimizer Instability".
//!
//! # Deviation
//! Clark et al. let the runs of a sentence change sides one by one, [`randomization_of_means`] all together:
//! p-values are larger. Differences *as large as* the one found count against it, as in an exact test;
//! sacreBLEU's rule, [`paired_randomization`](super::paired_randomization), counts larger ones alone, so
//! that two systems that differ in one sentence would come out as different beyond doubt.

use super::metric::{Counts, Metric};
use super::resampling::{Interval, bootstrap_interval, randomized};
use crate::error::{Error, Result};

/// Differences up to this size may come from rounding and count as equal.
const ROUNDING: f64 = 1e-9;

/// Returns the interval of the mean score over `corpora` on other sentences.
///
/// # Errors
/// A user error where there is no corpus, no sentence or no resample, or where the corpora differ in their
/// number of sentences.
pub fn confidence_of_mean(
    metric: &dyn Metric,
    corpora: &[Counts],
    resamples: u32,
    seed: u64,
) -> Result<Interval> {
    let joined = join(corpora)?;
    bootstrap_interval(&|row| mean_score(metric, row, corpora.len()), &joined, resamples, seed)
}

/// Returns the interval of the difference of means, `system` minus `baseline`, on other sentences; both are scored
/// on the same drawn sentences.
///
/// # Errors
/// The errors of [`confidence_of_mean`].
pub fn confidence_of_difference(
    metric: &dyn Metric,
    baseline: &[Counts],
    system: &[Counts],
    resamples: u32,
    seed: u64,
) -> Result<Interval> {
    let (theirs, ours) = (join(baseline)?, join(system)?);
    let split = theirs.sum().len();
    let difference = |row: &[u64]| {
        let (theirs, ours) = row.split_at(split);
        mean_score(metric, ours, system.len()) - mean_score(metric, theirs, baseline.len())
    };
    bootstrap_interval(&difference, &Counts::side_by_side(&[&theirs, &ours])?, resamples, seed)
}

/// Returns the probability that a difference between the means at least as large as the one found is chance, by
/// paired approximate randomisation: in every trial, with probability ½, all translations of a sentence
/// change sides. Two-sided; p = (trials with a difference as large + 1) / (trials + 1).
///
/// # Errors
/// The errors of [`confidence_of_mean`], and a user error where the systems differ in their number of corpora.
pub fn randomization_of_means(
    metric: &dyn Metric,
    baseline: &[Counts],
    system: &[Counts],
    trials: u32,
    seed: u64,
) -> Result<f64> {
    if baseline.len() != system.len() {
        return Err(Error::user(format!(
            "{} corpora cannot change sides with {}; compare systems of as many seeds",
            baseline.len(),
            system.len()
        )));
    }
    let score = |row: &[u64]| mean_score(metric, row, system.len());
    let (found, differences) = randomized(&score, &join(baseline)?, &join(system)?, trials, seed)?;
    let as_large = differences.iter().filter(|&&difference| difference >= found - ROUNDING).count();
    Ok((as_large + 1) as f64 / (differences.len() + 1) as f64)
}

fn join(corpora: &[Counts]) -> Result<Counts> {
    if corpora.is_empty() {
        return Err(Error::user("there are no translations to compare"));
    }
    Counts::side_by_side(&corpora.iter().collect::<Vec<_>>())
}

/// Returns the mean of the scores of `corpora` equal parts of a row.
fn mean_score(metric: &dyn Metric, row: &[u64], corpora: usize) -> f64 {
    row.chunks_exact(row.len() / corpora).map(|part| metric.score(part)).sum::<f64>() / corpora as f64
}

#[cfg(test)]
mod tests {
    use super::super::{TerConfig, confidence, paired_randomization};
    use super::*;
    use crate::score::resampling::tests::counts;
    use std::slice::from_ref;

    /// Edits that scatter like those of real systems, `more` of them in every other sentence.
    fn scattered(more: u64, sentences: u64) -> Counts {
        counts(&(0..sentences).map(|n| n * 7919 % 11 + n * n % 13 % 5 + n % 2 * more).collect::<Vec<_>>())
    }

    #[test]
    fn one_corpus_a_side_is_the_test_of_two_systems() {
        let ter = TerConfig::default();
        let (a, b) = (scattered(0, 90), counts(&(0..90).map(|n| n * n % 17 % 12).collect::<Vec<_>>()));
        let known = paired_randomization(&ter, &a, &b, 2_000, 5).unwrap();
        let ours = randomization_of_means(&ter, from_ref(&a), from_ref(&b), 2_000, 5).unwrap();
        // Only ties may make them differ: differences of whole edits are often equal.
        assert!(ours >= known && ours - known < 0.1, "{ours} {known}");
        // Twice the same seed is no more evidence than once.
        let twice = [a.clone(), a.clone()];
        assert_eq!(randomization_of_means(&ter, &twice, &[b.clone(), b], 2_000, 5).unwrap(), ours);
        assert_eq!(confidence_of_mean(&ter, &twice, 200, 5).unwrap(), confidence(&ter, &a, 200, 5).unwrap());
    }

    #[test]
    fn differences_as_large_as_the_one_found_count() {
        // Four sentences, 3 edits against 1 each: 2 of 16 assignments differ as much.
        let (ter, a, b) = (TerConfig::default(), counts(&[3; 4]), counts(&[1; 4]));
        let p = randomization_of_means(&ter, from_ref(&a), &[b], 20_000, 1).unwrap();
        assert!((p - 2.0 / 16.0).abs() < 0.01, "{p}");
        // One sentence that differs, and none: no evidence.
        let one = counts(&[3, 3, 3, 9]);
        assert_eq!(randomization_of_means(&ter, from_ref(&a), &[one], 99, 1).unwrap(), 1.0);
        assert_eq!(randomization_of_means(&ter, from_ref(&a), from_ref(&a), 99, 1).unwrap(), 1.0);
    }

    #[test]
    fn the_interval_of_a_difference_is_narrower_than_those_of_its_sides() {
        let ter = TerConfig::default();
        let (a, b) = (scattered(0, 200), scattered(1, 200));
        let difference = confidence_of_difference(&ter, from_ref(&a), &[b.clone(), b], 500, 3).unwrap();
        let side = confidence_of_mean(&ter, from_ref(&a), 500, 3).unwrap();
        // Half an edit in ten words.
        assert!((difference.mean - 5.0).abs() < 0.5, "{difference:?}");
        assert!(difference.half_width < side.half_width / 2.0, "{difference:?} {side:?}");
    }

    #[test]
    fn what_does_not_pair_up_is_the_user_s_mistake() {
        let (ter, a) = (TerConfig::default(), counts(&[1, 2]));
        for error in [
            randomization_of_means(&ter, &[], &[], 9, 1).unwrap_err(),
            randomization_of_means(&ter, from_ref(&a), &[a.clone(), a.clone()], 9, 1).unwrap_err(),
            randomization_of_means(&ter, from_ref(&a), &[counts(&[1])], 9, 1).unwrap_err(),
            confidence_of_mean(&ter, &[a, counts(&[1])], 9, 1).unwrap_err(),
        ] {
            assert_eq!(error.exit_code(), 2);
        }
    }
}
