//! Random draws: `[random]` with a seed, a count and a distribution for each key; and distributions as `[search]` states
//! them too.
//!
//! The value of a key in a draw is a pure function of (seed, key, number of the draw): a higher count keeps the earlier
//! draws, and another key changes none of them.

use super::condition::Condition;
use super::factor::{Change, Choice, Factor, MOST_COMBINATIONS};
use super::file::RandomFile;
use super::marker::DistributionFile;
use super::settings::{Setting, about, mistake, place_of, settings};
use crate::config::deserialize::from_table;
use crate::config::toml_tree::{Node, Table, Value};
use crate::error::{Place, Result};
use crate::search::Domain;
use crate::seed::{Purpose, derive, fraction};

/// Keys of `[random]` that are not settings.
const WORDS: [&str; 2] = ["seed", "count"];
/// Number of decimal digits of a drawn number: short enough to read, and enough that a hundred draws of one key hardly
/// ever repeat each other.
const DIGITS: i32 = 6;

/// A key that is drawn.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnKey {
    /// `section.key`
    pub key: String,
    /// The place of the key in the file.
    pub place: Place,
    /// The place of the distribution in the file.
    pub value_place: Place,
    pub distribution: Distribution,
    /// The condition on which the key is drawn.
    pub when: Option<Condition>,
}

/// The distribution of a key's values.
#[derive(Debug, Clone, PartialEq)]
pub enum Distribution {
    /// A number between the bounds.
    Uniform(f64, f64),
    /// A number whose logarithm is uniform between those of the bounds.
    LogUniform(f64, f64),
    /// An integer, both bounds included.
    Integer(i64, i64),
    /// One of these values, all equally likely.
    Choice(Vec<Node>),
}

/// Reads `[random]`: `count` choices named `draw-001`, `draw-002`, …
///
/// # Errors
/// A count of 0 or a too large one, no key, or an invalid distribution.
pub fn random(node: &Node) -> Result<Factor> {
    let Value::Table(table) = &node.value else {
        let message = format!("random = {} is {}", node.excerpt(), node.kind());
        return Err(mistake(message, &node.place, "expected a section [random] with seed, count and keys"));
    };
    let RandomFile { seed, count } =
        from_table(table, &node.place).map_err(|error| about("random", error.into()))?;
    check_count("random", count, table, &node.place)?;
    let keys = drawn_keys(node, "random", &WORDS)?;
    let choices = (0..count).map(|number| {
        let changes = keys.iter().map(|drawn| drawn.change(drawn.random(seed, number as u64)));
        Choice { label: Some(label(number)), changes: changes.collect() }
    });
    Ok(Factor {
        name: "[random]",
        place: node.place.clone(),
        when: None,
        drawn: true,
        continuous: continuous_keys(&keys),
        choices: choices.collect(),
    })
}

/// Returns the label of the draw with this number, which counts from 0.
pub fn label(number: usize) -> String {
    format!("draw-{:03}", number + 1)
}

/// Checks the number of draws that the section `what` states.
pub fn check_count(what: &str, count: usize, table: &Table, otherwise: &Place) -> Result<()> {
    if (1..=MOST_COMBINATIONS).contains(&count) {
        return Ok(());
    }
    let message = format!("{what}: count = {count} is out of range");
    let help = format!("expected 1 to {MOST_COMBINATIONS} draws");
    Err(mistake(message, &place_of(table, "count", otherwise), help))
}

/// Returns the keys of the section `what`, in the order of the text; `words` are its entries that are not settings.
///
/// # Errors
/// No key, or an invalid distribution.
pub fn drawn_keys(node: &Node, what: &str, words: &[&str]) -> Result<Vec<DrawnKey>> {
    let mut keys = Vec::new();
    for Setting { key, place, value } in settings(Some(node), what, words)? {
        let (distribution, when) = distribution(what, &key, &value)?;
        keys.push(DrawnKey { key, place, value_place: value.place, distribution, when });
    }
    if keys.is_empty() {
        let help = "add a key to draw, as in \"model.dropout\" = { uniform = [0.0, 0.3] }";
        return Err(mistake(format!("[{what}] has no key to draw"), &node.place, help));
    }
    keys.sort_by_key(|drawn| drawn.place.span.start);
    Ok(keys)
}

