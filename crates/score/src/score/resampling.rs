//! Confidence in a score, and the probability that a difference between two systems is chance: the sentences
//! of the test set are drawn anew many times and every draw is scored.
//!
//! # Source
//! Koehn 2004, "Statistical Significance Tests for Machine Translation Evaluation" (bootstrap); Riezler
//! and Maxwell 2005, "On Some Pitfalls in Automatic Evaluation and Significance Testing for MT"
//! (approximate randomisation); rules and default numbers are those of sacreBLEU 2.6.0,
//! `significance.py`.
//!
//! # Deviation
//! Draws come from this program's own streams ([`crate::seed`]), not from numpy's, so p-values and
//! intervals agree with sacreBLEU's within Monte Carlo error, not bit for bit. Sums are whole numbers;
//! sacreBLEU's bootstrap adds in single precision.

use super::metric::{Counts, Metric};
use crate::error::{Error, Result};
use crate::seed::{self, Purpose};
use rand_chacha::rand_core::Rng;
use serde::Serialize;

/// Default number of resamples of a bootstrap.
pub const BOOTSTRAP_RESAMPLES: u32 = 1_000;
/// Default number of trials of approximate randomisation.
pub const RANDOMIZATION_TRIALS: u32 = 10_000;
/// Default seed of the draws.
pub const RESAMPLING_SEED: u64 = 12_345;

/// A function from summed counts to a score.
pub(super) type Score<'a> = &'a dyn Fn(&[u64]) -> f64;

/// Range in which a score would lie on other sentences of the same kind.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Interval {
    /// Mean of the resampled scores.
    pub mean: f64,
    /// Half the width of the middle 95 % of the resampled scores.
    pub half_width: f64,
}

impl Interval {
    /// Computes the interval of at least one score.
    fn of(mut scores: Vec<f64>) -> Self {
        scores.sort_unstable_by(f64::total_cmp);
        let cut = scores.len() / 40;
        let middle = &scores[cut..scores.len() - cut];
        Interval { mean: mean(&scores), half_width: 0.5 * (middle[middle.len() - 1] - middle[0]) }
    }
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

/// Returns the interval of one system's score.
///
/// # Errors
/// A user error where there is no sentence or no resample.
pub fn confidence(metric: &dyn Metric, counts: &Counts, resamples: u32, seed: u64) -> Result<Interval> {
    bootstrap_interval(&|row| metric.score(row), counts, resamples, seed)
}

/// Does the same as [`confidence`] for any score of the summed counts.
pub(super) fn bootstrap_interval(
    score: Score,
    counts: &Counts,
    resamples: u32,
    seed: u64,
) -> Result<Interval> {
    check(counts, counts, resamples)?;
    Ok(Interval::of(bootstrap_scores(score, counts, resamples, seed)))
}

/// Returns the probability that a difference in score as large as the one found is chance, by paired
/// bootstrap: both systems are scored on the same drawn sentences.
///
/// Systems with equal scores on every draw get the smallest p-value possible, as in sacreBLEU.
///
/// # Errors
/// A user error where there is no sentence or no resample, or where the systems differ in their
/// number of sentences.
pub fn paired_bootstrap(
    metric: &dyn Metric,
    baseline: &Counts,
    system: &Counts,
    resamples: u32,
    seed: u64,
) -> Result<f64> {
    check(baseline, system, resamples)?;
    let score: Score = &|row| metric.score(row);
    let ours = bootstrap_scores(score, system, resamples, seed);
    let theirs = bootstrap_scores(score, baseline, resamples, seed);
    let differences: Vec<f64> = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).collect();
    let mean = mean(&differences);
    let found = difference(score, &baseline.sum(), &system.sum());
    Ok(p_value(differences.iter().map(|difference| difference - mean), found))
}

/// Returns the probability that a difference in score as large as the one found is chance, by paired
/// approximate randomisation: in every trial, each sentence's two outputs change sides with
/// probability ½.
///
/// Systems with equal scores in every trial get the smallest p-value possible, as in sacreBLEU.
///
/// # Errors
/// The errors of [`paired_bootstrap`].
pub fn paired_randomization(
    metric: &dyn Metric,
    baseline: &Counts,
    system: &Counts,
    trials: u32,
    seed: u64,
) -> Result<f64> {
    let (found, trials) = randomized(&|row| metric.score(row), baseline, system, trials, seed)?;
    Ok(p_value(trials.into_iter(), found))
}

/// Returns the difference in score found, and the differences after each sentence's two rows have changed sides
/// with probability ½, one for each trial.
///
/// # Errors
/// The errors of [`paired_bootstrap`].
pub(super) fn randomized(
    score: Score,
    baseline: &Counts,
    system: &Counts,
    trials: u32,
    seed: u64,
) -> Result<(f64, Vec<f64>)> {
    check(baseline, system, trials)?;
    let (baseline_sum, system_sum) = (baseline.sum(), system.sum());
    let found = difference(score, &baseline_sum, &system_sum);
    let (mut one, mut other) = (baseline_sum.clone(), baseline_sum.clone());
    let trials = (0..trials).map(|trial| {
        one.fill(0);
        let mut stream = seed::rng(seed, Purpose::Resampling, u64::from(trial));
        let mut coins = 0;
        for sentence in 0..baseline.sentences() {
            if sentence % 64 == 0 {
                coins = stream.next_u64();
            }
            let row = if coins & 1 == 0 { baseline.row(sentence) } else { system.row(sentence) };
            coins >>= 1;
            one.iter_mut().zip(row).for_each(|(sum, number)| *sum += number);
        }
        // The other side gets the rows that this side did not get.
        for (index, other) in other.iter_mut().enumerate() {
            *other = baseline_sum[index] + system_sum[index] - one[index];
        }
        difference(score, &one, &other)
    });
    Ok((found, trials.collect()))
}

