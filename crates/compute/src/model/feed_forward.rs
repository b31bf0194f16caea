//! Position-wise feed-forward network (§3.3), chosen by `model.feed_forward`, `model.activation` and `model.d_ff`.

use super::dropout::Dropout;
use super::linear::Linear;
use super::mode::Mode;
use super::residual::Residual;
use super::weights::Scope;
use super::{Activation, ModelConfig, init};
use tch::Tensor;

/// f(x W₁ + b₁) W₂ + b₂; with a gate, (f(x W + b) ⊗ (x V + c)) W₂ + d.
///
/// # Source
/// Vaswani et al. 2017, §3.3, eq. 2; Shazeer 2020, eq. 5 and 6.
///
/// # Deviation
/// Shazeer's sub-layers have no biases. Here all have biases, as in Vaswani et al., so that variants differ only in the
/// activation.
#[derive(Debug)]
pub struct FeedForward {
    inner: Inner,
    outer: Linear,
    activation: Activation,
    dropout: Dropout,
}

/// The maps before the last one. Matrices of different widths have different names, because rows of a sweep in which a
/// variable has the same path start it with the same numbers.
#[derive(Debug)]
enum Inner {
    Plain(Linear),
    Gated { gate: Linear, up: Linear },
}

impl FeedForward {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (d_model, width) = (config.d_model, config.inner_width());
        let linear = |name: &str, inputs: i64, outputs: i64| {
            Linear::build(&scope.child(name), inputs, outputs, init::matrix(config, inputs, outputs), true)
        };
        let (inner, last) = match config.activation.is_gated() {
            false => (Inner::Plain(linear("inner", d_model, width)), "outer"),
            true => {
                let [gate, up] = ["gate", "up"].map(|name| linear(name, d_model, width));
                (Inner::Gated { gate, up }, "down")
            }
        };
        FeedForward {
            inner,
            outer: Linear::build(
                &scope.child(last),
                width,
                d_model,
                init::last_matrix(config, width, d_model),
                true,
            ),
            activation: config.activation,
            dropout: Dropout::build(&scope.child("activation_dropout"), config.activation_dropout),
        }
    }

    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward(&self, x: &Tensor, mode: &Mode) -> Tensor {
        let hidden = match &self.inner {
            Inner::Plain(inner) => activate(self.activation, &inner.forward(x)),
            Inner::Gated { gate, up } => activate(self.activation, &gate.forward(x)) * up.forward(x),
        };
        self.outer.forward(&self.dropout.forward(hidden, mode))
    }
}

/// A layer's feed-forward network with the connection around it; nothing if `model.feed_forward` is false.
#[derive(Debug)]
pub struct FeedForwardSublayer(Option<(FeedForward, Residual)>);

impl FeedForwardSublayer {
    /// Builds the sub-layer; `scope` is that of the layer.
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let scope = scope.child("feed_forward");
        let build = || (FeedForward::build(&scope, config), Residual::build(&scope, config));
        FeedForwardSublayer(config.feed_forward.then(build))
    }

    /// # Shapes
    /// [B, T, D] → [B, T, D].
    pub fn forward(&self, x: Tensor, mode: &Mode) -> Tensor {
        match &self.0 {
            Some((network, residual)) => residual.forward(&x, mode, |x| network.forward(x, mode)),
            None => x,
        }
    }
}

/// Applies the function f of an activation, number by number.
pub(super) fn activate(activation: Activation, x: &Tensor) -> Tensor {
    match activation {
        Activation::Relu => x.relu(),
        Activation::Gelu | Activation::Geglu => x.gelu("none"),
        Activation::GeluTanh => x.gelu("tanh"),
        Activation::Swish | Activation::Swiglu => x.silu(),
        Activation::Glu => x.sigmoid(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Values of the functions at 1 and -2, from their definitions: Φ(1) = 0.8413447460685429,
    /// Φ(-2) = 0.0227501319481792, σ(1) = 0.7310585786300049, σ(-2) = 0.1192029220221176.
    #[test]
    fn activations_are_their_definitions() {
        let (normal, logistic) = (
            [0.841_344_746_068_542_9, 0.022_750_131_948_179_2],
            [0.731_058_578_630_004_9, 0.119_202_922_022_117_6],
        );
        let x = [1.0, -2.0];
        let times_x = |shares: [f64; 2]| [x[0] * shares[0], x[1] * shares[1]];
        for (activation, expected) in [
            (Activation::Relu, [1.0, 0.0]),
            (Activation::Gelu, times_x(normal)),
            (Activation::Geglu, times_x(normal)),
            (Activation::Swish, times_x(logistic)),
            (Activation::Swiglu, times_x(logistic)),
            (Activation::Glu, logistic),
        ] {
            let found: Vec<f64> = activate(activation, &Tensor::from_slice(&x)).try_into().unwrap();
            let near = found.iter().zip(expected).all(|(found, expected)| (found - expected).abs() < 1e-15);
            assert!(near, "{activation:?}: {found:?}, not {expected:?}");
        }
    }
}
