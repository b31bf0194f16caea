//! Smoothing of BLEU for orders of n-grams without a match: the `smooth` of a signature.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// Replacement for the precision of an order without a match.
///
/// # Source
/// Chen and Cherry 2014, "A Systematic Comparison of Smoothing Techniques for Sentence-Level BLEU".
#[derive(Debug, Clone, Copy, PartialEq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Smoothing {
    /// The j-th such order counts 1/2^j matches (their method 3, NIST's).
    #[default]
    Exp,
    /// Such an order counts this many matches (their method 1; sacreBLEU's value is 0.1).
    Floor(f64),
    /// This number is added to matches and totals of every order above the first, with matches or
    /// without (their method 2; sacreBLEU's value is 1).
    AddK(f64),
    /// No replacement: one order without a match makes the score 0.
    None,
}

impl Smoothing {
    /// sacreBLEU's value of [`Smoothing::Floor`].
    pub const FLOOR: f64 = 0.1;
    /// sacreBLEU's value of [`Smoothing::AddK`].
    pub const ADD_K: f64 = 1.0;

    pub(super) fn validate(self) -> Result<()> {
        match self {
            Smoothing::Floor(value) | Smoothing::AddK(value) if !(value.is_finite() && value >= 0.0) => Err(
                Error::user(format!("BLEU smoothing value {value} is not a finite number from 0 upwards")),
            ),
            _ => Ok(()),
        }
    }
}

impl fmt::Display for Smoothing {
    /// Writes the form of signatures: `exp`, `floor[0.10]`.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Smoothing::Exp => write!(f, "exp"),
            Smoothing::Floor(value) => write!(f, "floor[{value:.2}]"),
            Smoothing::AddK(value) => write!(f, "add-k[{value:.2}]"),
            Smoothing::None => write!(f, "none"),
        }
    }
}

impl FromStr for Smoothing {
    type Err = Error;

    /// Parses `exp`, `none`, `floor` and `add-k`, the last two also with a value: `floor=0.01`.
    fn from_str(text: &str) -> Result<Self> {
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let number = |default: f64| match value {
            None => Ok(default),
            Some(value) => value
                .parse()
                .map_err(|_| Error::user(format!("the smoothing value {value:?} is not a number"))),
        };
        let smoothing = match name {
            "exp" if value.is_none() => Smoothing::Exp,
            "none" if value.is_none() => Smoothing::None,
            "floor" => Smoothing::Floor(number(Self::FLOOR)?),
            "add-k" => Smoothing::AddK(number(Self::ADD_K)?),
            _ => return Err(Error::user("smoothing is exp, floor, floor=VALUE, add-k, add-k=VALUE or none")),
        };
        smoothing.validate()?;
        Ok(smoothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_smoothing_value_that_makes_no_sense_is_refused() {
        for value in [-0.1, f64::NAN, f64::INFINITY] {
            for smoothing in [Smoothing::Floor(value), Smoothing::AddK(value)] {
                assert_eq!(smoothing.validate().unwrap_err().exit_code(), 2);
            }
        }
    }

    #[test]
    fn names_and_values_are_read() {
        for (text, smoothing, shown) in [
            ("exp", Smoothing::Exp, "exp"),
            ("none", Smoothing::None, "none"),
            ("floor", Smoothing::Floor(0.1), "floor[0.10]"),
            ("floor=0.01", Smoothing::Floor(0.01), "floor[0.01]"),
            ("add-k", Smoothing::AddK(1.0), "add-k[1.00]"),
            ("add-k=2", Smoothing::AddK(2.0), "add-k[2.00]"),
        ] {
            assert_eq!(text.parse::<Smoothing>().unwrap(), smoothing);
            assert_eq!(smoothing.to_string(), shown);
        }
        for wrong in ["", "exp=1", "none=", "floor=", "floor=x", "floor=-1", "add-k=inf", "addk"] {
            assert_eq!(wrong.parse::<Smoothing>().unwrap_err().exit_code(), 2, "{wrong}");
        }
    }
}
