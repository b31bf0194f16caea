//! The next draw of a search.

use super::domain::Domain;
use super::parzen::ParzenEstimator;

/// Number of results before which draws are random.
pub const STARTUP_DRAWS: usize = 10;
/// Number of candidates, of which the best is the next draw.
const CANDIDATES: usize = 24;
/// Largest number of draws that count as the best.
const MOST_BEST: usize = 25;
/// One in this many results counts as one of the best.
const BEST_SHARE: usize = 10;

/// A draw and its outcome so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Observation {
    /// The value of each key; None if a condition left the key out.
    pub values: Vec<Option<f64>>,
    pub outcome: Outcome,
}

/// The outcome of a draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Outcome {
    /// Finished, with the objective as a loss: lower is better.
    Finished(f64),
    /// Held by halving at an update, where it had this loss. It ranks behind every finished draw, and the better the
    /// further it got and the lower its loss there is.
    Halved { step: u64, loss: f64 },
    /// Diverged: worse than every draw that has a number.
    Diverged,
    /// Under way. It does not count as one of the best ("constant liar"), so that draws that run at the same time
    /// differ.
    Running,
}

impl Outcome {
    fn is_result(self) -> bool {
        self != Outcome::Running
    }

    /// Returns the key by which results are ordered, the best first.
    fn rank(self) -> (u8, std::cmp::Reverse<u64>, f64) {
        // NaN of either sign ranks after all numbers.
        let number = |value: f64| if value.is_nan() { f64::INFINITY } else { value };
        match self {
            Outcome::Finished(value) => (0, std::cmp::Reverse(0), number(value)),
            Outcome::Halved { step, loss } => (1, std::cmp::Reverse(step), number(loss)),
            Outcome::Diverged => (2, std::cmp::Reverse(0), 0.0),
            Outcome::Running => (3, std::cmp::Reverse(0), 0.0),
        }
    }
}

/// Returns the next draw, a value for each domain, from the earlier draws in their order. None while too few have a
/// result: the draw is to be random. `uniform` returns numbers from 0 to below 1.
///
/// Keys that every draw with a result has are drawn together, so that good combinations are kept; each other key is
/// drawn alone, from the draws that have it. A draw has a value of every key; conditions leave some out afterwards.
pub fn propose(
    domains: &[Domain],
    observations: &[Observation],
    uniform: &mut impl FnMut() -> f64,
) -> Option<Vec<f64>> {
    let results = || observations.iter().filter(|observation| observation.outcome.is_result());
    if results().count() < STARTUP_DRAWS {
        return None;
    }
    let (best, others) = split(observations);
    let is_common = |key: &usize| results().all(|observation| observation.values[*key].is_some());
    let (common, alone): (Vec<usize>, Vec<usize>) = (0..domains.len()).partition(is_common);
    let groups =
        [common].into_iter().filter(|keys| !keys.is_empty()).chain(alone.into_iter().map(|key| vec![key]));
    let mut draw = vec![0.0; domains.len()];
    for keys in groups {
        let [best, others] = [&best, &others].map(|part| estimator(domains, observations, part, &keys));
        let mut chosen: Option<(f64, Vec<f64>)> = None;
        for _ in 0..CANDIDATES {
            let candidate = best.sample(uniform);
            let ratio = best.log_density(&candidate) - others.log_density(&candidate);
            if chosen.as_ref().is_none_or(|(most, _)| ratio > *most) {
                chosen = Some((ratio, candidate));
            }
        }
        let values = chosen.map(|(_, values)| values).unwrap_or_default();
        keys.iter().zip(values).for_each(|(&key, value)| draw[key] = value);
    }
    Some(draw)
}

