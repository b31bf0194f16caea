//! Whether two rows differ by more than chance.
//!
//! A difference between mean scores can be the luck of the sentences that happen to be in the set, or the
//! luck of the seeds that the models happened to be trained with. Both are tested, and a row differs only if
//! neither explains the difference: the p-value of the comparison is the larger one (an intersection–union
//! test, whose level is that of its parts).
//!
//! - **Sentences**: paired approximate randomisation on the mean score over seeds; see
//!   [`randomization_of_means`](crate::score::randomization_of_means). Seeds are paired in ascending order, and
//!   of a row with more seeds than the other the last ones take no part in this test.
//! - **Seeds**: Welch's t-test on the scores of the seeds, of all that finished. Where every seed of the row
//!   decodes what the base row trained with the same seed, the luck of training is the same on both sides: there it
//!   is the paired t-test on the differences by seed, and seeds that only the base row has take no part in any test.
//!   With one seed a side there is no test over seeds, and nothing may be concluded about training. Neither is there
//!   one where the seeds do not differ at all.
//!
//! The p-values of all rows of a column are one family, to which Holm's correction applies.
//!
//! # Source
//! Holm 1979, "A Simple Sequentially Rejective Multiple Test Procedure"; Student 1908, "The Probable Error of a
//! Mean" (the paired test); Welch 1947, "The Generalization of
//! 'Student's' Problem when Several Different Population Variances are Involved"; Berger 1982, "Multiparameter
//! Hypothesis Testing and Acceptance Sampling" (intersection–union tests).

use super::table::{ResultTable, Row, Summary};
use crate::error::Result;
use crate::score::{
    BOOTSTRAP_RESAMPLES, BleuConfig, Counts, Metric, RANDOMIZATION_TRIALS, RESAMPLING_SEED,
    confidence_of_difference, randomization_of_means,
};
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};
use std::collections::{BTreeMap, BTreeSet};

/// Differences with a corrected p-value up to this are called significant.
pub const LEVEL: f64 = 0.05;

/// Scores that differ by no more are equal: what is left is rounding.
const ROUNDING: f64 = 1e-9;

/// The columns whose translations are kept, and can be tested.
pub const TESTED: [&str; 2] = ["dev/bleu", "test/bleu"];

/// How rows were compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Significance {
    /// Trials of approximate randomisation; absent if nothing was compared.
    pub randomization_trials: Option<u32>,
    /// Resamples of the intervals; absent if nothing was compared.
    pub bootstrap_resamples: Option<u32>,
    pub resampling_seed: Option<u64>,
    /// The rows that decode what the base row trained, and have the paired test over seeds.
    pub paired: Vec<String>,
    /// The rows without a test over seeds because the seeds do not differ.
    pub no_spread: Vec<String>,
    /// Why some or all rows were not compared.
    pub missing: Vec<String>,
}

/// One row against another in one score: this minus the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The row compared with.
    pub base: String,
    /// Of the mean scores over all seeds; with the paired test, over those of the row.
    pub difference: f64,
    pub sentences: OverSentences,
    /// Absent where there is no test over seeds.
    pub seeds: Option<OverSeeds>,
    /// Why there is none.
    pub seeds_untested: Option<Untested>,
    /// The larger of the p-values there are.
    pub p: f64,
    /// `p` after Holm's correction over the rows of the column.
    pub p_corrected: f64,
}

/// Would the same models differ on other sentences?
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverSentences {
    /// Seeds of each side that take part.
    pub pairs: usize,
    pub p: f64,
    /// Half the width of the 95 % interval of the difference, by paired bootstrap.
    pub half_width: f64,
}

/// Would models of other seeds differ on the same sentences?
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverSeeds {
    pub test: SeedTest,
    /// Two-sided.
    pub p: f64,
    /// Half the width of the 95 % interval of the difference.
    pub half_width: f64,
    pub degrees_of_freedom: f64,
}

/// A test over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SeedTest {
    /// Welch's t-test of two means.
    Welch,
    /// The t-test of the differences by seed, of rows that decode the same trainings.
    Paired,
}

/// Why there is no test over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Untested {
    /// A side has one seed.
    OneSeed,
    /// There are several, and no spread to measure a difference by.
    NoSpread,
}

impl Untested {
    /// In words.
    pub fn text(self) -> &'static str {
        match self {
            Untested::OneSeed => "one seed: the luck of training is unknown",
            Untested::NoSpread => "the seeds do not differ: there is no test over seeds",
        }
    }
}

