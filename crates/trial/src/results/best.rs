//! The best value of each column.

use super::metric::{Better, Metric};
use super::table::{ResultTable, Row};
use std::collections::BTreeMap;

impl ResultTable {
    /// Marks the best mean of every metric among the rows that compare: those of one text that are scored alike.
    pub(super) fn mark_best(&mut self) {
        for column in 0..self.columns.len() {
            let Some(Metric { better, has_signature, .. }) = self.columns[column].metric else { continue };
            // Rows that compare.
            let kind = |row: &Row| (row.fingerprint.clone(), row.signature.clone().filter(|_| has_signature));
            let mut best: BTreeMap<_, f64> = BTreeMap::new();
            for row in &self.rows {
                let Some(summary) = &row.cells[column].summary else { continue };
                let so_far = best.entry(kind(row)).or_insert(summary.mean);
                *so_far = match better {
                    Better::Higher => so_far.max(summary.mean),
                    Better::Lower => so_far.min(summary.mean),
                };
            }
            for row in &mut self.rows {
                let best = best.get(&kind(row));
                let cell = &mut row.cells[column];
                cell.best = cell.summary.as_ref().is_some_and(|summary| Some(&summary.mean) == best);
            }
        }
    }
}
