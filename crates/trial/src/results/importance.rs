//! The importance of settings for being among the best rows: PED-ANOVA, Optuna's default evaluator. For each setting
//! the distribution of its values among the best rows is compared with the distribution among all rows; their Pearson
//! divergence is the setting's share of the variance of "is among the best".
//!
//! # Source
//! Watanabe, Bansal and Hutter 2023, "PED-ANOVA: Efficiently Quantifying Hyperparameter Importance in Arbitrary
//! Subspaces" (IJCAI), eq. 12–15; for settings that not all rows have, Algorithm 1 of "Conditional PED-ANOVA" (2026,
//! arXiv 2601.20800). Kernels, grids and bandwidths are those of Optuna 5.0.0, `optuna/importance/_ped_anova`, with
//! which `scripts/make_importance_fixtures.py` computed the values that the test expects.

use statrs::function::erf::erfc;

/// Least number of rows: with fewer, the best rows say little about the others.
pub const LEAST_ROWS: usize = 10;
/// Least number of best rows: Optuna's documentation asks for it, so that the importances are stable.
const LEAST_BEST: usize = 5;
/// Number of rows per best row, if that gives more best rows than [`LEAST_BEST`].
const BEST_SHARE: usize = 10;

/// Number of cells into which a range of numbers is divided.
const CELLS: usize = 50;
/// The least bandwidth, in cells: 90 % of a kernel lies within its own cell.
const LEAST_BANDWIDTH: f64 = 0.5 / 1.64;
/// A number added to densities, so that none is 0.
const FLOOR: f64 = 1e-12;
/// Least number of rows that must have a setting.
const LEAST_HAVING: usize = 2;

/// A setting with its value in every row.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    pub domain: Domain,
    /// One value per row: a number of the range, or the index of the choice; `None` if the row does not have the setting.
    pub values: Vec<Option<f64>>,
}

/// The values that a setting can have.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// This many choices, without an order.
    Choices(usize),
    /// Any number from `least` to `most`, on a logarithmic scale if values were drawn on one.
    Range { least: f64, most: f64, logarithmic: bool },
}

/// Returns the number of best rows among `rows`.
pub fn best_of(rows: usize) -> usize {
    rows.div_ceil(BEST_SHARE).max(LEAST_BEST)
}

/// The share of each parameter; shares add up to 1. `None` if no parameter distinguishes the best rows from the others.
///
/// `scores` has one value per row, higher is better. `best` is the number of best rows; rows with the same score as the
/// worst of these count among them.
///
/// # Panics
/// If a parameter has more or fewer values than there are scores, or a score is NaN.
pub fn importances(parameters: &[Parameter], scores: &[f64], best: usize) -> Option<Vec<f64>> {
    assert!(parameters.iter().all(|parameter| parameter.values.len() == scores.len()), "one value a row");
    let mut ordered = scores.to_vec();
    ordered.sort_by(|a, b| b.partial_cmp(a).expect("scores are numbers"));
    let limit = *ordered.get(best.checked_sub(1)?)?;
    let is_best: Vec<bool> = scores.iter().map(|score| *score >= limit).collect();
    let found: Vec<f64> = parameters.iter().map(|parameter| divergence(parameter, &is_best)).collect();
    let sum: f64 = found.iter().sum();
    (sum > 0.0).then(|| found.into_iter().map(|value| value / sum).collect())
}

/// The divergence of a parameter's values among the best rows from those among all, weighted by the share of rows with it.
fn divergence(parameter: &Parameter, is_best: &[bool]) -> f64 {
    let Parameter { domain, values } = parameter;
    let having: Vec<(f64, bool)> =
        values.iter().zip(is_best).filter_map(|(value, best)| Some(((*value)?, *best))).collect();
    let best: Vec<f64> = having.iter().filter(|(_, best)| *best).map(|(value, _)| *value).collect();
    let single = match *domain {
        Domain::Choices(count) => count < 2,
        Domain::Range { least, most, .. } => least >= most,
    };
    if single || having.len() < LEAST_HAVING || best.is_empty() {
        return 0.0;
    }
    let all: Vec<f64> = having.iter().map(|(value, _)| *value).collect();
    let (among_best, among_all) = (density(*domain, &best), density(*domain, &all));
    let pearson: f64 =
        among_best.iter().zip(&among_all).map(|(best, all)| all * (best / all - 1.0).powi(2)).sum();
    let share_of_best = best.len() as f64 / is_best.iter().filter(|best| **best).count() as f64;
    let share_of_all = all.len() as f64 / is_best.len() as f64;
    share_of_best.powi(2) / share_of_all * pearson
}

/// A Parzen estimate of the probability of each cell, with an even prior of the weight of one value.
fn density(domain: Domain, values: &[f64]) -> Vec<f64> {
    let counts = counts(domain, values);
    let seen: Vec<(usize, f64)> = counts
        .iter()
        .enumerate()
        .filter(|(_, count)| **count > 0)
        .map(|(cell, count)| (cell, *count as f64))
        .collect();
    let total: f64 = seen.iter().map(|(_, count)| count).sum::<f64>() + 1.0;
    let cells = counts.len();
    let kernel: Box<dyn Fn(usize, usize) -> f64> = match domain {
        Domain::Choices(_) => {
            let prior = 1.0 / (seen.len() + 1) as f64;
            let row = 1.0 + prior * cells as f64;
            Box::new(move |centre, cell| (prior + f64::from(u8::from(centre == cell))) / row)
        }
        Domain::Range { .. } => {
            let width = bandwidth(&seen);
            Box::new(move |centre, cell| truncated(centre as f64, width, cell, cells))
        }
    };
    let prior = |cell: usize| match domain {
        Domain::Choices(_) => 1.0 / cells as f64,
        Domain::Range { .. } => truncated((cells - 1) as f64 / 2.0, cells as f64, cell, cells),
    };
    let of_cell = |cell: usize| {
        let kernels: f64 = seen.iter().map(|(centre, count)| count * kernel(*centre, cell)).sum();
        (kernels + prior(cell)) / total + FLOOR
    };
    (0..cells).map(of_cell).collect()
}

