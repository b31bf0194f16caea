//! The effort of a bench, and the parts of its results.

use crate::experiment::measurement::Half;
use crate::stopwatch::Phase;
use serde::Serialize;
use std::collections::BTreeMap;

/// Numbers of updates, sentences and passes to measure, and the time limit.
#[derive(Debug, Clone)]
pub struct Effort {
    /// The half to measure; absent: both.
    pub only: Option<Half>,
    /// Number of updates before the clock starts.
    pub warmup: usize,
    /// Number of timed updates; the split takes the same number again.
    pub updates: usize,
    /// Number of sentences to translate.
    pub sentences: usize,
    /// Number of timed passes over these sentences.
    pub passes: usize,
    /// Limit in seconds for each measurement, which ends early then, after at least one update or pass.
    pub seconds: f64,
}

/// Seconds by phase, and their sum.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Split {
    pub phases: BTreeMap<Phase, f64>,
    pub total: f64,
    /// Sum of the phases before any scaling, as a share of the time on a separate clock.
    pub accounted: f64,
}

impl Split {
    pub fn of(phases: BTreeMap<Phase, f64>, accounted: f64) -> Self {
        Split { total: phases.values().sum(), phases, accounted }
    }
}

/// Returns the middle value, or the mean of the two middle values; NaN if there are no values.
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
