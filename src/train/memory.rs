//! The memory that a training needs, from the tensors that it holds at once.
//!
//! Counted for the process on a CPU. What autograd keeps follows from the graph that `model` builds; how
//! far the sum is from measured peaks is in docs/performance.md.

use super::TrainingConfig;
use super::loss::CHUNK_ROWS;
use super::workload::Workload;
use crate::model::ModelConfig;
use crate::model::flops::BatchShape;
use serde::Serialize;

/// The process with libtorch loaded and nothing computed.
const PROCESS_BYTES: f64 = 150.0 * 1024.0 * 1024.0;

/// What comes and goes takes so much more than its sum: batches of many shapes leave gaps in the heap.
/// Fitted to measured peaks (docs/performance.md).
const GAPS: f64 = 1.5;

/// Peak memory by what holds it, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MemoryEstimate {
    /// The program and its libraries.
    pub process: f64,
    pub weights: f64,
    pub gradients: f64,
    /// Adam's two moments.
    pub moments: f64,
    /// What the largest micro-batch keeps for the pass backward.
    pub activations: f64,
    /// What comes and goes beside them: a layer's or the loss's intermediate values.
    pub transient: f64,
    /// Scores of a whole batch against the vocabulary, for perplexity. Blocks of this size find no room in
    /// the gaps that training left, so they come on top.
    pub evaluation: f64,
}

impl MemoryEstimate {
    /// Of a model with `parameters` trained numbers and `rows` softmax rows.
    pub fn of_training(
        model: &ModelConfig,
        training: &TrainingConfig,
        parameters: u64,
        rows: i64,
        workload: &Workload,
    ) -> Self {
        let kinds = training.precision.kinds();
        let [bytes, computed] = [kinds.weights, kinds.training].map(|kind| kind.elt_size_in_bytes() as f64);
        let weights = bytes * parameters as f64;
        // Layers that compute in another kind keep their weights in it until the pass backward.
        let casts = if computed == bytes { 0.0 } else { computed * parameters as f64 };
        let matrix = rows as f64 * model.d_model as f64;
        let activations = workload.largest(|shape| kept(model, shape));
        let most = workload.largest(|shape| working_set(model, rows, shape));
        // Adam holds three copies of one matrix when no activation is left.
        let most = most.max(3.0 * matrix);
        let scored = training.micro_batch_tokens as f64;
        MemoryEstimate {
            process: PROCESS_BYTES,
            weights,
            gradients: weights,
            moments: 2.0 * weights,
            activations: GAPS * (computed * activations + casts),
            transient: GAPS * bytes * (most - activations).max(0.0),
            evaluation: bytes * 2.0 * scored * rows as f64,
        }
    }

    pub fn total(&self) -> f64 {
        self.process
            + self.weights
            + self.gradients
            + self.moments
            + self.activations
            + self.transient
            + self.evaluation
    }
}

/// Numbers that a micro-batch needs at once beside weights, gradients and moments, in training.
pub fn working_set(model: &ModelConfig, rows: i64, shape: &BatchShape) -> f64 {
    kept(model, shape) + passing(model, rows, shape)
}

/// Numbers that autograd keeps of a micro-batch from the pass forward to the pass backward.
fn kept(model: &ModelConfig, shape: &BatchShape) -> f64 {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    let (sources, targets) = (pairs * source, pairs * target);
    let (heads, d_model, d_ff) = (model.heads as f64, model.d_model as f64, model.d_ff as f64);
    let (d_k, d_v) = (heads * model.d_k() as f64, heads * model.d_v() as f64);
    let if_dropped = |rate: f64, count: f64| if rate > 0.0 { count } else { 0.0 };
    // Queries, keys, values and mixed values; the weights, and with dropout their mask and product.
    let attention = |queries: f64, keys: f64, scores: f64| {
        (queries + keys) * (d_k + d_v) + heads * scores * (1.0 + if_dropped(model.attention_dropout, 2.0))
    };
    // The norm's input and output, and the mask.
    let residual = d_model * (2.0 + if_dropped(model.dropout, 1.0));
    let feed_forward = d_ff * (1.0 + if_dropped(model.activation_dropout, 2.0));
    let encoder =
        attention(sources, sources, pairs * source * source) + sources * (2.0 * residual + feed_forward);
    let decoder = attention(targets, targets, pairs * target * target)
        + attention(targets, sources, pairs * target * source)
        + targets * (3.0 * residual + feed_forward);
    let embedded = (sources + targets) * d_model * (1.0 + if_dropped(model.dropout, 1.0));
    // Hidden states of the scored positions, and their gradient in pieces and whole.
    model.layers as f64 * (encoder + decoder) + embedded + 3.0 * scored * d_model
}

/// Numbers beside the kept ones at the worst moment: inside a layer, or in the loss.
fn passing(model: &ModelConfig, rows: i64, shape: &BatchShape) -> f64 {
    let [pairs, source, target, scored] =
        [shape.pairs, shape.source, shape.target, shape.scored].map(|n| n as f64);
    let longer = source.max(target);
    let layer = pairs * longer * (2.0 * (model.d_ff as f64) + 4.0 * model.d_model as f64)
        + 3.0 * model.heads as f64 * pairs * longer * longer;
    // Scores and probabilities of a chunk of rows; the matrix's gradient and two more of its size.
    let loss = (rows as f64) * (2.0 * scored.min(CHUNK_ROWS as f64) + 3.0 * model.d_model as f64);
    layer.max(loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::train::Precision;

    fn estimate(change: impl Fn(&mut ModelConfig, &mut TrainingConfig)) -> MemoryEstimate {
        let (mut model, mut training) = (ModelConfig::default(), TrainingConfig::default());
        change(&mut model, &mut training);
        MemoryEstimate::of_training(&model, &training, 1_000_000, 5_000, &Workload::assumed(&training, 100))
    }

    #[test]
    fn weights_gradients_and_moments_are_four_numbers_a_parameter() {
        let plain = estimate(|_, _| ());
        assert_eq!(plain.weights + plain.gradients + plain.moments, 16e6);
        let double = estimate(|_, training| training.precision = Precision::Float64);
        assert_eq!(double.total() - double.process, 2.0 * (plain.total() - plain.process));
        let narrow = estimate(|_, training| training.precision = Precision::Bfloat16);
        assert_eq!((narrow.weights, narrow.moments), (plain.weights, plain.moments));
        assert!((0.5..0.6).contains(&(narrow.activations / plain.activations)));
    }

    #[test]
    fn activations_grow_with_what_autograd_keeps() {
        let plain = estimate(|_, _| ()).activations;
        let half = estimate(|_, training| training.micro_batch_tokens /= 2).activations;
        assert!((plain / half - 2.0).abs() < 0.05, "{plain} and {half}");
        let changes: [fn(&mut ModelConfig, &mut TrainingConfig); 4] = [
            |model, _| model.attention_dropout = 0.1,
            |model, _| model.activation_dropout = 0.1,
            |model, _| model.layers += 1,
            |model, _| model.heads *= 2,
        ];
        for (index, change) in changes.into_iter().enumerate() {
            assert!(estimate(change).activations > plain, "change {index}");
        }
        assert!(estimate(|model, _| model.dropout = 0.0).activations < plain);
    }
}
