//! The result of comparing two rows; [`significance`](super::significance) describes the tests.

use serde::Serialize;

/// Differences with a corrected p-value up to this are called significant.
pub const LEVEL: f64 = 0.05;

/// The methods of comparing rows, and the rows that were not compared.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Significance {
    /// Number of trials of approximate randomisation; `None` if nothing was compared.
    pub randomization_trials: Option<u32>,
    /// Number of bootstrap resamples of the intervals; `None` if nothing was compared.
    pub bootstrap_resamples: Option<u32>,
    pub resampling_seed: Option<u64>,
    /// The rows that decode trainings of the base row and have the paired test over seeds.
    pub paired: Vec<String>,
    /// Cells, as row and column, without a test over seeds because the seeds' scores do not differ.
    pub no_spread: Vec<String>,
    /// Cells, as row and column, without a test over seeds because the differences by seed are all equal.
    pub equal_differences: Vec<String>,
    /// The reasons why some or all rows were not compared.
    pub missing: Vec<String>,
}

/// The comparison of a row with another one in one score: this row minus the other.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The row compared with.
    pub base: String,
    /// Difference of the mean scores over all seeds; with the paired test, over the seeds of the row.
    pub difference: f64,
    pub sentences: OverSentences,
    /// The test over seeds, if there is one.
    pub seeds: Option<OverSeeds>,
    /// The reason why there is no test over seeds.
    pub seeds_untested: Option<Untested>,
    /// The larger of the available p-values.
    pub p: f64,
    /// `p` after Holm's correction over the rows of the column.
    pub p_corrected: f64,
}

/// The test whether the same models would differ on other sentences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverSentences {
    /// Number of pairs of a seed of each side. If the sides have different numbers of seeds, seeds take part in several
    /// pairs, all seeds of a side equally often.
    pub pairs: usize,
    pub p: f64,
    /// Half the width of the 95 % interval of the difference, by paired bootstrap.
    pub half_width: f64,
}

impl Comparison {
    /// Whether neither sentences nor seeds explain the difference. False if seeds were not tested.
    pub fn significant(&self) -> bool {
        self.seeds.is_some() && self.p_corrected <= LEVEL
    }

    /// Whether sentences do not explain the difference, and there is only one seed.
    pub fn significant_over_sentences_alone(&self) -> bool {
        self.seeds_untested == Some(Untested::OneSeed) && self.p_corrected <= LEVEL
    }
}

/// The test whether models of other seeds would differ on the same sentences.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OverSeeds {
    pub test: SeedTest,
    /// The two-sided p-value.
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
    /// The t-test of the differences by seed, for rows that decode the same trainings.
    Paired,
}

/// The reason why there is no test over seeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Untested {
    /// A side has one seed.
    OneSeed,
    /// There are several seeds, but no spread by which to judge a difference.
    NoSpread,
    /// The differences by seed in the paired test are all equal.
    EqualDifferences,
}

impl Untested {
    /// The reason in words.
    pub fn text(self) -> &'static str {
        match self {
            Untested::OneSeed => "one seed: the luck of training is unknown",
            Untested::NoSpread => "the seeds do not differ: there is no test over seeds",
            Untested::EqualDifferences => {
                "the differences by seed are all equal: there is no test over seeds"
            }
        }
    }
}
