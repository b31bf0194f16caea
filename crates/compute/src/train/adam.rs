//! Adam over named weights, with a state that can be saved (§5.3), and AdamW if `training.weight_decay` is not 0.
//!
//! tch's optimizer is not used, because it neither saves its moments nor returns the gradient norm. On a GPU libtorch's
//! fused kernels do the same for all weights at once.

use super::TrainingConfig;
use crate::model::weights::{Role, Weights};
use crate::shim::many::{self, AdamStep};
use tch::{Device, Kind, Tensor};

/// First and second moments beside the weights they belong to.
#[derive(Debug)]
pub struct Adam {
    moments: Vec<Moments>,
    beta1: f64,
    beta2: f64,
    epsilon: f64,
    weight_decay: f64,
}

/// Running means of a gradient and of its square.
#[derive(Debug)]
pub struct Moments {
    pub first: Tensor,
    pub second: Tensor,
}

impl Adam {
    /// Creates the optimizer with moments of zero.
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
            weight_decay: config.weight_decay,
        }
    }

    /// Returns the moments in the order of [`Weights::named`].
    pub fn moments(&self) -> &[Moments] {
        &self.moments
    }

    /// Does update number `step`, counted from 1, with the gradients of `weights`.
    ///
    /// # Source
    /// Kingma and Ba 2015, algorithm 1; with weight decay Loshchilov and Hutter 2019, algorithm 2, where the decay follows
    /// the learning rate as in torch.optim.AdamW.
    pub fn update(&mut self, weights: &Weights, step: u64, learning_rate: f64) {
        if is_on_gpu(weights) {
            return self.update_at_once(weights, step, learning_rate);
        }
        let correction1 = 1.0 - self.beta1.powf(step as f64);
        let correction2 = 1.0 - self.beta2.powf(step as f64);
        tch::no_grad(|| {
            let roles = weights.roles().iter();
            for (((_, weight), role), Moments { first, second }) in
                weights.named().iter().zip(roles).zip(&mut self.moments)
            {
                let gradient = weight.grad();
                if !gradient.defined() {
                    continue; // a weight that this variant does not use
                }
                let mut weight = weight.shallow_clone();
                let decay = decay(*role, self.weight_decay);
                if decay != 0.0 {
                    weight *= 1.0 - learning_rate * decay;
                }
                let _ = first.lerp_(&gradient, 1.0 - self.beta1);
                let _ = second.lerp_(&gradient.square(), 1.0 - self.beta2);
                let mut denominator = second.sqrt();
                denominator /= correction2.sqrt();
                denominator += self.epsilon;
                let mut change = &*first / denominator;
                change *= learning_rate / correction1;
                weight -= change;
            }
        });
    }

    /// Does the same by libtorch's fused kernel: one call for the weights with decay and one for the others.
    ///
    /// # Panics
    /// If memory runs out, as plain operations do.
    fn update_at_once(&mut self, weights: &Weights, step: u64, learning_rate: f64) {
        let Adam { beta1, beta2, epsilon, .. } = *self;
        let of = |role: &Role| decay(*role, self.weight_decay);
        let decays = if self.weight_decay == 0.0 { &[0.0][..] } else { &[self.weight_decay, 0.0] };
        for &weight_decay in decays {
            let (mut trained, mut gradients) = (Vec::new(), Vec::new());
            let (mut first, mut second) = (Vec::new(), Vec::new());
            let variables = weights.named().iter().zip(weights.roles()).zip(&self.moments);
            for (((_, weight), role), moments) in variables {
                let gradient = weight.grad();
                if gradient.defined() && of(role) == weight_decay {
                    trained.push(weight.shallow_clone());
                    gradients.push(gradient);
                    first.push(moments.first.shallow_clone());
                    second.push(moments.second.shallow_clone());
                }
            }
            let settings = AdamStep { step, learning_rate, beta1, beta2, epsilon, weight_decay };
            expect(many::fused_adam(&trained, &gradients, &first, &second, settings));
        }
    }
}

/// Returns the weight decay of a variable with this role.
fn decay(role: Role, weight_decay: f64) -> f64 {
    match role {
        Role::Weight => weight_decay,
        Role::Bias | Role::Gain => 0.0,
    }
}

fn is_on_gpu(weights: &Weights) -> bool {
    weights.named().first().is_some_and(|(_, weight)| matches!(weight.device(), Device::Cuda(_)))
}

/// Panics on an error, as tch's own operations do.
fn expect<T>(result: crate::error::Result<T>) -> T {
    result.unwrap_or_else(|error| panic!("{error}"))
}

/// Returns the Euclidean norm of all gradients together, a scalar of float64 on their device.
pub fn gradient_norm(weights: &Weights) -> Tensor {
    if is_on_gpu(weights) {
        let gradients: Vec<Tensor> = gradients(weights).collect();
        return match gradients.is_empty() {
            true => Tensor::from(0.0),
            false => expect(many::joint_norm(&gradients)),
        };
    }
    tch::no_grad(|| {
        let squares: Vec<Tensor> = gradients(weights).map(|g| g.square().sum(Kind::Double)).collect();
        match squares.is_empty() {
            true => Tensor::from(0.0),
            false => Tensor::stack(&squares, 0).sum(Kind::Double).sqrt(),
        }
    })
}

