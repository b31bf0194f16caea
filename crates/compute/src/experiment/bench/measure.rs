//! How much is measured, and what measurements are made of.

use crate::experiment::measurement::Half;
use crate::stopwatch::Phase;
use serde::Serialize;
use std::collections::BTreeMap;

/// How much is measured.
#[derive(Debug, Clone)]
pub struct Effort {
    /// Absent: both.
    pub only: Option<Half>,
    /// Updates before the clock starts.
    pub warmup: usize,
    /// Updates that are timed, and as many again for the split.
    pub updates: usize,
    /// Sentences that are translated.
    pub sentences: usize,
    /// Passes over them that are timed.
    pub passes: usize,
    /// After so many seconds each of these ends early, with one update or pass at least.
    pub seconds: f64,
}

/// Where the time goes: seconds by phase, and their sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    pub phases: BTreeMap<Phase, f64>,
    pub total: f64,
    /// The share of the time on a clock of its own that the phases add up to, before anything is scaled.
    pub accounted: f64,
}

impl Split {
    pub fn of(phases: BTreeMap<Phase, f64>, accounted: f64) -> Self {
        Split { total: phases.values().sum(), phases, accounted }
    }
}

/// The number in the middle, or the mean of the two.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => values[middle],
        _ => (values[middle - 1] + values[middle]) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle() {
        assert_eq!(median(vec![5.0, 1.0, 9.0]), 5.0);
        assert_eq!(median(vec![4.0, 1.0, 9.0, 5.0]), 4.5);
    }
}
