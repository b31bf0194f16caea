//! What comparing two rows gives; [`significance`](super::significance) says how it is found.

use serde::Serialize;

/// Differences with a corrected p-value up to this are called significant.
pub const LEVEL: f64 = 0.05;

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
    /// Where there is no test over seeds because their scores do not differ, as row and column.
    pub no_spread: Vec<String>,
    /// Where there is none because the differences by seed are all equal, as row and column.
    pub equal_differences: Vec<String>,
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
    /// Pairs of a seed of each side. Where one side has more seeds than the other, seeds take part in several, those of a
    /// side equally often.
    pub pairs: usize,
    pub p: f64,
    /// Half the width of the 95 % interval of the difference, by paired bootstrap.
    pub half_width: f64,
}

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
    /// The differences by seed, of the paired test, are all equal.
    EqualDifferences,
}

impl Untested {
    /// In words.
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
