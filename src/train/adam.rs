//! Adam over named weights, with a state that can be saved (§5.3).
//!
//! Own, because tch's optimizer neither saves its moments nor tells the gradient's norm.

use super::TrainingConfig;
use crate::model::weights::Weights;
use tch::{Kind, Tensor};

/// First and second moments beside the weights they belong to.
#[derive(Debug)]
pub struct Adam {
    moments: Vec<Moments>,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
}

/// Running means of a gradient and of its square.
#[derive(Debug)]
pub struct Moments {
    pub first: Tensor,
    pub second: Tensor,
}

impl Adam {
    /// Moments start at zero.
    pub fn build(config: &TrainingConfig, weights: &Weights) -> Self {
        let zeros = |(_, weight): &(String, Tensor)| {
            let zero = || Tensor::zeros(weight.size(), (weight.kind(), weight.device()));
            Moments { first: zero(), second: zero() }
        };
        Adam {
            moments: weights.named().iter().map(zeros).collect(),
            beta1: config.adam_beta1,
            beta2: config.adam_beta2,
            epsilon: config.adam_epsilon,
        }
    }

    /// In the order of [`Weights::named`].
    pub fn moments(&self) -> &[Moments] {
        &self.moments
    }

    /// Update number `step`, counted from 1, from the gradients of `weights`.
    ///
    /// # Source
    /// Kingma and Ba 2015, algorithm 1.
    pub fn update(&mut self, weights: &Weights, step: u64, learning_rate: f64) {
        let correction1 = 1.0 - self.beta1.powf(step as f64);
        let correction2 = 1.0 - self.beta2.powf(step as f64);
        tch::no_grad(|| {
            for ((_, weight), Moments { first, second }) in weights.named().iter().zip(&mut self.moments) {
                let gradient = weight.grad();
                if !gradient.defined() {
                    continue; // a weight that this variant does not use
                }
                let _ = first.lerp_(&gradient, 1.0 - self.beta1);
                let _ = second.lerp_(&gradient.square(), 1.0 - self.beta2);
                let mut denominator = second.sqrt();
                denominator /= correction2.sqrt();
                denominator += self.epsilon;
                let mut change = &*first / denominator;
                change *= learning_rate / correction1;
                let mut weight = weight.shallow_clone();
                weight -= change;
            }
        });
    }
}

/// Euclidean norm of all gradients together.
pub fn gradient_norm(weights: &Weights) -> f64 {
    tch::no_grad(|| {
        let squares: Vec<Tensor> = gradients(weights).map(|g| g.square().sum(Kind::Double)).collect();
        if squares.is_empty() {
            return 0.0;
        }
        Tensor::stack(&squares, 0).sum(Kind::Double).sqrt().double_value(&[])
    })
}

/// Scales all gradients down to a joint norm of at most `limit`, given their `norm`.
pub fn clip(weights: &Weights, norm: f64, limit: f64) {
    if norm > limit {
        tch::no_grad(|| gradients(weights).for_each(|mut g| g *= limit / norm));
    }
}

/// Sets all gradients to zero for the next update.
pub fn zero_gradients(weights: &Weights) {
    for (_, weight) in weights.named() {
        weight.shallow_clone().zero_grad();
    }
}

fn gradients(weights: &Weights) -> impl Iterator<Item = Tensor> + '_ {
    weights.named().iter().map(|(_, weight)| weight.grad()).filter(Tensor::defined)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::weights::{Scope, Start};
    use tch::Device;

    fn weight(value: f64) -> (Weights, Tensor) {
        let scope = Scope::seeded(1, Kind::Double, Device::Cpu);
        let tensor = scope.variable("w", &[1], Start::Zeros);
        let _ = tch::no_grad(|| tensor.shallow_clone().fill_(value));
        (scope.into_weights(), tensor)
    }

    #[test]
    fn two_updates_by_hand() {
        let (weights, w) = weight(1.0);
        let config = TrainingConfig::default();
        let mut adam = Adam::build(&config, &weights);
        let (mut expected, mut first, mut second) = (1.0f64, 0.0f64, 0.0f64);
        for step in 1..=2u64 {
            zero_gradients(&weights);
            (w.square() * 3.0).sum(Kind::Double).backward();
            let gradient = 6.0 * expected;
            first = 0.9 * first + 0.1 * gradient;
            second = 0.98 * second + 0.02 * gradient * gradient;
            let (m, v) =
                (first / (1.0 - 0.9f64.powf(step as f64)), second / (1.0 - 0.98f64.powf(step as f64)));
            expected -= 0.1 * m / (v.sqrt() + 1e-9);
            adam.update(&weights, step, 0.1);
            assert!((w.double_value(&[0]) - expected).abs() < 1e-12);
        }
    }

    #[test]
    fn clipping_scales_to_the_limit_and_leaves_small_gradients() {
        let (weights, w) = weight(2.0);
        (w.square()).sum(Kind::Double).backward();
        assert_eq!(gradient_norm(&weights), 4.0);
        clip(&weights, 4.0, 5.0);
        assert_eq!(gradient_norm(&weights), 4.0);
        clip(&weights, 4.0, 1.0);
        assert!((gradient_norm(&weights) - 1.0).abs() < 1e-12);
    }
}