/// Returns those of these keys that are drawn from a continuous range.
pub fn continuous_keys(keys: &[DrawnKey]) -> Vec<String> {
    let is_continuous = |drawn: &&DrawnKey| {
        matches!(drawn.distribution, Distribution::Uniform(..) | Distribution::LogUniform(..))
    };
    keys.iter().filter(is_continuous).map(|drawn| drawn.key.clone()).collect()
}

impl DrawnKey {
    /// Returns the random value of the draw with this number.
    pub fn random(&self, seed: u64, number: u64) -> Node {
        self.distribution.draw(bits(seed, &self.key, number), &self.value_place)
    }

    /// Returns the setting with this value, on the key's condition.
    pub fn change(&self, value: Node) -> Change {
        let setting = Setting { key: self.key.clone(), place: self.place.clone(), value };
        Change { setting, when: self.when.clone() }
    }
}

/// Returns 64 random bits for a key's value in a draw.
pub fn bits(seed: u64, key: &str, number: u64) -> u64 {
    let hash = blake3::hash(key.as_bytes());
    let stream = hash.as_bytes().iter().take(8).fold(0, |bits, &byte| (bits << 8) | u64::from(byte));
    derive(derive(seed, Purpose::SweepDraw, stream), Purpose::SweepDraw, number)
}

/// Reads `{ uniform = [0.0, 0.3], when = … }`.
fn distribution(what: &str, key: &str, node: &Node) -> Result<(Distribution, Option<Condition>)> {
    const KINDS: &str = "expected one of { uniform = [a, b] }, { log_uniform = [a, b] }, { integer = [a, b] }, { choice = [a, b, c] }";
    let name = format!("{what} {key}");
    let Value::Table(table) = &node.value else {
        let message = format!("{name} = {} is {}", node.excerpt(), node.kind());
        let help = match node.value {
            Value::Array(_) => format!("to draw from these, write {{ choice = {} }}", node.excerpt()),
            _ => KINDS.to_string(),
        };
        return Err(mistake(message, &node.place, help));
    };
    let DistributionFile { uniform, log_uniform, integer, choice, when: _ } =
        from_table(table, &node.place).map_err(|error| about(&name, error.into()))?;
    let stated = [uniform.is_some(), log_uniform.is_some(), integer.is_some(), choice.is_some()];
    let when = Condition::when(table.get("when"))?;
    if stated.iter().filter(|&&stated| stated).count() != 1 {
        return Err(mistake(
            format!("{name} = {} is not a distribution", node.excerpt()),
            &node.place,
            KINDS,
        ));
    }
    let place = |kind: &str| place_of(table, kind, &node.place);
    // The difference of two numbers is finite only if both are.
    let finite = |low: f64, high: f64| (high - low).is_finite();
    let distribution = if let Some(values) = uniform {
        let (low, high) = bounds(&name, "uniform", &values, &place("uniform"), finite)?;
        Distribution::Uniform(low, high)
    } else if let Some(values) = log_uniform {
        let (low, high) = bounds(&name, "log_uniform", &values, &place("log_uniform"), finite)?;
        if low <= 0.0 {
            let message = format!("{name}: log_uniform = [{low}, {high}] has the lower bound {low}");
            let help = "only numbers above 0 have a logarithm; use uniform, or a lower bound above 0";
            return Err(mistake(message, &place("log_uniform"), help));
        }
        Distribution::LogUniform(low, high)
    } else if let Some(values) = integer {
        let (low, high) = bounds(&name, "integer", &values, &place("integer"), |_, _| true)?;
        Distribution::Integer(low, high)
    } else {
        let values = match table.get("choice").map(|node| &node.value) {
            Some(Value::Array(values)) => values.clone(),
            _ => Vec::new(),
        };
        if values.is_empty() {
            let help = "state the values to choose from, as in choice = [2, 4, 8]";
            return Err(mistake(format!("{name}: choice = [] has no values"), &place("choice"), help));
        }
        Distribution::Choice(values)
    };
    Ok((distribution, when))
}

