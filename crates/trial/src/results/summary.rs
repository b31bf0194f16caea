//! Mean and spread of the results of several seeds.

use serde::Serialize;

/// Mean and spread of a value over seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Summary {
    pub n: usize,
    pub mean: f64,
    /// Sample standard deviation, with n - 1; `None` for one value.
    pub deviation: Option<f64>,
    /// The values in the order of the seeds.
    pub values: Vec<f64>,
}

impl Summary {
    /// Summarises at least one value; `None` if `values` is empty.
    pub fn of(values: &[f64]) -> Option<Summary> {
        let n = values.len();
        if n == 0 {
            return None;
        }
        let mean = values.iter().sum::<f64>() / n as f64;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        let deviation = (n > 1).then(|| (squares / (n - 1) as f64).sqrt());
        Some(Summary { n, mean, deviation, values: values.to_vec() })
    }
}
