//! The number of operations of one pass forward of a micro-batch; see [`cost`](super::cost) for the rules.

use serde::{Deserialize, Serialize};

/// The shape of one micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchShape {
    /// Number of rows, each with one sentence pair unless several are packed: B.
    pub pairs: u64,
    /// Padded length of the sources, end of sentence counted: S.
    pub source: u64,
    /// Padded length of the targets, end of sentence counted: T.
    pub target: u64,
    /// Number of target positions that are no padding, which are scored against the vocabulary: N.
    pub scored: u64,
}

/// Operations of one pass forward, term by term.
///
/// The counts are floating-point numbers, which are exact up to 2⁵³ and never overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ForwardFlops {
    /// Queries, keys, values and outputs of all attention layers, and the products of queries and of weights with the
    /// vectors of relative positions.
    pub projections: f64,
    /// Queries times keys, and weights times values: the part that grows with the square of the lengths. A score's own
    /// matrix product is included.
    pub attention: f64,
    pub feed_forward: f64,
    /// Products of the kernels of convolutional parts.
    pub convolutional: f64,
    /// Products of the cells of recurrent parts.
    pub recurrent: f64,
    /// Hidden states times the matrix before the softmax.
    pub logits: f64,
}

impl ForwardFlops {
    pub fn total(&self) -> f64 {
        self.projections
            + self.attention
            + self.feed_forward
            + self.convolutional
            + self.recurrent
            + self.logits
    }

    /// Operations forward and backward. Each product C = A·B causes two products of its size, for the gradients of A
    /// and of B, because every factor here is a parameter or depends on one.
    pub fn training(&self) -> f64 {
        3.0 * self.total()
    }
}