/// Returns the indices of the best draws and of the others, each in the order of the draws.
fn split(observations: &[Observation]) -> (Vec<usize>, Vec<usize>) {
    let mut ranked: Vec<usize> =
        (0..observations.len()).filter(|&index| observations[index].outcome.is_result()).collect();
    let count = ranked.len().div_ceil(BEST_SHARE).min(MOST_BEST);
    ranked.sort_by(|&a, &b| {
        let [a, b] = [a, b].map(|index| observations[index].outcome.rank());
        (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
    });
    let best = &ranked[..count];
    (0..observations.len()).partition(|index| best.contains(index))
}

/// Returns the density of the draws in `part` that have all of `keys`.
fn estimator(
    domains: &[Domain],
    observations: &[Observation],
    part: &[usize],
    keys: &[usize],
) -> ParzenEstimator {
    let domains: Vec<Domain> = keys.iter().map(|&key| domains[key]).collect();
    let of_keys = |&index: &usize| keys.iter().map(|&key| observations[index].values[key]).collect();
    let draws: Vec<Vec<f64>> = part.iter().filter_map(of_keys).collect();
    ParzenEstimator::new(&domains, &draws)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed;
    use serde::Deserialize;
    use std::collections::BTreeMap;
    use std::f64::consts::PI;

    #[derive(Deserialize)]
    struct Fixture {
        optuna: String,
        densities: Vec<Case>,
        functions: Vec<Function>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        domains: Vec<DomainFixture>,
        draws: Vec<Draw>,
        best: Vec<usize>,
        densities: Vec<Densities>,
    }

    #[derive(Deserialize, Clone, Copy)]
    #[serde(rename_all = "snake_case")]
    enum DomainFixture {
        Uniform(f64, f64),
        LogUniform(f64, f64),
        Integer(i64, i64),
        Choices(usize),
    }

    #[derive(Deserialize)]
    struct Draw {
        values: Vec<Option<f64>>,
        outcome: OutcomeFixture,
    }

    #[derive(Deserialize, Clone, Copy)]
    #[serde(rename_all = "snake_case")]
    enum OutcomeFixture {
        Finished([f64; 1]),
        Halved(u64, f64),
        Running([f64; 0]),
    }

    #[derive(Deserialize)]
    struct Densities {
        keys: Vec<usize>,
        points: Vec<Vec<f64>>,
        best: Vec<f64>,
        others: Vec<f64>,
    }

    #[derive(Deserialize)]
    struct Function {
        name: String,
        optuna: BTreeMap<usize, Vec<f64>>,
        random: BTreeMap<usize, Vec<f64>>,
    }

    fn fixture() -> Fixture {
        serde_json::from_str(include_str!("../../../../tests/fixtures/search.json")).unwrap()
    }

    impl From<DomainFixture> for Domain {
        fn from(domain: DomainFixture) -> Domain {
            match domain {
                DomainFixture::Uniform(low, high) => Domain::Uniform { low, high },
                DomainFixture::LogUniform(low, high) => Domain::LogUniform { low, high },
                DomainFixture::Integer(low, high) => Domain::Integer { low, high },
                DomainFixture::Choices(count) => Domain::Choices(count),
            }
        }
    }

    impl From<&Draw> for Observation {
        fn from(draw: &Draw) -> Observation {
            let outcome = match draw.outcome {
                OutcomeFixture::Finished([value]) => Outcome::Finished(value),
                OutcomeFixture::Halved(step, loss) => Outcome::Halved { step, loss },
                OutcomeFixture::Running([]) => Outcome::Running,
            };
            Observation { values: draw.values.clone(), outcome }
        }
    }

    #[test]
    fn the_best_draws_and_both_densities_are_those_of_optuna() {
        let Fixture { densities, .. } = fixture();
        assert_eq!(densities.len(), 7);
        for Case { name, domains, draws, best, densities } in densities {
            let domains: Vec<Domain> = domains.into_iter().map(Domain::from).collect();
            let observations: Vec<Observation> = draws.iter().map(Observation::from).collect();
            let parts = split(&observations);
            assert_eq!(parts.0, best, "{name}");
            let keys = densities.iter().flat_map(|densities| &densities.keys).count();
            assert_eq!(keys, domains.len(), "{name}");
            for Densities { keys, points, best, others } in densities {
                for (part, expected) in [(&parts.0, best), (&parts.1, others)] {
                    let estimator = estimator(&domains, &observations, part, &keys);
                    for (point, expected) in points.iter().zip(expected) {
                        let found = estimator.log_density(point);
                        // statrs's error function is exact to about 11 digits.
                        assert!(
                            (found - expected).abs() < 1e-9 * expected.abs().max(1.0),
                            "{name} {keys:?} {point:?}: {found} instead of {expected}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn results_are_ranked_finished_then_halved_then_diverged() {
        let outcomes = [
            Outcome::Diverged,
            Outcome::Halved { step: 100, loss: 1.0 },
            Outcome::Halved { step: 300, loss: 9.0 },
            Outcome::Finished(f64::NAN),
            Outcome::Running,
            Outcome::Finished(7.0),
        ];
        let observation = |outcome: &Outcome| Observation { values: vec![], outcome: *outcome };
        let observations: Vec<Observation> = outcomes.iter().map(observation).collect();
        let mut order: Vec<usize> = (0..outcomes.len()).collect();
        order.sort_by(|&a, &b| {
            let [a, b] = [a, b].map(|index| outcomes[index].rank());
            (a.0, a.1).cmp(&(b.0, b.1)).then(a.2.total_cmp(&b.2))
        });
        assert_eq!(order, [5, 3, 2, 1, 0, 4]);
        assert_eq!(split(&observations), (vec![5], vec![0, 1, 2, 3, 4]));
    }

    #[test]
    fn draws_are_random_until_ten_have_a_result() {
        let running = Observation { values: vec![Some(0.5)], outcome: Outcome::Running };
        let finished = Observation { values: vec![Some(0.5)], outcome: Outcome::Finished(1.0) };
        let domains = [Domain::Uniform { low: 0.0, high: 1.0 }];
        let mut observations = vec![running; 20];
        observations.extend(vec![finished.clone(); 9]);
        assert_eq!(propose(&domains, &observations, &mut || 0.5), None);
        observations.push(finished);
        assert!(propose(&domains, &observations, &mut || 0.5).is_some());
    }

    /// A function to search: its domains, and from a value of each key its value and the keys that it has read.
    struct Target {
        name: &'static str,
        domains: Vec<Domain>,
        value: fn(&[f64]) -> (f64, Vec<bool>),
    }

    fn branin(x: &[f64]) -> (f64, Vec<bool>) {
        let inner = x[1] - 5.1 / (4.0 * PI * PI) * x[0] * x[0] + 5.0 / PI * x[0] - 6.0;
        (inner * inner + 10.0 * (1.0 - 1.0 / (8.0 * PI)) * x[0].cos() + 10.0, vec![true; 2])
    }

    fn hartmann6(x: &[f64]) -> (f64, Vec<bool>) {
        const WEIGHTS: [f64; 4] = [1.0, 1.2, 3.0, 3.2];
        const A: [[f64; 6]; 4] = [
            [10.0, 3.0, 17.0, 3.5, 1.7, 8.0],
            [0.05, 10.0, 17.0, 0.1, 8.0, 14.0],
            [3.0, 3.5, 1.7, 10.0, 17.0, 8.0],
            [17.0, 8.0, 0.05, 10.0, 0.1, 14.0],
        ];
        const P: [[f64; 6]; 4] = [
            [0.1312, 0.1696, 0.5569, 0.0124, 0.8283, 0.5886],
            [0.2329, 0.4135, 0.8307, 0.3736, 0.1004, 0.9991],
            [0.2348, 0.1451, 0.3522, 0.2883, 0.3047, 0.6650],
            [0.4047, 0.8828, 0.8732, 0.5743, 0.1091, 0.0381],
        ];
        let term = |row: usize| {
            let distance: f64 = (0..6).map(|at| A[row][at] * (x[at] - P[row][at]).powi(2)).sum();
            WEIGHTS[row] * (-distance).exp()
        };
        (-(0..4).map(term).sum::<f64>(), vec![true; 6])
    }

    /// Keys: kind, w, x, y, z.
    fn conditional(values: &[f64]) -> (f64, Vec<bool>) {
        let &[kind, w, x, y, z] = values else { panic!() };
        let shared = (w - 0.3).powi(2);
        match kind as usize {
            0 => (shared + 0.5 + 0.1 * (x - 1.0).powi(2), vec![true, true, true, false, false]),
            1 => {
                let value = shared + 0.5 * (y.log10() + 2.3).powi(2) + 0.1 * (z - 5.0).abs();
                (value, vec![true, true, false, true, true])
            }
            _ => (shared + 0.8, vec![true, true, false, false, false]),
        }
    }

    fn targets() -> [Target; 3] {
        let unit = Domain::Uniform { low: 0.0, high: 1.0 };
        [
            Target {
                name: "branin",
                domains: vec![
                    Domain::Uniform { low: -5.0, high: 10.0 },
                    Domain::Uniform { low: 0.0, high: 15.0 },
                ],
                value: branin,
            },
            Target { name: "hartmann6", domains: vec![unit; 6], value: hartmann6 },
            Target {
                name: "conditional",
                domains: vec![
                    Domain::Choices(3),
                    unit,
                    Domain::Uniform { low: -5.0, high: 5.0 },
                    Domain::LogUniform { low: 1e-4, high: 1.0 },
                    Domain::Integer { low: 1, high: 8 },
                ],
                value: conditional,
            },
        ]
    }

    /// The values of the draws of one search.
    fn search(target: &Target, seed: u64, draws: usize) -> Vec<f64> {
        let mut counter = 0;
        let mut uniform = || {
            counter += 1;
            seed::uniform(seed, seed::Purpose::SweepDraw, counter)
        };
        let mut observations: Vec<Observation> = Vec::new();
        let mut found = Vec::new();
        for _ in 0..draws {
            let random = |domain: &Domain, u: f64| match (domain.interval(), domain) {
                (Some((low, high)), _) => domain.from_scale(low + u * (high - low)),
                (None, Domain::Choices(count)) => (u * *count as f64).floor(),
                (None, _) => unreachable!(),
            };
            let draw = propose(&target.domains, &observations, &mut uniform)
                .unwrap_or_else(|| target.domains.iter().map(|domain| random(domain, uniform())).collect());
            let (value, read) = (target.value)(&draw);
            found.push(value);
            let values = draw.into_iter().zip(read).map(|(value, read)| read.then_some(value)).collect();
            observations.push(Observation { values, outcome: Outcome::Finished(value) });
        }
        found
    }

    fn median(values: &[f64]) -> f64 {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let half = sorted.len() / 2;
        (sorted[half - 1] + sorted[half]) / 2.0
    }

    /// The standard normal deviate of the Mann-Whitney test that values of `ours` are larger than those of `theirs`.
    fn mann_whitney(ours: &[f64], theirs: &[f64]) -> f64 {
        let pairs = ours.iter().flat_map(|a| theirs.iter().map(move |b| (a, b)));
        let u: f64 = pairs
            .map(|(a, b)| {
                if a > b {
                    1.0
                } else if a == b {
                    0.5
                } else {
                    0.0
                }
            })
            .sum();
        let (n, m) = (ours.len() as f64, theirs.len() as f64);
        (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
    }

    /// `cargo test --release -p ablate_sweep searches_find -- --nocapture` prints the table of docs/search.md.
    #[test]
    fn searches_find_values_that_are_not_worse_than_optunas() {
        /// One-sided, at a level of 5 % for all six comparisons together (Bonferroni).
        const CRITICAL: f64 = 2.394;
        let Fixture { functions, optuna: version, .. } = fixture();
        println!(
            "| function | draws | ours | Optuna {version} | random | z |\n| --- | --- | --- | --- | --- | --- |"
        );
        for (target, Function { name, optuna, random }) in targets().iter().zip(functions) {
            assert_eq!(target.name, name);
            let most = *optuna.keys().max().unwrap();
            let searches: Vec<Vec<f64>> =
                (0..optuna[&most].len() as u64).map(|seed| search(target, seed, most)).collect();
            for (draws, theirs) in optuna {
                let best = |values: &Vec<f64>| values[..draws].iter().copied().fold(f64::INFINITY, f64::min);
                let ours: Vec<f64> = searches.iter().map(best).collect();
                let worse = mann_whitney(&ours, &theirs);
                let random = &random[&draws];
                let [a, b, c] = [&ours, &theirs, random].map(|values| median(values));
                println!("| {name} | {draws} | {a:.4} | {b:.4} | {c:.4} | {worse:.2} |");
                assert!(worse < CRITICAL, "{name} after {draws}: median {a} against {b}, deviate {worse}");
                assert!(a < c && mann_whitney(&ours, random) < -CRITICAL, "{name}: no better than chance");
            }
        }
    }
}
