//! Label-smoothed cross-entropy (§5.4) and the plain likelihood behind perplexity.

use super::memory_estimate::CHUNK_ROWS;
use crate::model::kinds::{is_narrow, like, wide};
use std::ops::AddAssign;
use tch::{Device, Kind, Tensor};

/// Sums over the target tokens of a batch, in nats.
#[derive(Debug)]
pub struct Loss {
    /// Cross-entropy against the smoothed distribution; scalar.
    pub smoothed: Tensor,
    /// Negative log-likelihood of the reference tokens; scalar.
    pub unsmoothed: Tensor,
}

impl Loss {
    /// Of no token.
    pub fn zero(device: Device) -> Self {
        Loss::of(0.0, 0.0, device)
    }

    /// Of these values, in nats.
    pub fn of(smoothed: f64, unsmoothed: f64, device: Device) -> Self {
        let scalar = |value| Tensor::full([], value, (Kind::Double, device));
        Loss { smoothed: scalar(smoothed), unsmoothed: scalar(unsmoothed) }
    }
}

impl AddAssign for Loss {
    fn add_assign(&mut self, more: Self) {
        self.smoothed += more.smoothed;
        self.unsmoothed += more.unsmoothed;
    }
}

/// The definition: the reference token has probability 1 - ε, every other row of the softmax ε / (V - 1).
///
/// # Shapes
/// `logits` [N, V], `targets` [N]. Differentiable.
///
/// # Source
/// Vaswani et al. 2017, §5.4; the mass of the others as in the released code.
///
/// # Deviation
/// The released code subtracts the smoothed distribution's entropy, a constant, for display; we do not.
pub fn cross_entropy(logits: &Tensor, targets: &Tensor, smoothing: f64) -> Loss {
    of_log_probabilities(&logits.log_softmax(-1, None), targets, smoothing)
}

fn of_log_probabilities(log_probabilities: &Tensor, targets: &Tensor, smoothing: f64) -> Loss {
    let reference = log_probabilities.gather(1, &targets.unsqueeze(1), false).sum(Kind::Double);
    let smoothed = if smoothing == 0.0 {
        -&reference
    } else {
        let other = other_mass(smoothing, log_probabilities.size()[1]);
        // Each row is summed in its own precision, the rows in double.
        let all = log_probabilities.sum_dim_intlist(-1, false, None).sum(Kind::Double);
        -(all * other + &reference * (1.0 - smoothing - other))
    };
    Loss { smoothed, unsmoothed: -reference }
}

/// Probability of each class that is not the reference.
fn other_mass(smoothing: f64, classes: i64) -> f64 {
    if classes > 1 { smoothing / (classes - 1) as f64 } else { 0.0 }
}

/// Scores that go through it at once on a GPU, where a chunk has to fill the card: about 1 GiB with what is made of them.
const CHUNK_SCORES: i64 = 1 << 27;

/// Rows that go through the softmax at once.
fn chunk_rows(device: Device, classes: i64) -> i64 {
    match device {
        Device::Cpu => CHUNK_ROWS,
        _ => (CHUNK_SCORES / classes).max(CHUNK_ROWS),
    }
}

/// The same as [`cross_entropy`] of `hidden · matrixᵀ + bias`, with its gradients, without keeping
/// the N × V scores: they are made, used and dropped in chunks of rows.
#[derive(Debug)]
pub struct LossGradient {
    pub loss: Loss,
    /// d smoothed / d hidden, [N, D].
    pub hidden: Tensor,
    /// d smoothed / d matrix, [V, D].
    pub matrix: Tensor,
    /// d smoothed / d bias, [V]; absent without a bias.
    pub bias: Option<Tensor>,
}