/// What a test over seeds found, or why there is none.
type OfSeeds = std::result::Result<OverSeeds, Untested>;

impl Comparison {
    /// Neither sentences nor seeds explain the difference. Never so where seeds were not tested.
    pub fn significant(&self) -> bool {
        self.seeds.is_some() && self.p_corrected <= LEVEL
    }

    /// Sentences do not explain the difference; there is one seed.
    pub fn significant_over_sentences_alone(&self) -> bool {
        self.seeds_untested == Some(Untested::OneSeed) && self.p_corrected <= LEVEL
    }
}

/// What BLEU counts in the kept translations, sentence by sentence: by row and column, one for each seed in
/// ascending order.
#[derive(Debug, Default)]
pub struct Evidence {
    pub counts: BTreeMap<(String, String), Vec<Counts>>,
    /// Why counts are missing.
    pub missing: Vec<String>,
}

impl ResultTable {
    /// Compares every row with its base row, in the columns that are [`TESTED`].
    ///
    /// # Errors
    /// None that evidence of one set of sentences can cause.
    pub fn compare(&mut self, evidence: &Evidence) -> Result<()> {
        let mut missing = evidence.missing.clone();
        if self.base_row().is_none() && self.rows.len() > 1 {
            missing.push("no row is the base: name one as base = \"LABEL\" under [table]".to_string());
        }
        let elsewhere =
            self.rows.iter().filter(|row| row.fingerprint.is_some() && self.base_of(row).is_none());
        if self.base_row().is_some_and(|base| base.fingerprint.is_some()) {
            let labels: Vec<&str> = elsewhere.map(|row| row.layout.label.as_str()).collect();
            if !labels.is_empty() {
                missing.push(format!("no base row was trained on the data of {}", labels.join(", ")));
            }
        }
        let mut compared = false;
        for column in 0..self.columns.len() {
            let name = self.columns[column].name.clone();
            if !TESTED.contains(&name.as_str()) {
                continue;
            }
            let found = std::thread::scope(|scope| {
                let rows: Vec<_> = self
                    .rows
                    .iter()
                    .map(|row| scope.spawn(|| self.comparison(row, column, &name, evidence)))
                    .collect();
                rows.into_iter()
                    .map(|row| row.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
                    .collect::<Result<Vec<_>>>()
            })?;
            let corrected = holm(&found.iter().flatten().map(|comparison| comparison.p).collect::<Vec<_>>());
            compared |= !corrected.is_empty();
            let mut corrected = corrected.into_iter();
            for (row, comparison) in self.rows.iter_mut().zip(found) {
                row.cells[column].comparison = comparison.map(|comparison| Comparison {
                    p_corrected: corrected.next().unwrap_or(1.0),
                    ..comparison
                });
            }
        }
        self.significance = Significance {
            randomization_trials: compared.then_some(RANDOMIZATION_TRIALS),
            bootstrap_resamples: compared.then_some(BOOTSTRAP_RESAMPLES),
            resampling_seed: compared.then_some(RESAMPLING_SEED),
            paired: self
                .rows_with(|found| found.seeds.as_ref().is_some_and(|seeds| seeds.test == SeedTest::Paired)),
            no_spread: self.rows_with(|found| found.seeds_untested == Some(Untested::NoSpread)),
            missing,
        };
        Ok(())
    }

    /// The labels of the rows with such a comparison in some column.
    fn rows_with(&self, wanted: impl Fn(&Comparison) -> bool) -> Vec<String> {
        let found = |row: &&Row| row.cells.iter().flat_map(|cell| &cell.comparison).any(&wanted);
        self.rows.iter().filter(found).map(|row| row.layout.label.clone()).collect()
    }

    /// A row against its base row, not corrected yet; none if there is nothing to compare.
    fn comparison(
        &self,
        row: &Row,
        column: usize,
        name: &str,
        evidence: &Evidence,
    ) -> Result<Option<Comparison>> {
        let Some(base) = self.base_of(row).filter(|base| base.layout.label != row.layout.label) else {
            return Ok(None);
        };
        let counts = |row: &Row| evidence.counts.get(&(row.layout.label.clone(), name.to_string()));
        let (Some(theirs), Some(ours)) = (counts(base), counts(row)) else { return Ok(None) };
        let (Some(their_scores), Some(our_scores)) =
            (&base.cells[column].summary, &row.cells[column].summary)
        else {
            return Ok(None);
        };
        let label = &base.layout.label;
        match of_same_trainings(base, row, column) {
            None => compare(label, SeedTest::Welch, (their_scores, theirs), (our_scores, ours)),
            Some(their_scores) => {
                let theirs = of_same_seeds(base, row, theirs);
                compare(label, SeedTest::Paired, (&their_scores, &theirs), (our_scores, ours))
            }
        }
        .map(Some)
    }
}

/// The scores of the base row's trials whose trainings a row decodes, in the order of the row's; none unless each of
/// its trials decodes one, that of the same seed.
fn of_same_trainings(base: &Row, row: &Row, column: usize) -> Option<Summary> {
    let theirs = &base.cells[column].summary.as_ref()?.values;
    let ours = &row.cells[column].summary.as_ref()?.values;
    // Where a trial lacks the score, it is not known which value is whose.
    if theirs.len() != base.trainings.len() || ours.len() != row.trainings.len() {
        return None;
    }
    let score = |training: &(u64, Option<String>)| {
        training.1.as_ref()?;
        let place = base.trainings.iter().position(|known| known == training)?;
        Some(theirs[place])
    };
    Summary::of(&row.trainings.iter().map(score).collect::<Option<Vec<f64>>>()?)
}

/// Of the base row's counts, by ascending seed, those of the seeds that a row has.
fn of_same_seeds(base: &Row, row: &Row, counts: &[Counts]) -> Vec<Counts> {
    let seeds = |row: &Row| row.trainings.iter().map(|(seed, _)| *seed).collect::<BTreeSet<u64>>();
    let (theirs, ours) = (seeds(base), seeds(row));
    let both = theirs.iter().zip(counts).filter(|(seed, _)| ours.contains(seed));
    both.map(|(_, counts)| counts.clone()).collect()
}

/// One side against another; each has the scores of its seeds, and its translations' counts. For the paired test,
/// the scores of both are of the same seeds in the same order. The p-value is not corrected.
///
/// # Errors
/// A user error where the sides differ in their sentences, or one has none.
pub fn compare(
    base: &str,
    test: SeedTest,
    (their_scores, theirs): (&Summary, &[Counts]),
    (our_scores, ours): (&Summary, &[Counts]),
) -> Result<Comparison> {
    // How text became tokens is in the counts; what is left of the configuration are the defaults.
    let sentences = over_sentences(&BleuConfig::default(), theirs, ours)?;
    let tested = match test {
        SeedTest::Welch => welch(their_scores, our_scores),
        SeedTest::Paired => paired(&their_scores.values, &our_scores.values),
    };
    let (seeds, seeds_untested) = match tested {
        Ok(seeds) => (Some(seeds), None),
        Err(why) => (None, Some(why)),
    };
    let p = seeds.as_ref().map_or(sentences.p, |seeds| seeds.p.max(sentences.p));
    Ok(Comparison {
        base: base.to_string(),
        difference: our_scores.mean - their_scores.mean,
        sentences,
        seeds,
        seeds_untested,
        p,
        p_corrected: p,
    })
}

/// The test over sentences, on the seeds that pair up.
///
/// # Errors
/// As for [`compare`].
pub fn over_sentences(metric: &dyn Metric, theirs: &[Counts], ours: &[Counts]) -> Result<OverSentences> {
    let pairs = theirs.len().min(ours.len());
    let (theirs, ours) = (&theirs[..pairs], &ours[..pairs]);
    let interval = confidence_of_difference(metric, theirs, ours, BOOTSTRAP_RESAMPLES, RESAMPLING_SEED)?;
    let p = randomization_of_means(metric, theirs, ours, RANDOMIZATION_TRIALS, RESAMPLING_SEED)?;
    Ok(OverSentences { pairs, p, half_width: interval.half_width })
}

/// Welch's t-test of two means.
///
/// # Errors
/// Where a side has one value, or neither has spread.
pub fn welch(theirs: &Summary, ours: &Summary) -> OfSeeds {
    let (Some(their_deviation), Some(our_deviation)) = (theirs.deviation, ours.deviation) else {
        return Err(Untested::OneSeed);
    };
    if their_deviation.max(our_deviation) <= ROUNDING {
        return Err(Untested::NoSpread);
    }
    let square = |deviation: f64, side: &Summary| deviation.powi(2) / side.n as f64;
    let (theirs_squared, ours_squared) = (square(their_deviation, theirs), square(our_deviation, ours));
    let variance = theirs_squared + ours_squared;
    let share = |squared: f64, side: &Summary| squared.powi(2) / (side.n - 1) as f64;
    let degrees_of_freedom = variance.powi(2) / (share(theirs_squared, theirs) + share(ours_squared, ours));
    t_test(SeedTest::Welch, ours.mean - theirs.mean, variance.sqrt(), degrees_of_freedom)
}

/// The paired t-test: do the differences of values that belong together have another mean than 0?
///
/// # Errors
/// Where there is one pair, or the differences have no spread.
pub fn paired(theirs: &[f64], ours: &[f64]) -> OfSeeds {
    let differences: Vec<f64> = theirs.iter().zip(ours).map(|(theirs, ours)| ours - theirs).collect();
    let Some(Summary { n, mean, deviation: Some(deviation), .. }) = Summary::of(&differences) else {
        return Err(Untested::OneSeed);
    };
    if deviation <= ROUNDING {
        return Err(Untested::NoSpread);
    }
    t_test(SeedTest::Paired, mean, deviation / (n as f64).sqrt(), (n - 1) as f64)
}

/// The test of a difference with its standard error.
fn t_test(test: SeedTest, difference: f64, error: f64, degrees_of_freedom: f64) -> OfSeeds {
    let distribution = StudentsT::new(0.0, 1.0, degrees_of_freedom).map_err(|_| Untested::NoSpread)?;
    Ok(OverSeeds {
        test,
        p: (2.0 * distribution.cdf(-(difference / error).abs())).min(1.0),
        half_width: distribution.inverse_cdf(1.0 - LEVEL / 2.0) * error,
        degrees_of_freedom,
    })
}

/// Holm's step-down correction: the smallest of m p-values times m, the next times m - 1, …; never below the
/// one before, and at most 1. In the order given.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![0.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        corrected[index] = largest;
    }
    corrected
}