/// Returns whether all gradients are finite. Waits for their device.
pub fn gradients_are_finite(weights: &Weights) -> bool {
    tch::no_grad(|| gradients(weights).all(|gradient| gradient.isfinite().all().int64_value(&[]) == 1))
}

/// Scales all gradients down to a joint norm of at most `limit`, given their `norm`.
pub fn clip(weights: &Weights, norm: f64, limit: f64) {
    if norm > limit && is_on_gpu(weights) {
        expect(many::scale(&gradients(weights).collect::<Vec<_>>(), limit / norm));
    } else if norm > limit {
        tch::no_grad(|| gradients(weights).for_each(|mut g| g *= limit / norm));
    }
}

/// Sets all gradients to zero for the next update; on a GPU removes them until the next backward pass.
pub fn zero_gradients(weights: &Weights) {
    if is_on_gpu(weights) {
        let weights: Vec<Tensor> = weights.named().iter().map(|(_, weight)| weight.shallow_clone()).collect();
        return expect(many::forget_gradients(&weights));
    }
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

    /// The difference on a GPU: the fused kernels also run on a CPU.
    #[test]
    fn the_operations_for_all_weights_at_once_are_the_plain_ones() {
        let model = |kind| {
            let scope = Scope::seeded(5, kind, Device::Cpu);
            let start = Start::Normal { deviation: 0.3 };
            let _ = scope.variable("a", &[7, 3], start);
            let _ = scope.bias("b", &[5], start);
            let _ = scope.variable("unused", &[2], start);
            scope.into_weights()
        };
        let cases = [(Kind::Double, 1e-13), (Kind::Float, 1e-6)];
        for ((kind, tolerance), weight_decay) in cases.into_iter().flat_map(|case| [(case, 0.0), (case, 0.5)])
        {
            let (plain, fused) = (model(kind), model(kind));
            let config = TrainingConfig { weight_decay, ..Default::default() };
            let (mut by_one, mut at_once) = (Adam::build(&config, &plain), Adam::build(&config, &fused));
            for step in 1..=5 {
                zero_gradients(&plain);
                let all: Vec<Tensor> = fused.named().iter().map(|(_, w)| w.shallow_clone()).collect();
                many::forget_gradients(&all).unwrap();
                for weights in [&plain, &fused] {
                    for (_, w) in &weights.named()[..2] {
                        ((w * step as f64).sin() * w).sum(kind).backward();
                    }
                }
                let gradients: Vec<Tensor> = gradients(&fused).collect();
                assert_eq!(gradients.len(), 2);
                let [a, b] = [gradient_norm(&plain), many::joint_norm(&gradients).unwrap()]
                    .map(|norm| norm.double_value(&[]));
                assert!((a / b - 1.0).abs() < tolerance, "{a} and {b}");
                clip(&plain, a, 0.5 * a);
                many::scale(&gradients, 0.5).unwrap();
                by_one.update(&plain, step, 0.01);
                at_once.update_at_once(&fused, step, 0.01);
            }
            for ((name, a), (_, b)) in plain.named().iter().zip(fused.named()) {
                let gap = (a - b).abs().max().double_value(&[]);
                assert!(gap < tolerance, "{kind:?} {name}: {gap:e}");
            }
        }
    }

    #[test]
    fn matrices_decay_with_the_learning_rate_and_biases_and_gains_do_not() {
        let scope = Scope::seeded(1, Kind::Double, Device::Cpu);
        let variables = [
            scope.variable("weight", &[2, 2], Start::Ones),
            scope.bias("bias", &[2], Start::Ones),
            scope.gain("scale", &[2], Start::Ones),
        ];
        let weights = scope.into_weights();
        // With a gradient of 0, only the decay changes the weight.
        variables.iter().for_each(|variable| (variable * 0.0).sum(Kind::Double).backward());
        let config = TrainingConfig { weight_decay: 0.25, ..Default::default() };
        Adam::build(&config, &weights).update(&weights, 1, 0.1);
        let found =
            variables.map(|variable| variable.sum(Kind::Double).double_value(&[]) / variable.numel() as f64);
        assert_eq!(found, [1.0 - 0.1 * 0.25, 1.0, 1.0]);
    }

    #[test]
    fn clipping_scales_to_the_limit_and_leaves_small_gradients() {
        let (weights, w) = weight(2.0);
        (w.square()).sum(Kind::Double).backward();
        assert_eq!(gradient_norm(&weights).double_value(&[]), 4.0);
        clip(&weights, 4.0, 5.0);
        assert_eq!(gradient_norm(&weights).double_value(&[]), 4.0);
        clip(&weights, 4.0, 1.0);
        assert!((gradient_norm(&weights).double_value(&[]) - 1.0).abs() < 1e-12);
    }
}
