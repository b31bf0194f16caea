//! The standard normal distribution between two bounds.

use statrs::function::erf::{erfc, erfc_inv};
use std::f64::consts::SQRT_2;

/// Returns the probability of a number between `a` and `b`, where `a <= b`. In the tails it subtracts the smaller tail
/// probabilities, so that it does not underflow before they do.
pub fn mass(a: f64, b: f64) -> f64 {
    let above = |x: f64| 0.5 * erfc(x / SQRT_2);
    if a >= 0.0 {
        above(a) - above(b)
    } else if b <= 0.0 {
        above(-b) - above(-a)
    } else {
        1.0 - above(-a) - above(b)
    }
}

/// Returns the number between `a <= 0` and `b >= 0` below which the share `u` of the probability between them lies.
pub fn quantile(u: f64, a: f64, b: f64) -> f64 {
    let below = 0.5 * erfc(-a / SQRT_2) + u * mass(a, b);
    (-SQRT_2 * erfc_inv(2.0 * below)).clamp(a, b)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masses_and_quantiles_are_those_of_tables() {
        let close = |found: f64, expected: f64| {
            assert!((found / expected - 1.0).abs() < 1e-9, "{found} instead of {expected}");
        };
        close(mass(-1.0, 1.0), 0.682_689_492_137_085_9);
        close(mass(0.0, 2.0), 0.477_249_868_051_820_8);
        // Far from 0, where 1 - Φ(x) would be 0 on one side and exact on the other.
        close(mass(9.0, 10.0), 1.128_588_405_953_832_4e-19 - 7.619_853_024_160_47e-24);
        close(mass(-10.0, -9.0), mass(9.0, 10.0));
        close(quantile(0.975, -40.0, 40.0), 1.959_963_984_540_054);
        close(quantile(0.0, -1.0, 2.0), -1.0);
        close(quantile(1.0, -1.0, 2.0), 2.0);
        for u in [0.01, 0.3, 0.99] {
            close(mass(-1.5, quantile(u, -1.5, 0.2)), u * mass(-1.5, 0.2));
        }
    }
}
