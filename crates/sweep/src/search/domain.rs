//! The domain of a key: its possible values.

/// The possible values of one key. Every value is a number: an integer as it is, a choice by its index.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Domain {
    /// Numbers between the bounds.
    Uniform { low: f64, high: f64 },
    /// Numbers between the bounds, compared by their logarithms.
    LogUniform { low: f64, high: f64 },
    /// Integers, both bounds included.
    Integer { low: i64, high: i64 },
    /// This number of values without an order.
    Choices(usize),
}

impl Domain {
    /// The domain's bounds on the scale on which kernels are placed: an integer stands for the interval of numbers that
    /// are rounded to it. None for choices, which have no scale.
    pub fn interval(&self) -> Option<(f64, f64)> {
        match *self {
            Domain::Uniform { low, high } => Some((low, high)),
            Domain::LogUniform { low, high } => Some((low.ln(), high.ln())),
            Domain::Integer { low, high } => Some((low as f64 - 0.5, high as f64 + 0.5)),
            Domain::Choices(_) => None,
        }
    }

    /// Returns a value's place on the scale of [`interval`](Self::interval).
    pub fn to_scale(&self, value: f64) -> f64 {
        match self {
            Domain::LogUniform { .. } => value.ln(),
            _ => value,
        }
    }

    /// Returns the value at a place of that scale, within the bounds.
    pub fn from_scale(&self, place: f64) -> f64 {
        match *self {
            Domain::Uniform { low, high } => place.clamp(low, high),
            Domain::LogUniform { low, high } => place.exp().clamp(low, high),
            Domain::Integer { low, high } => place.round().clamp(low as f64, high as f64),
            Domain::Choices(_) => place,
        }
    }
}