/// Returns two bounds, the lower one first, if everything between them is `usable`.
fn bounds<T: Copy + PartialOrd>(
    name: &str,
    kind: &str,
    values: &[T],
    place: &Place,
    usable: impl Fn(T, T) -> bool,
) -> Result<(T, T)> {
    match *values {
        [low, high] if low < high && usable(low, high) => Ok((low, high)),
        [low, high] if high < low => {
            let message = format!("{name}: the bounds of {kind} are reversed");
            Err(mistake(message, place, "write the lower one first"))
        }
        [low, high] if low == high => {
            let message = format!("{name}: the bounds of {kind} are equal");
            Err(mistake(message, place, "one value for all rows belongs under `set`"))
        }
        _ => {
            let message = format!("{name}: {kind} takes two finite bounds");
            Err(mistake(message, place, format!("write {kind} = [lower, upper]")))
        }
    }
}

impl Distribution {
    /// Maps random bits to a value; `place` is where the distribution was written.
    fn draw(&self, bits: u64, place: &Place) -> Node {
        let share = fraction(bits);
        let scaled = |size: u128| (u128::from(bits) * size) >> 64;
        let number = match self {
            Distribution::Uniform(low, high) => low + share * (high - low),
            Distribution::LogUniform(low, high) => (low.ln() + share * (high.ln() - low.ln())).exp(),
            Distribution::Integer(low, high) => {
                // The sum lies between the bounds, so that it fits into i64; the size of the range may not.
                let size = (i128::from(*high) - i128::from(*low) + 1).unsigned_abs();
                let value = Value::Integer((i128::from(*low) + scaled(size) as i128) as i64);
                return Node { value, place: place.clone() };
            }
            Distribution::Choice(values) => scaled(values.len() as u128) as f64,
        };
        self.value(number, place)
    }

    /// Returns the domain of the values for the search.
    pub fn domain(&self) -> Domain {
        match *self {
            Distribution::Uniform(low, high) => Domain::Uniform { low, high },
            Distribution::LogUniform(low, high) => Domain::LogUniform { low, high },
            Distribution::Integer(low, high) => Domain::Integer { low, high },
            Distribution::Choice(ref values) => Domain::Choices(values.len()),
        }
    }

    /// Returns the value for a number of the [domain](Self::domain), with as many digits as a random value.
    pub fn value(&self, number: f64, place: &Place) -> Node {
        let value = match self {
            Distribution::Uniform(low, high) => {
                Value::Float(to_place(number, magnitude(high - low)).clamp(*low, *high))
            }
            Distribution::LogUniform(low, high) => {
                Value::Float(to_place(number, magnitude(number)).clamp(*low, *high))
            }
            // Beyond 2^53 a number is not exact, and must not leave the bounds.
            Distribution::Integer(low, high) => Value::Integer((number as i64).clamp(*low, *high)),
            Distribution::Choice(values) => return values[number as usize].clone(),
        };
        Node { value, place: place.clone() }
    }

    /// Returns the number for a value in TOML; None if it is no value of this distribution.
    pub fn number(&self, text: &str) -> Option<f64> {
        match self {
            Distribution::Uniform(low, high) | Distribution::LogUniform(low, high) => {
                text.parse().ok().filter(|number| (low..=high).contains(&number))
            }
            Distribution::Integer(low, high) => {
                let number = text.parse::<i64>().ok().filter(|number| (low..=high).contains(&number))?;
                Some(number as f64)
            }
            Distribution::Choice(values) => {
                Some(values.iter().position(|value| value.inline() == text)? as f64)
            }
        }
    }

    /// Returns the distribution as a file states it: `uniform = [0.0, 0.3]`.
    pub fn text(&self) -> String {
        match self {
            Distribution::Uniform(low, high) => format!("uniform = [{low:?}, {high:?}]"),
            Distribution::LogUniform(low, high) => format!("log_uniform = [{low:?}, {high:?}]"),
            Distribution::Integer(low, high) => format!("integer = [{low}, {high}]"),
            Distribution::Choice(values) => {
                let values: Vec<String> = values.iter().map(Node::inline).collect();
                format!("choice = [{}]", values.join(", "))
            }
        }
    }
}

