//! The settings of training, the batches of its updates, what they cost, and the files that it leaves.
//!
//! Configuration section `[training]`.

pub mod blocks;
pub mod checkpoint_files;
pub mod examples;
pub mod learning_rate;
pub mod masked_blocks;
pub mod memory_estimate;
pub mod numbered_blocks;
pub mod pairs;
pub mod run_state;
pub mod schedule;
pub mod statement;
pub mod stream;
pub mod task_kind;
pub mod word_blocks;
pub mod workload;

use crate::data::batch::Batching;
use crate::data::masking::MaskingConfig;
pub use crate::data::reading::{BlockReading, Direction, FirstInput, PrefixLoss};
use crate::data::words::WordsConfig;
use crate::left_out::is_default;
use crate::model::left_out::beyond_defaults;
use schedule::Schedule;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
pub use task_kind::TaskKind;

/// The `[training]` section. The defaults are the paper's base model (§5).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingConfig {
    /// Seed of weights, dropout and batch order. The `seeds` of a sweep replace it.
    pub seed: u64,
    /// Number of optimizer updates.
    pub steps: u64,
    /// Number of target tokens of one update, without padding, to within one micro-batch. Of a masked language model and of
    /// word vectors, the tokens of the text that it takes.
    pub batch_tokens: usize,
    /// Number of tokens per side, with padding, that the model processes at once. Gradients are accumulated over
    /// micro-batches up to `batch_tokens`.
    pub micro_batch_tokens: usize,
    /// Packs several sentences into one row of at most this many tokens per side; attention stays within each sentence.
    /// If absent, each row holds one sentence with padding, and batches hold sentences of similar length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packed_length: Option<usize>,
    /// How the learning rate follows the number of the update.
    pub schedule: Schedule,
    /// Factor by which the paper's learning rate is multiplied (§5.3). The schedule `noam` alone reads it.
    pub learning_rate_scale: f64,
    /// The highest learning rate, which the last update of the warm-up has. Every schedule but `noam` needs it. If absent,
    /// the schedule must be `noam`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_learning_rate: Option<f64>,
    /// The learning rate that the schedules `cosine` and `linear` end with; other schedules do not read it. If absent, 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lowest_learning_rate: Option<f64>,
    /// Number of updates during which the learning rate rises (§5.3). 1 is no warm-up.
    pub warmup_steps: u64,
    /// Adam's beta 1: decay of the running mean of the gradients (§5.3).
    pub adam_beta1: f64,
    /// Adam's beta 2: decay of the running mean of the squared gradients (§5.3).
    pub adam_beta2: f64,
    /// Adam's epsilon: number that is added to the divisor (§5.3).
    pub adam_epsilon: f64,
    /// Decoupled weight decay: before an update, weights are multiplied by 1 - learning rate * this number (AdamW). Biases
    /// and the scales and offsets of norms do not decay. 0 is plain Adam, the paper's.
    pub weight_decay: f64,
    /// Probability that label smoothing moves from the reference token to the others: epsilon_ls (§5.4).
    pub label_smoothing: f64,
    /// Weight of R-Drop: every micro-batch passes through the model twice, with different dropout, and this number weighs
    /// how far the two distributions over the vocabulary are apart (Wu et al. 2021, eq. 4, whose α it is; 5 in their
    /// translations). Half of the paper's loss is trained, so that a token counts as without it; the losses that are shown
    /// are the mean of both passes, without the distance. 0 is one pass.
    #[serde(skip_serializing_if = "is_default")]
    pub r_drop: f64,
    /// Largest gradient norm; larger gradients are scaled down to it. If absent, gradients are not clipped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_norm: Option<f64>,
    /// Number of measurements of the dev loss without a new best after which training ends early, as if `steps` were
    /// that update. If absent, training never ends early.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub early_stopping_patience: Option<u64>,
    /// Number of updates between two measurements of loss and perplexity on the dev set. 0 measures them only at the
    /// end.
    pub dev_interval_steps: u64,
    /// Number of updates between two scores on the dev set of what the model writes: BLEU, or F1 of a parser. 0 computes
    /// them only at the end.
    pub dev_bleu_interval_steps: u64,
    /// Number of updates between two checkpoints. The end of training always has one.
    pub checkpoint_interval_steps: u64,
    /// Number of last checkpoints whose mean gives the weights that are scored. 1 scores the last checkpoint.
    pub average_checkpoints: usize,
    /// Whether to keep the weights with the best dev perplexity in addition to the latest.
    pub keep_best: bool,
    /// Number format in which training computes.
    pub precision: Precision,
    /// Which tokens a model that translates without an encoder is trained to predict; `target` if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub prefix_loss: PrefixLoss,
    /// In which direction a language model reads its text; `forward` if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub direction: Direction,
    /// Input from which a language model predicts the first token of a block; `bos` if absent.
    #[serde(skip_serializing_if = "is_default")]
    pub first_input: FirstInput,
    /// The tokens that a masked language model is to find; read where `model.decoder` is `none`. If absent, as in BERT.
    #[serde(skip_serializing_if = "is_default", serialize_with = "beyond_defaults")]
    pub masking: MaskingConfig,
    /// The training of word vectors; read where `model.encoder` and `model.decoder` are `none`. If absent, skip-gram with the
    /// settings of word2vec.
    #[serde(skip_serializing_if = "is_default", serialize_with = "beyond_defaults")]
    pub words: WordsConfig,
}

