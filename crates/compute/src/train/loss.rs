//! Label-smoothed cross-entropy (§5.4) and the plain likelihood behind perplexity.

use super::TrainingConfig;
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
    /// Returns the loss of no tokens.
    pub fn zero(device: Device) -> Self {
        Loss::of(0.0, 0.0, device)
    }

    /// Returns a loss with these values, in nats.
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

/// Computes the definition: the reference token has probability 1 - ε, every other row of the softmax ε / (V - 1).
///
/// # Shapes
/// `logits` [N, V], `targets` [N]. Differentiable.
///
/// # Source
/// Vaswani et al. 2017, §5.4; the probability of other tokens as in the released code.
///
/// # Deviation
/// The released code subtracts the smoothed distribution's entropy, a constant, for display; this code does not.
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

/// Returns the probability of each class that is not the reference.
fn other_mass(smoothing: f64, classes: i64) -> f64 {
    if classes > 1 { smoothing / (classes - 1) as f64 } else { 0.0 }
}

/// Number of scores in a chunk on a GPU, where a chunk must fill the card: about 1 GiB with all tensors made from them.
const CHUNK_SCORES: i64 = 1 << 27;

/// Returns the number of rows in a chunk, which go through the softmax at once.
fn chunk_rows(device: Device, classes: i64) -> i64 {
    match device {
        Device::Cpu => CHUNK_ROWS,
        _ => (CHUNK_SCORES / classes).max(CHUNK_ROWS),
    }
}

/// The training objective: the smoothed cross-entropy and, with two passes, the divergence of their distributions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Objective {
    pub smoothing: f64,
    /// α of R-Drop.
    pub r_drop: f64,
}

impl Objective {
    pub fn of(config: &TrainingConfig) -> Self {
        Objective { smoothing: config.label_smoothing, r_drop: config.r_drop }
    }
}

/// The losses of passes through a model, computed from their hidden states, with the gradients of the objective. The N
/// × V scores are not kept: they are computed and dropped in chunks of rows.
#[derive(Debug)]
pub struct LossGradient {
    /// [`cross_entropy`] of `hidden · matrixᵀ + bias`, the mean over the passes.
    pub loss: Loss,
    /// d objective / d hidden, [N, W] for each pass.
    pub hidden: Vec<Tensor>,
    /// d objective / d matrix, [V, W].
    pub matrix: Tensor,
    /// d objective / d bias, [V]; absent without a bias.
    pub bias: Option<Tensor>,
}

/// Computes the objective, the smoothed cross-entropy summed over the rows, and its gradients. With two passes it is the
/// mean of theirs plus α / 2 times the mean of the Kullback-Leibler divergences in both directions: half of R-Drop's sum.
///
/// For a bfloat16 `hidden`, products are computed in bfloat16, log-probabilities and all sums in float32.
///
/// # Shapes
/// `hidden` [N, W] for each of one or two passes, `matrix` [V, W], `bias` [V], `targets` [N]. Each gradient has the kind of
/// its tensor.
///
/// # Source
/// Wu et al. 2021, "R-Drop: Regularized Dropout for Neural Networks", eq. 1 to 4.
pub fn projected_cross_entropy(
    hidden: &[Tensor],
    matrix: &Tensor,
    bias: Option<&Tensor>,
    targets: &Tensor,
    objective: Objective,
) -> LossGradient {
    tch::no_grad(|| {
        let (rows, classes, device) = (hidden[0].size()[0], matrix.size()[0], matrix.device());
        assert!(matches!(hidden.len(), 1 | 2), "one pass or two");
        let share = 1.0 / hidden.len() as f64;
        let mut loss = Loss::zero(device);
        let mut matrix_gradient = matrix.zeros_like();
        let mut bias_gradient = bias.map(Tensor::zeros_like);
        let (matrix, bias) = (like(matrix, &hidden[0]), bias.map(|bias| like(bias, &hidden[0])));
        let mut hidden_gradients: Vec<Vec<Tensor>> = hidden.iter().map(|_| Vec::new()).collect();
        let at_once = chunk_rows(device, classes);
        for first in (0..rows).step_by(at_once as usize) {
            let count = at_once.min(rows - first);
            let references = targets.narrow(0, first, count);
            let chunks: Vec<Tensor> = hidden.iter().map(|pass| pass.narrow(0, first, count)).collect();
            let scores: Vec<Tensor> =
                chunks.iter().map(|chunk| chunk.linear(&matrix, bias.as_ref())).collect();
            let log_probabilities: Vec<Tensor> =
                scores.iter().map(|scores| wide(scores).log_softmax(-1, None)).collect();
            for of_pass in &log_probabilities {
                loss += of_log_probabilities(of_pass, &references, objective.smoothing);
            }
            let apart = match &log_probabilities[..] {
                [one, other] => Some(divergence_gradients(one, other, 0.5 * objective.r_drop)),
                _ => None,
            };
            for (pass, (log_probabilities, scores)) in log_probabilities.into_iter().zip(scores).enumerate() {
                let mut gradient =
                    cross_entropy_gradient(log_probabilities, &scores, &references, objective.smoothing);
                if let Some(apart) = &apart {
                    gradient += apart[pass].to_kind(gradient.kind());
                    gradient *= share;
                }
                if let Some(sum) = &mut bias_gradient {
                    *sum += gradient.sum_dim_intlist(0, false, None);
                }
                hidden_gradients[pass].push(gradient.matmul(&matrix));
                matrix_gradient += gradient.tr().matmul(&chunks[pass]);
            }
        }
        LossGradient {
            // For one pass this multiplies by 1, which changes no bit.
            loss: Loss { smoothed: loss.smoothed * share, unsmoothed: loss.unsmoothed * share },
            hidden: hidden_gradients.iter().map(|chunks| Tensor::cat(chunks, 0)).collect(),
            matrix: matrix_gradient,
            bias: bias_gradient,
        }
    })
}