#[cfg(test)]
mod tests {
    use super::super::layout::TrialOutcome;
    use super::super::table::tests::{finished, row, table3};
    use super::*;
    use crate::score::paired_randomization;

    fn near(a: f64, b: f64) -> bool {
        (a - b).abs() < 1e-12
    }

    #[test]
    fn holm_by_hand() {
        // Sorted: 0.005·4 = 0.02, 0.01·3 = 0.03, 0.03·2 = 0.06, 0.04·1 = 0.04 but not below 0.06.
        let corrected = holm(&[0.01, 0.04, 0.03, 0.005]);
        assert!(corrected.iter().zip([0.03, 0.06, 0.06, 0.02]).all(|(a, b)| near(*a, b)), "{corrected:?}");
        assert_eq!(holm(&[0.9, 0.6]), [1.0, 1.0]);
        assert!(holm(&[]).is_empty());
    }

    #[test]
    fn welch_by_hand() {
        // Means 2 and 6, variances 1 and 4, n 3 and 3: t = 4/√(5/3), ν = (5/3)²/((1/3)²/2 + (4/3)²/2) = 50/17.
        let (a, b) = (Summary::of(&[1.0, 2.0, 3.0]).unwrap(), Summary::of(&[4.0, 6.0, 8.0]).unwrap());
        let found = welch(&a, &b).unwrap();
        assert!((found.degrees_of_freedom - 50.0 / 17.0).abs() < 1e-12);
        // By numerical integration of Student's density with 50/17 degrees of freedom.
        assert!((found.p - 0.054_786_766).abs() < 1e-7, "{found:?}");
        assert!((found.half_width - 4.155_399_5).abs() < 1e-5, "{found:?}");
        assert_eq!(found.test, SeedTest::Welch);
        let single = Summary::of(&[1.0]).unwrap();
        assert_eq!(welch(&a, &single), Err(Untested::OneSeed));
        // Three times 0.1 is not 0.3: the mean is off by rounding.
        let constant = Summary::of(&[0.1, 0.1, 0.1]).unwrap();
        assert_eq!(welch(&constant, &constant), Err(Untested::NoSpread));
        assert!(welch(&constant, &a).is_ok());
    }

