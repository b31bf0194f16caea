//! Distributions of weights and gradients.

use crate::error::Result;
use crate::model::weights::Weights;
use crate::telemetry::Telemetry;
use crate::telemetry::view_log::Histogram;
use tch::{Kind, Tensor};

/// Bins of a histogram: as many as TensorBoard shows.
const BINS: i64 = 30;
/// Numbers that are sorted into bins at once, so that no whole matrix is copied.
const AT_ONCE: i64 = 1 << 20;

/// Records every variable, and its gradient as the optimizer used it in the last update.
pub fn histograms(weights: &Weights, step: u64, telemetry: &mut Telemetry) -> Result<()> {
    for (name, tensor) in weights.named() {
        let gradient = tensor.grad();
        for (kind, tensor) in [("weights", tensor), ("gradients", &gradient)] {
            if tensor.defined()
                && let Some(histogram) = histogram(&tensor.detach())
            {
                telemetry.histogram(step, &format!("{kind}/{name}"), histogram)?;
            }
        }
    }
    telemetry.flush()
}

/// Returns `None` if the tensor is empty or holds a number that is not finite.
fn histogram(tensor: &Tensor) -> Option<Histogram> {
    if tensor.numel() == 0 {
        return None;
    }
    let (min, max) = (tensor.min().double_value(&[]), tensor.max().double_value(&[]));
    if !(min.is_finite() && max.is_finite()) {
        return None;
    }
    if min == max {
        return Some(Histogram { min, max, counts: vec![tensor.numel() as u64] });
    }
    let mut counts = vec![0; BINS as usize];
    for part in tensor.flatten(0, -1).split(AT_ONCE, 0) {
        let places = ((part.to_kind(Kind::Double) - min) * (BINS as f64 / (max - min))).to_kind(Kind::Int64);
        let found = places.clamp(0, BINS - 1).bincount(None::<&Tensor>, BINS);
        let found: Vec<i64> = Vec::try_from(&found).ok()?;
        counts.iter_mut().zip(found).for_each(|(count, found)| *count += found as u64);
    }
    Some(Histogram { min, max, counts })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_is_in_the_bin_that_its_edges_say() {
        let values: Vec<f32> = (0..5000).map(|i| ((i * 7919) % 5000) as f32 / 1000.0 - 2.0).collect();
        let found = histogram(&Tensor::from_slice(&values).view([50, 100])).unwrap();
        assert_eq!((found.min, found.max, found.counts.len()), (-2.0, f64::from(2.999f32), 30));
        let mut low = f64::NEG_INFINITY;
        for (high, count) in found.upper_edges().into_iter().zip(&found.counts) {
            let last = high == found.max;
            let inside = |v: &&f32| low <= f64::from(**v) && (f64::from(**v) < high || last);
            // A number that lies on an edge up to rounding may count on either side.
            assert!(values.iter().filter(inside).count().abs_diff(*count as usize) <= 1);
            low = high;
        }
        assert_eq!(found.counts.iter().sum::<u64>(), 5000);
    }

    #[test]
    fn equal_numbers_are_one_bin_and_those_that_are_none_are_not_counted() {
        let equal = histogram(&Tensor::from_slice(&[0.5f32; 7])).unwrap();
        assert_eq!((equal.min, equal.max, equal.counts), (0.5, 0.5, vec![7]));
        assert_eq!(histogram(&Tensor::from_slice(&[1.0f32, f32::NAN])), None);
        assert_eq!(histogram(&Tensor::from_slice(&[1.0f32, f32::INFINITY])), None);
        assert_eq!(histogram(&Tensor::from_slice::<f32>(&[])), None);
    }
}
