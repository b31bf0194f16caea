//! The memory that a training needs, from the tensors that it holds at once.
//!
//! Peaks of the process on a CPU. The tensors that autograd keeps follow from the graph that `model` builds;
//! docs/performance.md compares the sum with measured peaks.

use super::TrainingConfig;
use super::workload::Workload;
use crate::error::{Error, Result};
use crate::model::cost::{BatchShape, Cost};
use crate::telemetry::format::bytes;
use serde::Serialize;

/// Rows that go through the softmax at once on a CPU: their scores stay in the processor's cache.
pub const CHUNK_ROWS: i64 = 512;

/// The process with libtorch loaded and nothing computed.
const PROCESS_BYTES: f64 = 150.0 * 1024.0 * 1024.0;

/// oneDNN, which libtorch uses for convolutions, and the code that it compiles for each shape; it keeps the last 1,024
/// pieces. Fitted to measured peaks (docs/performance.md).
const CONVOLUTION_BYTES: f64 = 30.0 * 1024.0 * 1024.0;
const KERNELS_BYTES: f64 = 100.0 * 1024.0 * 1024.0;

/// Factor by which short-lived tensors take more than their sum: batches of many shapes leave gaps in the heap. Fitted
/// to measured peaks (docs/performance.md).
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
    /// Activations that the largest micro-batch keeps for the pass backward.
    pub activations: f64,
    /// Short-lived tensors beside the activations: intermediate values of a layer or of the loss.
    pub transient: f64,
    /// Code compiled for the shapes of batches; the few micro-batches of a probe have few shapes.
    pub kernels: f64,
    /// Scores of a whole batch against the vocabulary, for perplexity. Blocks of this size do not fit into the gaps
    /// that training left, so their memory is additional.
    pub evaluation: f64,
}

/// Numbers held for each trained number, whatever the size of the batches: its weight, its gradient and Adam's two
/// moments, all in the same number format.
const NUMBERS: f64 = 4.0;

/// Refuses a model whose weights, gradients and moments alone are more than the `reachable` bytes of memory, before it
/// is built: the kernel promises memory that it does not have, and later kills the process without a message.
///
/// # Errors
/// [`Error::TooLarge`] with both sizes; never if `reachable` is unknown.
pub fn check_fits(cost: &Cost, training: &TrainingConfig, reachable: Option<u64>) -> Result<()> {
    let needed = NUMBERS * (training.precision.weight_bytes() * cost.parameters()) as f64;
    match reachable {
        Some(reachable) if needed > reachable as f64 => Err(Error::TooLarge(format!(
            "the model needs {} for weights, gradients and moments alone, {} are available; make it smaller",
            bytes(needed),
            bytes(reachable as f64)
        ))),
        _ => Ok(()),
    }
}

impl MemoryEstimate {
    pub fn of_training(cost: &Cost, training: &TrainingConfig, workload: &Workload) -> Self {
        let (parameters, rows) = (cost.parameters(), cost.softmax_rows());
        let precision = training.precision;
        let [bytes, computed] = [precision.weight_bytes(), precision.activation_bytes()].map(|n| n as f64);
        let weights = bytes * parameters as f64;
        // Layers that compute in another number format keep their weights in it until the pass backward.
        let casts = if computed == bytes { 0.0 } else { computed * parameters as f64 };
        let matrix = rows as f64 * cost.width() as f64;
        let passes = workload.passes;
        let activations = workload.largest(|shape| passes * cost.kept(shape));
        let most = workload.largest(|shape| passes * cost.kept(shape) + passing(cost, shape, passes));
        // Adam holds three copies of one matrix when no activation is left.
        let most = most.max(3.0 * matrix);
        let scored = training.micro_batch_tokens as f64;
        let if_convolved = |bytes| if cost.has_convolution() { bytes } else { 0.0 };
        MemoryEstimate {
            process: PROCESS_BYTES + if_convolved(CONVOLUTION_BYTES),
            weights,
            gradients: weights,
            moments: 2.0 * weights,
            activations: GAPS * (computed * activations + casts),
            transient: GAPS * bytes * (most - activations).max(0.0),
            kernels: if_convolved(KERNELS_BYTES),
            evaluation: if cost.has_softmax() { bytes * 2.0 * scored * rows as f64 } else { 0.0 },
        }
    }

    /// Memory that does not depend on the size of the batches: weights, gradients and moments.
    pub fn fixed(&self) -> f64 {
        self.weights + self.gradients + self.moments
    }