/// Number format in which training computes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// 32-bit floating point.
    Float32,
    /// 64-bit floating point, for comparisons with other implementations.
    Float64,
    /// bfloat16 for the matrix products and activations of training; float32 for weights, gradients, Adam, the loss,
    /// and everything outside training. The loss is not scaled, because bfloat16 has the exponent range of float32. For
    /// GPUs.
    Bfloat16,
}

impl Precision {
    /// Bytes of a number of the weights.
    pub fn weight_bytes(self) -> u64 {
        match self {
            Precision::Float32 | Precision::Bfloat16 => 4,
            Precision::Float64 => 8,
        }
    }

    /// Bytes of a number that training computes.
    pub fn activation_bytes(self) -> u64 {
        match self {
            Precision::Bfloat16 => 2,
            Precision::Float32 | Precision::Float64 => self.weight_bytes(),
        }
    }
}

impl Default for TrainingConfig {
    fn default() -> Self {
        TrainingConfig {
            seed: 1,
            steps: 100_000,
            batch_tokens: 25_000,
            micro_batch_tokens: 4_096,
            packed_length: None,
            schedule: Schedule::Noam,
            learning_rate_scale: 1.0,
            peak_learning_rate: None,
            lowest_learning_rate: None,
            warmup_steps: 4_000,
            adam_beta1: 0.9,
            adam_beta2: 0.98,
            adam_epsilon: 1e-9,
            weight_decay: 0.0,
            label_smoothing: 0.1,
            r_drop: 0.0,
            clip_norm: None,
            early_stopping_patience: None,
            dev_interval_steps: 1_000,
            dev_bleu_interval_steps: 0,
            checkpoint_interval_steps: 1_500,
            average_checkpoints: 5,
            keep_best: false,
            precision: Precision::Float32,
            prefix_loss: PrefixLoss::Target,
            direction: Direction::Forward,
            first_input: FirstInput::Bos,
            masking: MaskingConfig::default(),
            words: WordsConfig::default(),
        }
    }
}

impl TrainingConfig {
    /// Returns the limits by which micro-batches are made.
    pub fn batching(&self) -> Batching {
        Batching { tokens: self.micro_batch_tokens, packed_length: self.packed_length }
    }

    /// Returns the number of passes of each micro-batch through the model: 2 with R-Drop, else 1.
    pub fn passes(&self) -> usize {
        if self.r_drop > 0.0 { 2 } else { 1 }
    }

    /// Returns the order and the first input in which a language model reads the blocks of its text.
    pub fn block_reading(&self) -> BlockReading {
        BlockReading { direction: self.direction, first_input: self.first_input }
    }

    /// Whether the schedule has a checkpoint at this update. A signal may add others, which no average uses.
    pub fn saves_at(&self, step: u64) -> bool {
        step == self.steps
            || (self.checkpoint_interval_steps > 0 && step.is_multiple_of(self.checkpoint_interval_steps))
    }

    /// Whether training is over after `step` updates, of which `best_step` had the lowest dev loss so far.
    pub fn is_over(&self, step: u64, best_step: Option<u64>) -> bool {
        let waited = best_step.and_then(|best| (step - best).checked_div(self.dev_interval_steps));
        step >= self.steps
            || self.early_stopping_patience.zip(waited).is_some_and(|(patience, waited)| waited >= patience)
    }

