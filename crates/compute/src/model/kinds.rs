//! Number formats: the one that weights are kept in, and the one that layers compute in while a model trains
//! (`training.precision`).
//!
//! Where the two differ, a layer takes its weights in the kind of its input. The cast is a step of the graph, so
//! gradients arrive in the kind of the weights, and micro-batches add up there.

use tch::{Kind, Tensor};

/// The number formats of a model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kinds {
    /// Of weights, gradients and moments, and of everything that is computed outside training: dev losses,
    /// translations and scores do not depend on how training rounded.
    pub weights: Kind,
    /// Of matrix products and activations in training.
    pub training: Kind,
}

impl From<Kind> for Kinds {
    /// One format for everything.
    fn from(kind: Kind) -> Self {
        Kinds { weights: kind, training: kind }
    }
}

/// `weight` in the kind of `x`; the same tensor where the kinds are one.
pub fn like(weight: &Tensor, x: &Tensor) -> Tensor {
    weight.to_kind(x.kind())
}

/// Whether a kind has too few digits for sums: 8 bits of bfloat16.
pub fn is_narrow(kind: Kind) -> bool {
    kind == Kind::BFloat16
}

/// A kind that sums can be made in: float32 for bfloat16, else the same.
pub fn wide_kind(kind: Kind) -> Kind {
    if is_narrow(kind) { Kind::Float } else { kind }
}

/// `x` in a kind that sums can be made in.
pub fn wide(x: &Tensor) -> Tensor {
    x.to_kind(wide_kind(x.kind()))
}