/// Returns d smoothed cross-entropy / d scores: the softmax minus the smoothed distribution, [N, V].
fn cross_entropy_gradient(
    mut log_probabilities: Tensor,
    scores: &Tensor,
    references: &Tensor,
    smoothing: f64,
) -> Tensor {
    let other = other_mass(smoothing, scores.size()[1]);
    // Narrow probabilities are computed faster from the scores.
    let mut gradient = match is_narrow(scores.kind()) {
        true => scores.softmax(-1, None),
        false => log_probabilities.exp_(),
    };
    gradient -= other;
    let place = [references.size()[0], 1];
    let reference = Tensor::full(place, other - (1.0 - smoothing), (gradient.kind(), gradient.device()));
    gradient.scatter_add_(1, &references.unsqueeze(1), &reference)
}

/// Returns the gradients of `weight` · (KL(P ‖ Q) + KL(Q ‖ P)) by the scores of P and Q, from log-probabilities [N, V].
fn divergence_gradients(p: &Tensor, q: &Tensor, weight: f64) -> [Tensor; 2] {
    let (difference, p, q) = (p - q, p.exp(), q.exp());
    let mean = |distribution: &Tensor| (distribution * &difference).sum_dim_intlist(-1, true, None);
    // With s = ln P - ln Q: d/d scores of P is P · (s - Σ P s) + P - Q; for Q exchange P and Q.
    let change = &p - &q;
    let of_p = (&difference - mean(&p)) * &p + &change;
    let of_q = (mean(&q) - &difference) * &q - change;
    [of_p * weight, of_q * weight]
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
            let objective = Objective { smoothing, r_drop: 0.0 };
            let passes = [hidden.shallow_clone()];
            let fast = projected_cross_entropy(&passes, &matrix, bias, &targets, objective);
            let plain = cross_entropy(&hidden.linear(&matrix, bias), &targets, smoothing);
            plain.smoothed.backward();
            assert!((number(&plain.smoothed) - number(&fast.loss.smoothed)).abs() < 1e-9);
            assert!((number(&plain.unsmoothed) - number(&fast.loss.unsmoothed)).abs() < 1e-9);
            assert!(hidden.grad().allclose(&fast.hidden[0], 1e-12, 1e-12, false));
            assert!(matrix.grad().allclose(&fast.matrix, 1e-12, 1e-10, false));
            assert_eq!(bias.is_some(), fast.bias.is_some());
            if let (Some(bias), Some(gradient)) = (bias, fast.bias) {
                assert!(bias.grad().allclose(&gradient, 1e-12, 1e-10, false));
            }
        }
    }

    #[test]
    fn two_passes_have_half_of_r_drops_loss() {
        let objective = Objective { smoothing: 0.1, r_drop: 5.0 };
        let (hidden, matrix, targets) = example(CHUNK_ROWS + 37, 11);
        let other = (hidden.detach() * 1.7 - 0.3).set_requires_grad(true);
        let bias = (Tensor::arange(11, (Kind::Double, Device::Cpu)) * 0.9).sin().set_requires_grad(true);
        let passes = [&hidden, &other].map(Tensor::shallow_clone);
        let fast = projected_cross_entropy(&passes, &matrix, Some(&bias), &targets, objective);
        let scores = passes.each_ref().map(|pass| pass.linear(&matrix, Some(&bias)));
        let [one, two] = scores.each_ref().map(|scores| cross_entropy(scores, &targets, 0.1));
        let [p, q] = scores.map(|scores| scores.log_softmax(-1, None));
        let apart = [(&p, &q), (&q, &p)]
            .map(|(a, b)| (a.exp() * (a - b)).sum(Kind::Double))
            .into_iter()
            .sum::<Tensor>();
        let losses = one.smoothed + two.smoothed;
        assert!((number(&losses) / 2.0 - number(&fast.loss.smoothed)).abs() < 1e-9);
        let unsmoothed = (number(&one.unsmoothed) + number(&two.unsmoothed)) / 2.0;
        assert!((unsmoothed - number(&fast.loss.unsmoothed)).abs() < 1e-9);
        ((losses + apart * (5.0 / 2.0)) * 0.5).backward();
        let found = [&fast.hidden[0], &fast.hidden[1], &fast.matrix, fast.bias.as_ref().unwrap()];
        for (leaf, gradient) in [&hidden, &other, &matrix, &bias].into_iter().zip(found) {
            assert!(leaf.grad().allclose(gradient, 1e-11, 1e-10, false));
        }
    }
}
