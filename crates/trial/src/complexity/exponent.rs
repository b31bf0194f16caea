//! The exponent of a power law, by least squares of logarithms.

use serde::Serialize;

/// The exponent b of y = a · x^b, fitted to points.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Exponent {
    pub value: f64,
    /// Its standard error; `None` for two points, through which every line fits.
    pub standard_error: Option<f64>,
    /// The smallest and the greatest x, and the number of points between them, both counted.
    pub from: f64,
    pub to: f64,
    pub points: usize,
}

/// Fits log y = log a + b · log x by least squares. `None` if there are fewer than two different x, or if a value has
/// no logarithm.
pub fn exponent(points: &[(f64, f64)]) -> Option<Exponent> {
    let has_logarithm = |&(x, y): &(f64, f64)| x > 0.0 && y > 0.0 && x.is_finite() && y.is_finite();
    if points.is_empty() || !points.iter().all(has_logarithm) {
        return None;
    }
    let count = points.len() as f64;
    let logarithms: Vec<(f64, f64)> = points.iter().map(|(x, y)| (x.ln(), y.ln())).collect();
    let mean = |of: fn(&(f64, f64)) -> f64| logarithms.iter().map(of).sum::<f64>() / count;
    let (mean_x, mean_y) = (mean(|point| point.0), mean(|point| point.1));
    let spread: f64 = logarithms.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    if spread == 0.0 {
        return None;
    }
    let value = logarithms.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum::<f64>() / spread;
    let residuals: f64 = logarithms.iter().map(|(x, y)| (y - mean_y - value * (x - mean_x)).powi(2)).sum();
    let standard_error = (points.len() > 2).then(|| (residuals / (count - 2.0) / spread).sqrt());
    let ends =
        points.iter().fold((f64::INFINITY, 0.0), |(from, to): (f64, f64), (x, _)| (from.min(*x), to.max(*x)));
    Some(Exponent { value, standard_error, from: ends.0, to: ends.1, points: points.len() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_law_is_found_exactly() {
        for power in [0.0, 0.5, 1.0, 2.0] {
            let points: Vec<(f64, f64)> =
                [64.0, 128.0, 512.0, 8_192.0].map(|x: f64| (x, 3e-7 * x.powf(power))).to_vec();
            let found = exponent(&points).unwrap();
            assert!((found.value - power).abs() < 1e-12, "{found:?}");
            assert!(found.standard_error.unwrap() < 1e-12, "{found:?}");
            assert_eq!((found.from, found.to, found.points), (64.0, 8_192.0, 4));
        }
    }

    /// By hand: x = e^0, e^1, e^2 and y = e^0, e^1, e^3 have the slope 3/2, residuals 1/6, -1/3, 1/6, and so the standard
    /// error √((1/6) / 1 / 2).
    #[test]
    fn points_beside_the_line_give_its_slope_and_error() {
        let found =
            exponent(&[(0.0, 0.0), (1.0, 1.0), (2.0, 3.0)].map(|(x, y): (f64, f64)| (x.exp(), y.exp())));
        let found = found.unwrap();
        assert!((found.value - 1.5).abs() < 1e-12, "{found:?}");
        assert!((found.standard_error.unwrap() - (1.0f64 / 12.0).sqrt()).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn what_has_no_slope_has_no_exponent() {
        assert_eq!(exponent(&[]), None);
        assert_eq!(exponent(&[(2.0, 3.0)]), None);
        assert_eq!(exponent(&[(2.0, 3.0), (2.0, 4.0)]), None);
        assert_eq!(exponent(&[(2.0, 3.0), (4.0, 0.0)]), None);
        assert_eq!(exponent(&[(2.0, 3.0), (4.0, f64::NAN)]), None);
        assert_eq!(exponent(&[(2.0, 3.0), (4.0, 6.0)]).unwrap().standard_error, None);
    }
}
