//! Checks of `[training]`, except keys that one task alone reads ([`super::validate_task`]).

use super::experiment::{Experiment, setting_text};
use super::validate::{Checked, Checks, MOST_TOKENS, all};
use crate::data::DataConfig;
use crate::model::ModelConfig;
use crate::train::TrainingConfig;

/// Most updates: far more than any real training, and small enough that sums and products do not overflow.
const MOST_STEPS: u64 = 1 << 40;
/// Most checkpoints in an average.
const MOST_AVERAGED: u64 = 10_000;

impl Checks<'_> {
    /// Checks each value, and the values of the section together.
    pub(super) fn training(&self, training: &TrainingConfig, data: &DataConfig) -> Checked {
        all([
            self.one_to("training.steps", training.steps, MOST_STEPS),
            self.one_to("training.batch_tokens", training.batch_tokens as u64, MOST_TOKENS),
            self.one_to("training.micro_batch_tokens", training.micro_batch_tokens as u64, MOST_TOKENS)
                .and_then(|()| self.if_read(&["data", "training"], || self.rows(training, data))),
            self.positive("training.learning_rate_scale", training.learning_rate_scale),
            self.at_least_one("training.warmup_steps", training.warmup_steps),
            self.if_read(&["training"], || self.peak(training)),
            self.share("training.adam_beta1", training.adam_beta1),
            self.share("training.adam_beta2", training.adam_beta2),
            self.positive("training.adam_epsilon", training.adam_epsilon),
            self.at_least_zero("training.weight_decay", training.weight_decay, "none"),
            self.if_read(&["training"], || self.masking(training)),
            self.words(training),
            self.share("training.label_smoothing", training.label_smoothing),
            self.at_least_zero("training.r_drop", training.r_drop, "one pass"),
            training.clip_norm.map_or(Ok(()), |norm| self.positive("training.clip_norm", norm)),
            self.if_read(&["training"], || self.patience(training)),
            self.one_to("training.average_checkpoints", training.average_checkpoints as u64, MOST_AVERAGED),
        ])
    }

    /// Checks that the longest sentence fits into a row of a batch.
    fn rows(&self, training: &TrainingConfig, data: &DataConfig) -> Checked {
        if data.recipe.is_running_text() {
            return self.rows_of_blocks(training, data);
        }
        let longest = data.max_length.saturating_add(1);
        if training.micro_batch_tokens < longest {
            let message = format!(
                "training.micro_batch_tokens = {} is less than {longest}, so the longest pairs (data.max_length = {} and the end of the sentence) do not fit into a batch",
                training.micro_batch_tokens, data.max_length
            );
            let help = format!("use {longest} or more, or lower data.max_length");
            return Err(self.mistake("training.micro_batch_tokens", message, help));
        }
        if let Some(packed) = training.packed_length
            && !(longest..=training.micro_batch_tokens).contains(&packed)
        {
            let message = format!(
                "training.packed_length = {packed}: a row must hold the longest sentence ({longest} tokens: data.max_length = {} and the end of the sentence) and fit into training.micro_batch_tokens = {}",
                data.max_length, training.micro_batch_tokens
            );
            let help = format!("use {longest} to {}, or leave it out", training.micro_batch_tokens);
            return Err(self.mistake("training.packed_length", message, help));
        }
        Ok(())
    }

    fn patience(&self, training: &TrainingConfig) -> Checked {
        let Some(patience) = training.early_stopping_patience else { return Ok(()) };
        self.at_least_one("training.early_stopping_patience", patience)?;
        if training.dev_interval_steps > 0 {
            return Ok(());
        }
        let message = format!(
            "training.early_stopping_patience = {patience} waits for dev losses, and training.dev_interval_steps = 0 measures none"
        );
        let help = "set training.dev_interval_steps, or remove the patience";
        Err(self.mistake("training.early_stopping_patience", message, help))
    }

    /// Checks the peak of the learning rate, which every schedule but `noam` needs, and the lowest rate.
    fn peak(&self, training: &TrainingConfig) -> Checked {
        if let Some(peak) = training.peak_learning_rate {
            self.positive("training.peak_learning_rate", peak)?;
        }
        let peak = training.peak_learning_rate.unwrap_or(f64::INFINITY);
        if let Some(lowest) = training.lowest_learning_rate {
            let accepted = "a number from 0 to training.peak_learning_rate";
            let holds = lowest.is_finite() && (0.0..=peak).contains(&lowest);
            self.require(holds, "training.lowest_learning_rate", lowest, accepted)?;
        }
        if training.peak_learning_rate.is_some() {
            return Ok(());
        }
        if !training.schedule.has_stated_peak() {
            return Ok(());
        }
        let name = setting_text(&training.schedule);
        let message = format!("training.schedule = {name} needs training.peak_learning_rate");
        let help = "state the highest learning rate, as in peak_learning_rate = 5e-4";
        Err(self.mistake("training.schedule", message, help))
    }

    /// Checks a number that must be at least 0; `zero` says what 0 means.
    fn at_least_zero(&self, key: &str, value: f64, zero: &str) -> Checked {
        let holds = value.is_finite() && value >= 0.0;
        self.require(holds, key, value, &format!("a finite number, 0 ({zero}) or more"))
    }

    /// Refuses R-Drop without dropout: two passes differ by their dropout alone.
    pub(super) fn passes(&self, experiment: &Experiment) -> Checked {
        let Experiment { model, training, .. } = experiment;
        let ModelConfig { dropout, attention_dropout, feed_forward, .. } = *model;
        let activation_dropout = if feed_forward { model.activation_dropout } else { 0.0 };
        if training.passes() == 1 || [dropout, attention_dropout, activation_dropout].iter().any(|&p| p > 0.0)
        {
            return Ok(());
        }
        let message = format!(
            "training.r_drop = {} compares two passes through the model, but they are equal: model.dropout is 0",
            training.r_drop
        );
        Err(self.mistake("training.r_drop", message, "leave it out, or choose a dropout above 0"))
    }
}
