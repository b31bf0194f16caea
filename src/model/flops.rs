//! The floating-point operations that a batch costs, from the shapes of its matrix products.
//!
//! Counted are matrix products alone, a multiplication and its addition as two operations: what torch's
//! `FlopCounterMode` counts. Softmax, norms, dropout, the optimizer and everything else that is done number
//! by number is left out; `scripts/check_flops.py` holds the formulas against torch.

use super::ModelConfig;
use serde::{Deserialize, Serialize};

/// The shape of one micro-batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchShape {
    /// Rows, each of one sentence pair unless several are packed: B.
    pub pairs: u64,
    /// Padded length of the sources, end of sentence counted: S.
    pub source: u64,
    /// Padded length of the targets, end of sentence counted: T.
    pub target: u64,
    /// Target positions that are no padding and so are scored against the vocabulary: N.
    pub scored: u64,
}

/// Operations of one pass forward, term by term.
///
/// Floating-point numbers, which count exactly up to 2⁵³ and never overflow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct ForwardFlops {
    /// Queries, keys, values and outputs of all attention layers.
    pub projections: f64,
    /// Queries times keys, and weights times values: what grows with the square of the lengths.
    pub attention: f64,
    pub feed_forward: f64,
    /// Hidden states times the matrix before the softmax.
    pub logits: f64,
}

impl ForwardFlops {
    pub fn total(&self) -> f64 {
        self.projections + self.attention + self.feed_forward + self.logits
    }

    /// Forward and backward. Each product C = A·B has two products of its size behind it, for the gradients
    /// of A and of B: every factor here is or depends on a trained number.
    pub fn training(&self) -> f64 {
        3.0 * self.total()
    }
}

/// One pass forward of a batch through a model whose softmax has `rows` rows. Padding is computed, so it
/// counts; a position that the causal mask hides is computed as well.
pub fn forward(config: &ModelConfig, rows: i64, shape: &BatchShape) -> ForwardFlops {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let (layers, d_model, d_ff) = (config.layers as f64, config.d_model as f64, config.d_ff as f64);
    // Of all heads together.
    let d_k = (config.heads as f64) * config.d_k() as f64;
    let d_v = (config.heads as f64) * config.d_v() as f64;
    // Query and output for every position that attends, key and value for every one attended to.
    let own = 2.0 * d_model * (d_k + d_v);
    let projections = own * (2.0 * sources) + own * (2.0 * targets) + own * (targets + sources);
    let seen = pairs * (source * source + target * target + target * source);
    ForwardFlops {
        projections: layers * projections,
        attention: layers * 2.0 * (d_k + d_v) * seen,
        feed_forward: layers * 4.0 * d_model * d_ff * (sources + targets),
        logits: 2.0 * d_model * rows as f64 * scored,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_base_model_costs_about_six_operations_a_weight_and_token() {
        let shape = BatchShape { pairs: 1000, source: 25, target: 25, scored: 25_000 };
        let flops = forward(&ModelConfig::default(), 37_000, &shape);
        // Encoder weights meet source tokens; decoder and softmax weights target tokens.
        let weights = 44_140_000.0 + 37_000.0 * 512.0;
        let rule = 6.0 * weights * 25_000.0;
        assert!((flops.training() / rule - 1.0).abs() < 0.03, "{} and {rule}", flops.training());
    }

    #[test]
    fn attention_grows_with_the_square_of_the_lengths_and_nothing_else_does() {
        let config = ModelConfig::default();
        let short = forward(&config, 100, &BatchShape { pairs: 2, source: 10, target: 10, scored: 20 });
        let long = forward(&config, 100, &BatchShape { pairs: 1, source: 20, target: 20, scored: 20 });
        assert_eq!(long.attention, 2.0 * short.attention);
        assert_eq!(ForwardFlops { attention: 0.0, ..long }, ForwardFlops { attention: 0.0, ..short });
    }
}