    #[test]
    fn paired_t_test_is_that_of_the_textbook() {
        // Student's own data (1908): hours of sleep gained by ten patients with each of two drugs. As published:
        // mean difference 1.58, t = 4.0621, 9 degrees of freedom, p = 0.002833, interval 0.7001 to 2.4599.
        let one = [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0];
        let other = [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4];
        let found = paired(&one, &other).unwrap();
        assert_eq!((found.test, found.degrees_of_freedom), (SeedTest::Paired, 9.0));
        assert!((found.p - 0.002_832_89).abs() < 1e-7, "{found:?}");
        assert!((found.half_width - 0.879_886).abs() < 1e-5, "{found:?}");
        // With two pairs the distribution is Cauchy's: p = 1 - 2 atan(t) / π, and t = 3 of differences 1 and 2.
        let found = paired(&[1.0, 5.0], &[2.0, 7.0]).unwrap();
        let known = 1.0 - 2.0 * 3f64.atan() / std::f64::consts::PI;
        assert!((found.p - known).abs() < 1e-9, "{found:?}");
        assert_eq!(paired(&[1.0], &[2.0]), Err(Untested::OneSeed));
        // The differences are equal but for rounding.
        assert_eq!(paired(&[25.3, 24.3, 26.7], &[25.4, 24.4, 26.8]), Err(Untested::NoSpread));
    }

