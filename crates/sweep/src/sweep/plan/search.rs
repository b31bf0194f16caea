//! The plan of a search: its draws to come, and their largest cost.

use super::planned::{PlannedKey, PlannedSearch};
use super::price::{CostEstimator, Price, makespan};
use crate::error::Result;
use crate::search::STARTUP_DRAWS;
use crate::sweep::drawing::Drawing;

/// Number of random draws of which the largest stands for the draws to come.
const PRICED: u64 = 30;

/// Returns the plan of a search, whose trials to come run on `workers` at once.
///
/// # Errors
/// A corpus that exists and is damaged.
pub fn planned(drawing: &Drawing, estimator: &mut CostEstimator, workers: usize) -> Result<PlannedSearch> {
    let drawer = &drawing.drawer;
    let trials_to_come = drawing.to_come() * drawer.seeds().len();
    let mut largest: Option<Price> = None;
    for attempt in 0..if trials_to_come > 0 { PRICED } else { 0 } {
        // Refused draws are not made later either.
        let Ok(Some((_, row))) =
            drawer.row(drawing.draws.len(), &drawer.random(drawing.draws.len(), attempt))
        else {
            continue;
        };
        let price = estimator.price(&row.experiment)?;
        if largest.as_ref().is_none_or(|largest| price.flops_after(0) > largest.flops_after(0)) {
            largest = Some(price);
        }
    }
    let seconds = largest.as_ref().and_then(|price| price.seconds_after(0));
    Ok(PlannedSearch {
        objective: drawer.search.objective.clone(),
        seed: drawer.search.seed,
        count: drawer.search.count,
        startup: STARTUP_DRAWS.min(drawer.search.count),
        known: drawing.draws.len(),
        space: drawer
            .search
            .keys
            .iter()
            .map(|drawn| PlannedKey {
                key: drawn.key.clone(),
                distribution: drawn.distribution.text(),
                when: drawn.when.as_ref().map(|when| when.text().to_string()),
            })
            .collect(),
        trials_to_come,
        flops_to_come: largest.map_or(0.0, |price| price.flops_after(0) * trials_to_come as f64),
        seconds_to_come: match trials_to_come {
            0 => Some(0.0),
            count => seconds.map(|seconds| makespan(&vec![seconds; count], workers)),
        },
    })
}