    pub fn total(&self) -> f64 {
        self.process + self.fixed() + self.activations + self.transient + self.unseen_by_probes()
    }

    /// The part that a probe of a few micro-batches does not take.
    pub fn unseen_by_probes(&self) -> f64 {
        self.kernels + self.evaluation
    }
}

/// Numbers that a micro-batch needs at once in training, in addition to weights, gradients and moments.
pub fn working_set(cost: &Cost, shape: &BatchShape) -> f64 {
    cost.kept(shape) + passing(cost, shape, 1.0)
}

/// Numbers in addition to the kept ones at the worst moment: inside a layer, or in the loss, which needs the scores of
/// all passes at once.
fn passing(cost: &Cost, shape: &BatchShape, passes: f64) -> f64 {
    if !cost.has_softmax() {
        return cost.passing(shape);
    }
    let scored = shape.scored as f64;
    // Scores and probabilities of a chunk of rows; the matrix's gradient and two more of its size.
    let loss = (cost.softmax_rows() as f64)
        * (2.0 * passes * scored.min(CHUNK_ROWS as f64) + 3.0 * cost.width() as f64);
    cost.passing(shape).max(loss)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{EncoderKind, ModelConfig};
    use crate::train::Precision;

    fn estimate(change: impl Fn(&mut ModelConfig, &mut TrainingConfig)) -> MemoryEstimate {
        let (mut model, mut training) = (ModelConfig::default(), TrainingConfig::default());
        change(&mut model, &mut training);
        let workload = Workload::assumed(&training, 100);
        MemoryEstimate::of_training(&Cost::of(&model, 5_000), &training, &workload)
    }

    #[test]
    fn weights_gradients_and_moments_are_four_numbers_a_parameter() {
        let plain = estimate(|_, _| ());
        let parameters = Cost::of(&ModelConfig::default(), 5_000).parameters();
        assert_eq!(plain.fixed(), 16.0 * parameters as f64);
        assert_eq!(plain.fixed(), NUMBERS * plain.weights);
        let double = estimate(|_, training| training.precision = Precision::Float64);
        assert_eq!(double.total() - double.process, 2.0 * (plain.total() - plain.process));
        let narrow = estimate(|_, training| training.precision = Precision::Bfloat16);
        assert_eq!((narrow.weights, narrow.moments), (plain.weights, plain.moments));
        assert!((0.5..0.6).contains(&(narrow.activations / plain.activations)));
    }

    #[test]
    fn a_model_is_refused_only_if_its_numbers_alone_are_too_large() {
        let config = ModelConfig { d_model: 1 << 16, d_ff: 1 << 18, ..ModelConfig::default() };
        let cost = Cost::of(&config, 5_000);
        let needed = 16 * cost.parameters();
        let check = |reachable| check_fits(&cost, &TrainingConfig::default(), reachable);
        let refused = check(Some(20 << 30)).unwrap_err();
        let text = format!(
            "the model needs {} for weights, gradients and moments alone, 20.0 GiB are available; make it smaller",
            bytes(needed as f64)
        );
        assert_eq!((refused.exit_code(), refused.to_string()), (4, text));
        assert!(check(Some(needed - (1 << 20))).is_err());
        assert!(check(Some(needed)).is_ok() && check(None).is_ok());
    }

    #[test]
    fn activations_grow_with_what_autograd_keeps() {
        let plain = estimate(|_, _| ()).activations;
        let half = estimate(|_, training| training.micro_batch_tokens /= 2).activations;
        assert!((plain / half - 2.0).abs() < 0.05, "{plain} and {half}");
        let changes: [fn(&mut ModelConfig, &mut TrainingConfig); 5] = [
            |_, training| training.r_drop = 5.0,
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

    /// A probe measures the library's own code, but not the kernels that a whole run compiles.
    #[test]
    fn only_convolutions_compile_kernels() {
        let [plain, convolutional] = [EncoderKind::SelfAttention, EncoderKind::Convolutional]
            .map(|encoder| estimate(|model, _| model.encoder = encoder));
        assert_eq!(plain.kernels, 0.0);
        assert!(convolutional.kernels > 0.0 && convolutional.process > plain.process);
        let parts = convolutional.process
            + convolutional.fixed()
            + convolutional.activations
            + convolutional.transient
            + convolutional.unseen_by_probes();
        assert_eq!(convolutional.total(), parts);
        assert_eq!(convolutional.unseen_by_probes() - convolutional.evaluation, convolutional.kernels);
    }
}
