//! A density over the values of several keys together: a mixture of kernels, one for each observed draw, and the prior. A
//! kernel is the product of one distribution for each key.

use super::domain::Domain;
use super::normal::{mass, quantile};
use std::f64::consts::PI;

/// Weight of the prior, in observations.
const PRIOR_WEIGHT: f64 = 1.0;
/// Number of latest observations that have weight 1; among those before them, earlier ones weigh less.
const FULL_WEIGHTS: usize = 25;
/// The narrowest kernel is the interval divided by this, or by less with few observations ("magic clip").
const NARROWEST: f64 = 100.0;

/// A mixture of kernels.
#[derive(Debug, Clone, PartialEq)]
pub struct ParzenEstimator {
    /// Weights of the kernels, the prior's last. Their sum is 1.
    weights: Vec<f64>,
    dimensions: Vec<Dimension>,
}

/// The distributions of one key, in the order of the kernels.
#[derive(Debug, Clone, PartialEq)]
enum Dimension {
    /// Normal distributions within the interval of the domain.
    Normal(Domain, Vec<Normal>),
    /// Probabilities of the choices.
    Choices(Vec<Vec<f64>>),
}

/// A normal distribution that is cut off at the bounds of an interval.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Normal {
    mean: f64,
    width: f64,
    /// The bounds, in widths from the mean.
    bounds: (f64, f64),
    log_mass: f64,
}

impl ParzenEstimator {
    /// Builds the estimator from observed draws, the earliest first, each with a value for each domain.
    ///
    /// # Panics
    /// If a draw has fewer values than there are domains, or a choice's index is out of range.
    pub fn new(domains: &[Domain], draws: &[Vec<f64>]) -> ParzenEstimator {
        let mut weights = observation_weights(draws.len());
        weights.push(PRIOR_WEIGHT);
        let sum: f64 = weights.iter().sum();
        weights.iter_mut().for_each(|weight| *weight /= sum);
        let dimension = |(index, domain): (usize, &Domain)| {
            let values: Vec<f64> = draws.iter().map(|draw| draw[index]).collect();
            Dimension::new(*domain, &values)
        };
        ParzenEstimator { weights, dimensions: domains.iter().enumerate().map(dimension).collect() }
    }

    /// Draws from the density; `uniform` returns numbers from 0 to below 1.
    pub fn sample(&self, uniform: &mut impl FnMut() -> f64) -> Vec<f64> {
        let kernel = pick(&self.weights, uniform());
        self.dimensions.iter().map(|dimension| dimension.sample(kernel, uniform())).collect()
    }

    /// Returns the logarithm of the density at a draw, or of the probability for integers and choices. In a logarithmic
    /// domain, the density is that of the logarithm.
    pub fn log_density(&self, draw: &[f64]) -> f64 {
        let of_kernel = |(kernel, weight): (usize, &f64)| {
            let dimensions = self.dimensions.iter().zip(draw);
            weight.ln()
                + dimensions.map(|(dimension, value)| dimension.log_density(kernel, *value)).sum::<f64>()
        };
        let terms: Vec<f64> = self.weights.iter().enumerate().map(of_kernel).collect();
        // The term of the prior is finite everywhere.
        let most = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        most + terms.iter().map(|term| (term - most).exp()).sum::<f64>().ln()
    }
}

/// Returns the weights of `count` observations, the earliest first: 1 for the latest 25, and before them from 1/n up to
/// 1 in equal steps.
fn observation_weights(count: usize) -> Vec<f64> {
    let early = count.saturating_sub(FULL_WEIGHTS);
    let least = 1.0 / count.max(1) as f64;
    let steps = early.saturating_sub(1).max(1) as f64;
    let ramp = (0..early).map(|index| least + (1.0 - least) * index as f64 / steps);
    ramp.chain(std::iter::repeat_n(1.0, count - early)).collect()
}

/// Returns the index at which the running sum of `shares` exceeds `u`.
fn pick(shares: &[f64], u: f64) -> usize {
    let mut sum = 0.0;
    let reached = shares.iter().position(|share| {
        sum += share;
        u < sum
    });
    reached.unwrap_or(shares.len() - 1)
}

impl Dimension {
    fn new(domain: Domain, values: &[f64]) -> Dimension {
        match (domain, domain.interval()) {
            (Domain::Choices(count), _) => Dimension::Choices(choices(count, values)),
            (_, Some(interval)) => {
                let places: Vec<f64> = values.iter().map(|value| domain.to_scale(*value)).collect();
                Dimension::Normal(domain, normals(&places, interval))
            }
            (_, None) => unreachable!("only choices have no interval"),
        }
    }

    fn sample(&self, kernel: usize, u: f64) -> f64 {
        match self {
            Dimension::Choices(kernels) => pick(&kernels[kernel], u) as f64,
            Dimension::Normal(domain, kernels) => {
                let Normal { mean, width, bounds: (low, high), .. } = kernels[kernel];
                domain.from_scale(mean + width * quantile(u, low, high))
            }
        }
    }