    /// The first update from `from` on with which training is over, if none after `best_step` has a lower dev loss; the last
    /// one of the schedule if none comes before it.
    pub fn earliest_end(&self, from: u64, best_step: Option<u64>) -> u64 {
        let patience = self.early_stopping_patience.filter(|_| self.dev_interval_steps > 0);
        let impatient = patience.zip(best_step).map_or(self.steps, |(patience, best)| {
            best.saturating_add(patience.saturating_mul(self.dev_interval_steps))
        });
        impatient.max(from).min(self.steps)
    }

    /// Checkpoints that the schedule has in a training that does not end early.
    pub fn scheduled_checkpoints(&self) -> u64 {
        self.steps.saturating_sub(1).checked_div(self.checkpoint_interval_steps).unwrap_or(0) + 1
    }

    /// The updates whose weights are averaged for the final scores of a training of `end` updates,
    /// ascending: the last `average_checkpoints` that the schedule has, fewer if it has fewer.
    pub fn averaged_steps(&self, end: u64) -> Vec<u64> {
        let interval = self.checkpoint_interval_steps;
        let multiples = (end - 1).checked_div(interval).unwrap_or(0);
        let first = (multiples + 2).saturating_sub(self.average_checkpoints as u64).max(1);
        (first..=multiples).map(|n| n * interval).chain([end]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_checkpoints_of_the_schedule_are_averaged() {
        let averaged = |steps, checkpoint_interval_steps, average_checkpoints| {
            let config = TrainingConfig {
                steps,
                checkpoint_interval_steps,
                average_checkpoints,
                ..Default::default()
            };
            let seen = config.averaged_steps(steps);
            assert!(seen.iter().all(|&s| config.saves_at(s)));
            let saved = (1..=steps).filter(|&step| config.saves_at(step)).count() as u64;
            assert_eq!(config.scheduled_checkpoints(), saved);
            seen
        };
        assert_eq!(averaged(100, 10, 3), [80, 90, 100]);
        assert_eq!(averaged(105, 10, 3), [90, 100, 105]);
        assert_eq!(averaged(100, 10, 1), [100]);
        assert_eq!(averaged(25, 10, 9), [10, 20, 25]);
        assert_eq!(averaged(100, 0, 2), [100]);
        let config = TrainingConfig {
            steps: 100,
            checkpoint_interval_steps: 10,
            average_checkpoints: 3,
            ..Default::default()
        };
        assert_eq!(config.averaged_steps(47), [30, 40, 47], "ended early");
    }

    #[test]
    fn patience_counts_measurements_since_the_best() {
        let config = TrainingConfig {
            steps: 100,
            dev_interval_steps: 10,
            early_stopping_patience: Some(2),
            ..Default::default()
        };
        assert!(!config.is_over(0, None) && !config.is_over(20, Some(20)) && !config.is_over(39, Some(20)));
        assert!(config.is_over(40, Some(20)) && config.is_over(100, Some(100)));
        let endless = TrainingConfig { early_stopping_patience: None, ..config.clone() };
        assert!(!endless.is_over(99, Some(10)) && endless.is_over(100, Some(10)));
        // Without measurements there is nothing to wait for.
        assert!(!TrainingConfig { dev_interval_steps: 0, ..config }.is_over(99, Some(10)));
    }

    #[test]
    fn the_earliest_end_is_the_first_update_with_which_training_is_over() {
        for (dev_interval_steps, patience) in
            [(10, None), (10, Some(1)), (10, Some(3)), (7, Some(2)), (0, Some(2))]
        {
            let config = TrainingConfig {
                steps: 60,
                dev_interval_steps,
                early_stopping_patience: patience,
                ..Default::default()
            };
            for best in (0..=70).step_by(5).map(Some).chain([None]) {
                for from in best.unwrap_or(0)..=70 {
                    let first = (from..config.steps).find(|&step| config.is_over(step, best));
                    let found = config.earliest_end(from, best);
                    assert_eq!(
                        found,
                        first.unwrap_or(60),
                        "{dev_interval_steps}, {patience:?}, {best:?}, {from}"
                    );
                }
            }
        }
        let endless = TrainingConfig {
            steps: 1 << 40,
            dev_interval_steps: u64::MAX,
            early_stopping_patience: Some(u64::MAX),
            ..Default::default()
        };
        assert_eq!(endless.earliest_end(5, Some(5)), 1 << 40);
    }
}
