//! The best value of each column.

use super::metric::Better;
use super::table::{ResultTable, Row};
use std::collections::BTreeMap;

impl ResultTable {
    /// Marks the best mean of every metric among comparable rows: rows of the same text that are scored alike. If
    /// several rows compare and all have the same mean, none is the best.
    pub(super) fn mark_best(&mut self) {
        for column in 0..self.columns.len() {
            let Some(metric) = self.columns[column].metric else { continue };
            // Rows of the same kind compare.
            let kind = |row: &Row| self.rows.iter().position(|other| row.compares_in(&metric, other));
            let kinds: Vec<_> = self.rows.iter().map(kind).collect();
            let mean = |row: &Row| Some(row.cells[column].summary.as_ref()?.mean);
            let means: Vec<_> = self.rows.iter().map(mean).collect();
            let best = best_of_each(&kinds, &means, metric.better);
            self.rows.iter_mut().zip(best).for_each(|(row, best)| row.cells[column].best = best);
        }
    }
}

/// Tells which of the means is the best of its kind. If a kind has several means and all are equal, none is.
pub(super) fn best_of_each<K: Ord>(kinds: &[K], means: &[Option<f64>], better: Better) -> Vec<bool> {
    let mut of_kind: BTreeMap<&K, Vec<f64>> = BTreeMap::new();
    for (kind, mean) in kinds.iter().zip(means) {
        of_kind.entry(kind).or_default().extend(mean);
    }
    let best = |means: &Vec<f64>| match better {
        _ if means.len() > 1 && means.iter().all(|mean| *mean == means[0]) => None,
        Better::Higher => means.iter().copied().reduce(f64::max),
        Better::Lower => means.iter().copied().reduce(f64::min),
    };
    let is_best = |(kind, mean): (&K, &Option<f64>)| mean.is_some() && *mean == best(&of_kind[kind]);
    kinds.iter().zip(means).map(is_best).collect()
}

#[cfg(test)]
mod tests {
    use super::super::examples::{example, finished};
    use super::super::trial_result::TrialResult;
    use super::*;

    /// A column whose values are all equal has no best one; if one row is worse, the others are the best.
    #[test]
    fn equal_values_are_not_the_best_of_their_column() {
        let (mut layout, _) = example();
        layout.rows.iter_mut().for_each(|row| row.seeds = vec![1]);
        let of = |bleu: [f64; 3]| {
            let rows = layout.rows.iter().zip(bleu);
            let results: Vec<TrialResult> =
                rows.map(|(row, bleu)| finished(&row.label, 1, 5.0, bleu)).collect();
            let table = ResultTable::new(&layout, &results).unwrap();
            [2, 3].map(|column| table.rows.iter().map(|row| row.cells[column].best).collect::<Vec<_>>())
        };
        assert_eq!(of([25.0, 25.0, 25.0]), [[false; 3], [false; 3]]);
        assert_eq!(of([25.0, 25.0, 24.0]), [[false; 3], [true, true, false]]);
    }
}