/// Of a bfloat16 `hidden` the products are bfloat16's, log-probabilities and all sums float32's.
///
/// # Shapes
/// `hidden` [N, D], `matrix` [V, D], `bias` [V], `targets` [N]. Each gradient has the kind of its tensor.
pub fn projected_cross_entropy(
    hidden: &Tensor,
    matrix: &Tensor,
    bias: Option<&Tensor>,
    targets: &Tensor,
    smoothing: f64,
) -> LossGradient {
    tch::no_grad(|| {
        let (rows, classes) = (hidden.size()[0], matrix.size()[0]);
        let other = other_mass(smoothing, classes);
        let mut loss = Loss::zero(hidden.device());
        let mut matrix_gradient = matrix.zeros_like();
        let mut bias_gradient = bias.map(Tensor::zeros_like);
        let (matrix, bias) = (like(matrix, hidden), bias.map(|bias| like(bias, hidden)));
        let mut hidden_gradients = Vec::new();
        let at_once = chunk_rows(hidden.device(), classes);
        for first in (0..rows).step_by(at_once as usize) {
            let count = at_once.min(rows - first);
            let chunk = hidden.narrow(0, first, count);
            let references = targets.narrow(0, first, count);
            let scores = chunk.linear(&matrix, bias.as_ref());
            let mut log_probabilities = wide(&scores).log_softmax(-1, None);
            loss += of_log_probabilities(&log_probabilities, &references, smoothing);
            // d/d scores = softmax - smoothed distribution. Narrow probabilities come sooner from the scores.
            let mut gradient = match is_narrow(scores.kind()) {
                true => scores.softmax(-1, None),
                false => log_probabilities.exp_(),
            };
            gradient -= other;
            let reference =
                Tensor::full([count, 1], other - (1.0 - smoothing), (gradient.kind(), gradient.device()));
            let gradient = gradient.scatter_add_(1, &references.unsqueeze(1), &reference);
            if let Some(sum) = &mut bias_gradient {
                *sum += gradient.sum_dim_intlist(0, false, None);
            }
            hidden_gradients.push(gradient.matmul(&matrix));
            matrix_gradient += gradient.tr().matmul(&chunk);
        }
        LossGradient {
            loss,
            hidden: Tensor::cat(&hidden_gradients, 0),
            matrix: matrix_gradient,
            bias: bias_gradient,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::Device;

    fn example(rows: i64, classes: i64) -> (Tensor, Tensor, Tensor) {
        let pattern = |count: i64, by: f64| {
            (Tensor::arange(count, (Kind::Double, Device::Cpu)) * by).sin().set_requires_grad(false)
        };
        let hidden = pattern(rows * 3, 0.7).view([rows, 3]).set_requires_grad(true);
        let matrix = pattern(classes * 3, 1.3).view([classes, 3]).set_requires_grad(true);
        let targets = Tensor::arange(rows, (Kind::Int64, Device::Cpu)).remainder(classes);
        (hidden, matrix, targets)
    }

    fn number(t: &Tensor) -> f64 {
        f64::try_from(t).unwrap()
    }

    #[test]
    fn smoothing_puts_its_mass_on_the_other_classes() {
        let logits = Tensor::from_slice(&[0.3, -1.0, 2.0]).view([1, 3]);
        let log_p: Vec<f64> = Vec::try_from(logits.log_softmax(-1, None).flatten(0, -1)).unwrap();
        let loss = cross_entropy(&logits, &Tensor::from_slice(&[2i64]), 0.1);
        let by_hand = -(0.9 * log_p[2] + 0.05 * log_p[0] + 0.05 * log_p[1]);
        assert!((number(&loss.smoothed) - by_hand).abs() < 1e-15);
        assert!((number(&loss.unsmoothed) + log_p[2]).abs() < 1e-15);
    }

    #[test]
    fn the_chunked_form_has_the_definitions_values_and_gradients() {
        let bias = (Tensor::arange(11, (Kind::Double, Device::Cpu)) * 0.9).sin().set_requires_grad(true);
        for (smoothing, bias) in [(0.0, None), (0.1, None), (0.1, Some(&bias))] {
            let (hidden, matrix, targets) = example(CHUNK_ROWS + 37, 11);
            let fast = projected_cross_entropy(&hidden, &matrix, bias, &targets, smoothing);
            let plain = cross_entropy(&hidden.linear(&matrix, bias), &targets, smoothing);
            plain.smoothed.backward();
            assert!((number(&plain.smoothed) - number(&fast.loss.smoothed)).abs() < 1e-9);
            assert!((number(&plain.unsmoothed) - number(&fast.loss.unsmoothed)).abs() < 1e-9);
            assert!(hidden.grad().allclose(&fast.hidden, 1e-12, 1e-12, false));
            assert!(matrix.grad().allclose(&fast.matrix, 1e-12, 1e-10, false));
            assert_eq!(bias.is_some(), fast.bias.is_some());
            if let (Some(bias), Some(gradient)) = (bias, fast.bias) {
                assert!(bias.grad().allclose(&gradient, 1e-12, 1e-10, false));
            }
        }
    }
}