/// Returns the power of ten of a number's first digit.
fn magnitude(value: f64) -> i32 {
    value.abs().log10().floor() as i32
}

/// Rounds `value` to [`DIGITS`] digits, the first of which is at 10^`first`.
fn to_place(value: f64, first: i32) -> f64 {
    let unit = first - (DIGITS - 1);
    match usize::try_from(-unit) {
        Ok(decimals) => format!("{value:.decimals$}").parse().unwrap_or(value),
        Err(_) => {
            let step = 10f64.powi(unit);
            (value / step).round() * step
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::examples::of_demo;

    fn place() -> Place {
        Place { file: "a.toml".into(), text: "".into(), span: 0..0 }
    }

    #[test]
    fn numbers_have_six_digits() {
        assert_eq!(to_place(0.123_456_78, -1), 0.123_457);
        assert_eq!(to_place(3.0, 0), 3.0);
        assert_eq!(to_place(1_000.123_456, 0), 1_000.123_46);
        assert_eq!(to_place(12_345_678.9, 7), 12_345_700.0);
        assert_eq!(to_place(-2.5e-9, -9), -2.5e-9);
        assert_eq!([magnitude(0.3), magnitude(9.99), magnitude(1e-4)], [-1, 0, -4]);
    }

    #[test]
    fn random_draws_and_searches_tell_which_keys_are_continuous() {
        let keys = "\"model.dropout\" = { uniform = [0.0, 0.2] }\n\"model.layers\" = { integer = [1, 3] }\n\
                    \"training.learning_rate_scale\" = { log_uniform = [0.1, 10.0] }\n\
                    \"model.position\" = { choice = [\"none\", \"rotary\"] }\n";
        for section in ["[random]", "[search]\nobjective = \"dev/loss\""] {
            let (spec, _) = of_demo(&format!("seeds = [1]\n{section}\nseed = 1\ncount = 3\n{keys}"));
            assert_eq!(
                spec.continuous_keys(),
                ["model.dropout", "training.learning_rate_scale"],
                "{section}"
            );
        }
    }

    #[test]
    fn the_ends_of_the_bits_stay_within_the_bounds() {
        let number = |distribution: &Distribution, bits| match distribution.draw(bits, &place()).value {
            Value::Float(number) => number,
            Value::Integer(number) => number as f64,
            other => panic!("{other:?}"),
        };
        for (low, high) in [(0.0, 0.3), (0.1, 0.999_999), (1_000.0, 1_000.001), (1e-9, 1e9)] {
            for bits in [0, 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
                let uniform = number(&Distribution::Uniform(low, high), bits);
                assert!((low..=high).contains(&uniform), "{uniform} of {low} to {high}");
                let low = low.max(1e-12);
                let log_uniform = number(&Distribution::LogUniform(low, high), bits);
                assert!((low..=high).contains(&log_uniform), "{log_uniform} of {low} to {high}");
            }
        }
        for (low, high) in [(1, 2), (-3, 3), (i64::MIN, i64::MAX)] {
            let integer = Distribution::Integer(low, high);
            assert_eq!(integer.draw(0, &place()).value, Value::Integer(low));
            assert_eq!(integer.draw(u64::MAX, &place()).value, Value::Integer(high));
        }
        let values = [1, 2, 3].map(|n| Node { value: Value::Integer(n), place: place() });
        let choice = Distribution::Choice(values.to_vec());
        assert_eq!([0, 1 << 63, u64::MAX].map(|bits| number(&choice, bits)), [1.0, 2.0, 3.0]);
    }

    #[test]
    fn bits_depend_on_seed_key_and_number() {
        let mut seen = std::collections::HashSet::new();
        for seed in 0..5 {
            for key in ["model.heads", "model.layers", "training.steps"] {
                for number in 0..100 {
                    assert!(seen.insert(bits(seed, key, number)), "{seed} {key} {number}");
                }
            }
        }
    }
}