    fn log_density(&self, kernel: usize, value: f64) -> f64 {
        match self {
            Dimension::Choices(kernels) => kernels[kernel][value as usize].ln(),
            Dimension::Normal(domain, kernels) => {
                let Normal { mean, width, log_mass, .. } = kernels[kernel];
                let place = domain.to_scale(value);
                let log = match domain {
                    // The probability of all numbers that are rounded to this integer.
                    Domain::Integer { .. } => {
                        mass((place - 0.5 - mean) / width, (place + 0.5 - mean) / width).ln()
                    }
                    _ => -0.5 * ((place - mean) / width).powi(2) - (width * (2.0 * PI).sqrt()).ln(),
                };
                log - log_mass
            }
        }
    }
}

/// Returns one kernel for each observed choice, in which the other choices keep a share that shrinks with the number of
/// observations; then the prior, in which all choices are equally likely.
fn choices(count: usize, values: &[f64]) -> Vec<Vec<f64>> {
    let share = PRIOR_WEIGHT / (values.len() + 1) as f64;
    let kernel = |chosen: Option<usize>| -> Vec<f64> {
        let raw = (0..count).map(|index| share + if chosen == Some(index) { 1.0 } else { 0.0 });
        let sum = share * count as f64 + if chosen.is_some() { 1.0 } else { 0.0 };
        raw.map(|weight| weight / sum).collect()
    };
    values.iter().map(|value| kernel(Some(*value as usize))).chain([kernel(None)]).collect()
}

/// Returns one kernel for each observed place, as wide as the larger distance to its neighbours (the only distance for
/// the outermost ones); then the prior, which is centred and as wide as the interval.
fn normals(places: &[f64], (low, high): (f64, f64)) -> Vec<Normal> {
    let range = high - low;
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by(|a, b| places[*a].total_cmp(&places[*b]));
    let narrowest = range / NARROWEST.min(2.0 + places.len() as f64);
    let mut widths = vec![0.0; places.len()];
    for (rank, &index) in order.iter().enumerate() {
        let here = places[index];
        let below = rank.checked_sub(1).map(|rank| here - places[order[rank]]);
        let above = order.get(rank + 1).map(|&next| places[next] - here);
        let width = match (below, above) {
            (Some(below), Some(above)) => below.max(above),
            (Some(only), None) | (None, Some(only)) => only,
            (None, None) => (here - low).max(high - here),
        };
        widths[index] = width.clamp(narrowest, range);
    }
    let kernel = |mean: f64, width: f64| {
        let bounds = ((low - mean) / width, (high - mean) / width);
        Normal { mean, width, bounds, log_mass: mass(bounds.0, bounds.1).ln() }
    };
    let observed = places.iter().zip(widths).map(|(place, width)| kernel(*place, width));
    observed.chain([kernel(0.5 * (low + high), range)]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn early_observations_weigh_less_once_there_are_many() {
        assert_eq!(observation_weights(3), [1.0; 3]);
        assert_eq!(observation_weights(25), [1.0; 25]);
        assert_eq!(observation_weights(26)[..2], [1.0 / 26.0, 1.0]);
        let weights = observation_weights(28);
        assert_eq!(weights.len(), 28);
        assert_eq!((weights[0], weights[2], weights[3]), (1.0 / 28.0, 1.0, 1.0));
        assert!((weights[1] - (1.0 + 1.0 / 28.0) / 2.0).abs() < 1e-12);
    }

    #[test]
    fn samples_stay_within_their_domains_and_follow_the_density() {
        let domains = [
            Domain::Uniform { low: -1.0, high: 3.0 },
            Domain::LogUniform { low: 1e-4, high: 10.0 },
            Domain::Integer { low: -2, high: 5 },
            Domain::Choices(3),
        ];
        let draws = [vec![-1.0, 1e-4, 5.0, 0.0], vec![2.5, 10.0, -2.0, 2.0]];
        let estimator = ParzenEstimator::new(&domains, &draws);
        let mut counter = 0;
        let mut uniform = || {
            counter += 1;
            crate::seed::uniform(7, crate::seed::Purpose::SweepDraw, counter)
        };
        let samples: Vec<Vec<f64>> = (0..20_000).map(|_| estimator.sample(&mut uniform)).collect();
        for sample in &samples {
            assert!((-1.0..=3.0).contains(&sample[0]) && (1e-4..=10.0).contains(&sample[1]), "{sample:?}");
            assert!((-2.0..=5.0).contains(&sample[2]) && sample[2].fract() == 0.0, "{sample:?}");
        }
        let alone = ParzenEstimator::new(&domains[2..3], &[vec![5.0], vec![-2.0]]);
        for value in -2..=5 {
            let value = f64::from(value);
            let share = samples.iter().filter(|sample| sample[2] == value).count() as f64 / 20_000.0;
            assert!((share - alone.log_density(&[value]).exp()).abs() < 0.015, "{value}: {share}");
        }
        let sum: f64 = (-2..=5).map(|value| alone.log_density(&[f64::from(value)]).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
    }
}
