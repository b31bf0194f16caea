//! Number formats of the weights, and of the layers while a model trains (`training.precision`).
//!
//! If the two differ, a layer casts its weights to the kind of its input. The cast is a step of the graph, so gradients
//! arrive in the kind of the weights, and micro-batches are summed in this kind.

use super::mode::Mode;
use tch::{Kind, Tensor};

/// The number formats of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Kind of weights, gradients and moments, and of all computations outside training: dev losses, translations and
    /// scores do not depend on the rounding of training.
    pub weights: Kind,
    /// Kind of matrix products and activations in training.
    pub training: Kind,
}

impl Kinds {
    /// Returns the kind of matrix products and activations in a pass of this mode.
    pub fn of_pass(self, mode: &Mode) -> Kind {
        if mode.is_training() { self.training } else { self.weights }
    }
}

impl From<Kind> for Kinds {
    /// Uses one format for everything.
    fn from(kind: Kind) -> Self {
        Kinds { weights: kind, training: kind }
    }
}

/// Returns `weight` in the kind of `x`; the same tensor if the kinds are equal.
pub fn like(weight: &Tensor, x: &Tensor) -> Tensor {
    weight.to_kind(x.kind())
}

/// Whether a kind has too few digits for sums, as bfloat16 with its 8 bits.
pub fn is_narrow(kind: Kind) -> bool {
    kind == Kind::BFloat16
}

/// Returns a kind for sums: float32 for bfloat16, otherwise the same kind.
pub fn wide_kind(kind: Kind) -> Kind {
    if is_narrow(kind) { Kind::Float } else { kind }
}

/// Returns `x` in a kind for sums.
pub fn wide(x: &Tensor) -> Tensor {
    x.to_kind(wide_kind(x.kind()))
}