/// Returns the scores of test sets drawn from the sentences, with replacement. Draw k is the same for every
/// system and metric.
fn bootstrap_scores(score: Score, counts: &Counts, resamples: u32, seed: u64) -> Vec<f64> {
    let sentences = counts.sentences() as u64;
    let draw = |resample| {
        let mut stream = seed::rng(seed, Purpose::Resampling, u64::from(resample));
        // The high half of a product with 64 random bits favours no sentence by more than 2^-32.
        let sentence = |_| ((u128::from(stream.next_u64()) * u128::from(sentences)) >> 64) as usize;
        score(&counts.sum_of((0..sentences).map(sentence)))
    };
    (0..resamples).map(draw).collect()
}

fn difference(score: Score, one: &[u64], other: &[u64]) -> f64 {
    (score(one) - score(other)).abs()
}

/// Returns the share of statistics that exceed the difference found; one is added to both numbers, so that the
/// probability of finding a difference where there is none stays below the level tested at.
fn p_value(statistics: impl ExactSizeIterator<Item = f64>, found: f64) -> f64 {
    let trials = statistics.len();
    let larger = statistics.filter(|&statistic| statistic > found).count();
    (larger + 1) as f64 / (trials + 1) as f64
}

fn check(baseline: &Counts, system: &Counts, resamples: u32) -> Result<()> {
    if resamples == 0 {
        return Err(Error::user("0 resamples say nothing; ask for at least 1"));
    }
    match (baseline.sentences(), system.sentences()) {
        (0, _) => Err(Error::user("there is no sentence to draw from")),
        (ours, theirs) if ours != theirs => Err(Error::user(format!(
            "the systems differ in their number of sentences, {ours} and {theirs}; both must translate the same"
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::score::TerConfig;

    /// The counts of sentences of ten words each, with these numbers of edits.
    pub(in super::super) fn counts(edits: &[u64]) -> Counts {
        let mut counts = Counts::with_capacity(2, edits.len());
        edits.iter().for_each(|&edits| counts.push(&[edits, 10]));
        counts
    }

    #[test]
    fn sentences_that_are_all_alike_leave_no_doubt() {
        let interval = confidence(&TerConfig::default(), &counts(&[3; 20]), 50, 1).unwrap();
        assert_eq!(interval, Interval { mean: 30.0, half_width: 0.0 });
    }

    #[test]
    fn the_interval_cuts_a_fortieth_off_each_end() {
        let interval = Interval::of((0..=80).rev().map(f64::from).collect());
        assert_eq!(interval, Interval { mean: 40.0, half_width: 38.0 });
    }

    #[test]
    fn the_interval_is_that_of_the_normal_distribution_for_many_sentences() {
        // Half of 400 sentences have no edit, half have two: the standard error is 10/20 of a percent.
        let edits: Vec<u64> = (0..400).map(|sentence| sentence % 2 * 2).collect();
        let interval = confidence(&TerConfig::default(), &counts(&edits), 2000, 7).unwrap();
        assert!((interval.mean - 10.0).abs() < 0.05, "{interval:?}");
        assert!((interval.half_width - 1.96 * 0.5).abs() < 0.08, "{interval:?}");
    }

    #[test]
    fn randomization_counts_the_assignments_that_differ_more() {
        // Four sentences, 3 edits against 1 each: of 16 assignments 2 differ as much and none more.
        let (ter, a, b) = (TerConfig::default(), counts(&[3; 4]), counts(&[1; 4]));
        assert_eq!(paired_randomization(&ter, &a, &b, 999, 1).unwrap(), 0.001);
        // One sentence the other way: 2 edits more against 4; equal or larger in 10 of 16, larger in 2.
        let (a, b) = (counts(&[3, 3, 3, 1]), counts(&[1, 1, 1, 3]));
        let p = paired_randomization(&ter, &a, &b, 20_000, 1).unwrap();
        assert!((p - 2.0 / 16.0).abs() < 0.008, "{p}");
    }

    #[test]
    fn the_seed_decides_and_mistakes_are_the_user_s() {
        let (ter, a) = (TerConfig::default(), counts(&[1, 2, 3, 4, 9, 5]));
        let interval = |seed| confidence(&ter, &a, 100, seed).unwrap();
        assert_eq!(interval(1), interval(1));
        assert_ne!(interval(1), interval(2));
        for result in [
            paired_bootstrap(&ter, &a, &counts(&[1]), 10, 1),
            paired_randomization(&ter, &a, &a, 0, 1),
            paired_bootstrap(&ter, &counts(&[]), &counts(&[]), 10, 1),
        ] {
            assert_eq!(result.unwrap_err().exit_code(), 2);
        }
    }
}