/// Counts the values in each cell. A value halfway between two centres belongs to the lower cell.
fn counts(domain: Domain, values: &[f64]) -> Vec<usize> {
    let cell: Box<dyn Fn(f64) -> usize> = match domain {
        Domain::Choices(count) => Box::new(move |value| (value as usize).min(count - 1)),
        Domain::Range { least, most, logarithmic } => {
            let scaled = move |value: f64| if logarithmic { value.ln() } else { value };
            let step = (scaled(most) - scaled(least)) / (CELLS - 1) as f64;
            let last = (CELLS - 1) as f64;
            Box::new(move |value| {
                (((scaled(value) - scaled(least)) / step - 0.5).ceil().clamp(0.0, last)) as usize
            })
        }
    };
    let mut counts = vec![0; if let Domain::Choices(count) = domain { count } else { CELLS }];
    values.iter().for_each(|value| counts[cell(*value)] += 1);
    counts
}

/// The bandwidth by Scott's rule, from the smaller of the standard deviation and the interquartile range.
///
/// # Source
/// Scott 1992, "Multivariate Density Estimation".
fn bandwidth(seen: &[(usize, f64)]) -> f64 {
    let total: f64 = seen.iter().map(|(_, count)| count).sum();
    let mean = seen.iter().map(|(cell, count)| *cell as f64 * count).sum::<f64>() / total;
    let squares: f64 = seen.iter().map(|(cell, count)| count * (*cell as f64 - mean).powi(2)).sum();
    let deviation = (squares / (total - 1.0).max(1.0)).sqrt();
    // The first cell at which the number of values reaches a share of all.
    let place = |reached: &dyn Fn(f64) -> bool| {
        let mut sum = 0.0;
        let found = seen.iter().position(|(_, count)| {
            sum += count;
            reached(sum)
        });
        seen[found.unwrap_or(seen.len() - 1)].0 as f64
    };
    let (first, third) = ((total / 4.0).floor(), (total * 3.0 / 4.0).floor());
    let range = place(&|sum| sum > third) - place(&|sum| sum >= first);
    (1.059 * deviation.min(range / 1.34) * total.powf(-0.2)).max(LEAST_BANDWIDTH)
}

/// Mass in a cell of a normal distribution that is cut off half a cell beyond the first and the last cell.
fn truncated(mean: f64, deviation: f64, cell: usize, cells: usize) -> f64 {
    let mass = |from: f64, to: f64| normal_mass((from - mean) / deviation, (to - mean) / deviation);
    mass(cell as f64 - 0.5, cell as f64 + 0.5) / mass(-0.5, cells as f64 - 0.5)
}

/// Mass of the standard normal distribution between `from` and `to`; above 0 from the upper tails, to avoid cancellation.
fn normal_mass(from: f64, to: f64) -> f64 {
    let below = |value: f64| erfc(-value * std::f64::consts::FRAC_1_SQRT_2) / 2.0;
    if from > 0.0 { below(-from) - below(-to) } else { below(to) - below(from) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        parameters: Vec<Given>,
        scores: Vec<f64>,
        best: usize,
        importances: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Given {
        choices: Option<usize>,
        range: Option<(f64, f64)>,
        logarithmic: bool,
        values: Vec<Option<f64>>,
    }

    #[test]
    fn shares_are_those_of_optuna() {
        let text = include_str!("../../../../tests/fixtures/importance.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        assert!(fixture.cases.len() >= 5);
        for Case { name, parameters, scores, best, importances: expected } in fixture.cases {
            let parameter = |given: Given| Parameter {
                domain: match (given.choices, given.range) {
                    (Some(count), _) => Domain::Choices(count),
                    (None, range) => {
                        let (least, most) = range.unwrap();
                        Domain::Range { least, most, logarithmic: given.logarithmic }
                    }
                },
                values: given.values,
            };
            let parameters: Vec<Parameter> = parameters.into_iter().map(parameter).collect();
            let found = importances(&parameters, &scores, best).unwrap();
            assert_eq!(found.len(), expected.len());
            for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
                let gap = (found - expected).abs();
                assert!(gap < 1e-9, "{name}, parameter {index}: {found}, Optuna has {expected}");
            }
        }
    }

    #[test]
    fn settings_that_say_nothing_have_no_shares() {
        let choices = |values: &[f64]| Parameter {
            domain: Domain::Choices(2),
            values: values.iter().map(|value| Some(*value)).collect(),
        };
        let scores = [1.0, 1.0, 1.0, 1.0];
        assert_eq!(importances(&[choices(&[0.0, 1.0, 0.0, 1.0])], &scores, 2), None);
        assert_eq!(importances(&[], &scores, 2), None);
        assert_eq!(importances(&[choices(&[0.0, 1.0, 0.0, 1.0])], &scores, 9), None);
        assert_eq!(importances(&[choices(&[0.0, 1.0, 0.0, 1.0])], &[1.0, 2.0, 1.0, 2.0], 2), Some(vec![1.0]));
    }

    #[test]
    fn the_best_are_a_tenth_but_never_fewer_than_five() {
        assert_eq!([10, 18, 50, 51, 200].map(best_of), [5, 5, 5, 6, 20]);
    }
}