    /// Forty lines, of which every `n`th lacks a word in the middle.
    fn counts(n: usize) -> Counts {
        let reference: Vec<String> = (0..40).map(|i| format!("a{i} b c{i} d e{i} f g{i}")).collect();
        let broken =
            |(i, line): (usize, &String)| if i % n == 0 { line.replace(" d ", " ") } else { line.clone() };
        let hypotheses: Vec<String> = reference.iter().enumerate().map(broken).collect();
        BleuConfig::default().counts(&hypotheses, &[reference]).unwrap()
    }

    fn score(counts: &Counts) -> f64 {
        BleuConfig::default().score(&counts.sum())
    }

    /// A table of these rows, each with translations of so many seeds and with trainings of its own.
    fn compared(rows: &[(&str, Vec<Counts>)]) -> ResultTable {
        compared_with(rows, |label, seed| format!("{label} {seed}"))
    }

    /// The same, each trial with a training.
    fn compared_with(rows: &[(&str, Vec<Counts>)], training: impl Fn(&str, u64) -> String) -> ResultTable {
        let mut layout = table3(rows.iter().map(|(label, _)| row(label, None, &[])).collect());
        layout.columns = vec!["dev/bleu".into()];
        layout.rows.iter_mut().for_each(|row| row.seeds = (1..=4).collect());
        let mut evidence = Evidence::default();
        let mut results = Vec::new();
        for (label, seeds) in rows {
            results.extend(seeds.iter().zip(1..).map(|(counts, seed)| {
                let mut result = finished(label, seed, 5.0, score(counts));
                if let TrialOutcome::Finished { record, .. } = &mut result.outcome {
                    record.training_identity = Some(training(label, seed));
                }
                result
            }));
            evidence.counts.insert((label.to_string(), "dev/bleu".to_string()), seeds.clone());
        }
        let mut table = ResultTable::new(&layout, &results).unwrap();
        table.compare(&evidence).unwrap();
        table
    }

    #[test]
    fn one_seed_gets_the_p_value_of_the_paired_test_and_no_verdict_on_training() {
        let table = compared(&[("base", vec![counts(9)]), ("worse", vec![counts(2)])]);
        let found = table.rows[1].cells[0].comparison.as_ref().unwrap();
        let known = paired_randomization(
            &BleuConfig::default(),
            &counts(9),
            &counts(2),
            RANDOMIZATION_TRIALS,
            RESAMPLING_SEED,
        );
        let known = known.unwrap();
        // Draws are the same; only exact ties may count for more.
        assert!(found.p >= known && found.p - known < 0.01, "{} {known}", found.p);
        assert!(found.significant_over_sentences_alone() && !found.significant());
        assert_eq!((found.seeds.is_some(), found.p_corrected), (false, found.p));
        assert!(found.difference < 0.0 && found.difference.abs() > found.sentences.half_width);
        assert_eq!(table.rows[0].cells[0].comparison, None);
    }

    #[test]
    fn seeds_that_scatter_as_much_as_rows_differ_leave_no_significance() {
        let table = compared(&[
            ("base", vec![counts(9), counts(7), counts(9)]),
            ("worse", vec![counts(2), counts(2), counts(2)]),
            ("unsteady", vec![counts(2), counts(9), counts(40)]),
        ]);
        let [worse, unsteady] = [1, 2].map(|row| table.rows[row].cells[0].comparison.clone().unwrap());
        assert!(worse.significant(), "{worse:?}");
        assert!(!unsteady.significant() && !unsteady.significant_over_sentences_alone(), "{unsteady:?}");
        assert_eq!(worse.p, worse.seeds.as_ref().unwrap().p.max(worse.sentences.p));
        // Two rows are tested: the smaller p counts twice.
        assert!(near(worse.p_corrected, 2.0 * worse.p));
        assert_eq!(worse.sentences.pairs, 3);
    }

    #[test]
    fn a_row_of_fewer_seeds_is_compared_over_those_that_pair_up() {
        let table = compared(&[
            ("base", vec![counts(9), counts(8), counts(7)]),
            ("worse", vec![counts(2), counts(3)]),
        ]);
        let found = table.rows[1].cells[0].comparison.clone().unwrap();
        assert_eq!(found.sentences.pairs, 2);
        let means = [&table.rows[1], &table.rows[0]].map(|row| row.cells[0].summary.as_ref().unwrap().mean);
        assert!(near(found.difference, means[0] - means[1]));
    }

    #[test]
    fn rows_that_decode_the_same_trainings_are_paired_by_seed() {
        // Seeds scatter more than decoding differs, and decoding helps with each of them.
        let rows = [
            ("base", vec![counts(2), counts(5), counts(13), counts(3)]),
            ("decoding", vec![counts(3), counts(9), counts(20)]),
            ("trained", vec![counts(3), counts(9), counts(20)]),
        ];
        let table = compared_with(&rows, |label, seed| match label {
            "trained" => format!("other {seed}"),
            _ => format!("shared {seed}"),
        });
        let [decoding, trained] = [1, 2].map(|row| table.rows[row].cells[0].comparison.clone().unwrap());
        let scores = |row: usize| rows[row].1[..3].iter().map(score).collect::<Vec<_>>();
        let by_hand = paired(&scores(0), &scores(1)).unwrap();
        assert_eq!(decoding.seeds, Some(by_hand.clone()));
        assert_eq!(trained.seeds.as_ref().unwrap().test, SeedTest::Welch);
        assert!(by_hand.p < trained.seeds.as_ref().unwrap().p);
        assert_eq!(table.significance.paired, ["decoding"]);
        // The base's fourth seed has no partner.
        let mean = |scores: Vec<f64>| scores.iter().sum::<f64>() / 3.0;
        assert!(near(decoding.difference, mean(scores(1)) - mean(scores(0))), "{decoding:?}");
        assert!(!near(decoding.difference, trained.difference));
        // One seed of another training is enough for the unpaired test.
        let table = compared_with(&rows, |label, seed| match (label, seed) {
            ("decoding", 3) => "another".to_string(),
            _ => format!("shared {seed}"),
        });
        let found = table.rows[1].cells[0].comparison.as_ref().unwrap();
        assert_eq!(found.seeds.as_ref().unwrap().test, SeedTest::Welch);
    }

    #[test]
    fn seeds_that_do_not_differ_are_not_one_seed() {
        let same = |n: usize| vec![counts(n), counts(n)];
        let table = compared(&[("base", same(9)), ("worse", same(2))]);
        let found = table.rows[1].cells[0].comparison.as_ref().unwrap();
        assert_eq!((&found.seeds, found.seeds_untested), (&None, Some(Untested::NoSpread)));
        assert!(found.p_corrected <= LEVEL);
        assert!(!found.significant() && !found.significant_over_sentences_alone());
        assert_eq!(table.significance.no_spread, ["worse"]);
        assert!(!Untested::NoSpread.text().contains("one seed"));
        let single = compared(&[("base", vec![counts(9)]), ("worse", vec![counts(2)])]);
        let found = single.rows[1].cells[0].comparison.as_ref().unwrap();
        assert_eq!(found.seeds_untested, Some(Untested::OneSeed));
        assert!(single.significance.no_spread.is_empty());
    }

    #[test]
    fn without_a_base_row_or_translations_nothing_is_compared_and_it_says_so() {
        let mut table = compared(&[("one", vec![counts(9)]), ("two", vec![counts(2)])]);
        assert!(table.significance.missing[0].contains("base = \"LABEL\""));
        table.base = Some("one".into());
        let missing = vec!["not prepared".to_string()];
        table.compare(&Evidence { missing: missing.clone(), ..Evidence::default() }).unwrap();
        assert_eq!((table.significance.missing, table.rows[1].cells[0].comparison.clone()), (missing, None));
        assert_eq!(table.significance.randomization_trials, None);
    }
}
