//! One update in two halves: forward, loss and backward over its micro-batches, then Adam. Between them the trainer
//! sums the results of several processes.

use super::TrainingConfig;
use super::adam::{self, Adam};
use super::learning_rate::learning_rate;
use super::loss::{Loss, Objective, projected_cross_entropy};
use super::negative_sampling::{Scores, uniform_guess};
use super::next_sentence;
use crate::data::collate::Batch;
use crate::error::{Error, Result};
use crate::model::Network;
use crate::model::kinds::wide;
use crate::model::mode::Mode;
use crate::model::statistics::RunningStatistics;
use crate::seed::{Purpose, derive};
use crate::stopwatch::{Phase, lap};
use tch::{Device, Kind, Tensor};

/// Factor of the loss of a uniform guess, ln V, above which training has exploded. Training that still recovers stays
/// below twice that loss; with weights that grow without bound it goes far beyond (docs/reliability.md).
const EXPLODED: f64 = 10.0;

/// The results of one update.
#[derive(Debug, Clone, PartialEq)]
pub struct StepStats {
    /// Number of the update, from 1.
    pub step: u64,
    /// Smoothed cross-entropy, nats per target token; plus that of next-sentence prediction, nats per row.
    pub loss: f64,
    /// Negative log-likelihood of the references, nats per target token.
    pub unsmoothed_loss: f64,
    /// Number of predicted tokens: target tokens with the ends of sentences.
    pub target_tokens: usize,
    /// Number of source tokens without padding, with the ends of sentences.
    pub source_tokens: usize,
    /// Norm of all gradients before clipping; measured if requested or needed.
    pub gradient_norm: Option<f64>,
    pub learning_rate: f64,
}

/// Sums over the micro-batches of an update, other than their gradients.
#[derive(Debug)]
pub struct Sums {
    /// Loss on the device of the model.
    pub loss: Loss,
    pub source_tokens: usize,
    /// Target tokens of the whole update, over all ranks.
    pub target_tokens: usize,
}

/// The model and the settings of all updates of a training.
pub struct Updates<'a> {
    pub model: &'a dyn Network,
    pub config: &'a TrainingConfig,
}

impl Updates<'_> {
    /// Computes gradients and losses of micro-batches of update `step`, each with its number in the update. They may be
    /// a part of the update, which has `target_tokens` in total.
    pub fn accumulate<'b>(
        &self,
        batches: impl Iterator<Item = (usize, &'b Batch)>,
        target_tokens: usize,
        step: u64,
    ) -> Sums {
        let Updates { model, config } = *self;
        adam::zero_gradients(model.weights());
        model.weights().running_statistics().iter().for_each(RunningStatistics::discard);
        lap(Phase::Optimizer);
        let stream = derive(config.seed, Purpose::Dropout, step);
        let mut sums = Sums { loss: Loss::zero(model.device()), source_tokens: 0, target_tokens };
        for (index, batch) in batches {
            let batch = batch.on(model.device());
            lap(Phase::Data);
            let masks = derive(stream, Purpose::Dropout, index as u64);
            sums.loss += self.backward(&batch, target_tokens, masks);
            sums.source_tokens += batch.source_tokens;
        }
        sums
    }

    /// Adds the gradient of this micro-batch's share of the update's mean loss. Returns the sums of the loss, on the
    /// device. `masks` is the stream of dropout.
    fn backward(&self, batch: &Batch, update_tokens: usize, masks: u64) -> Loss {
        let Updates { model, config } = *self;
        let streams = [masks, derive(masks, Purpose::SecondPass, 0)];
        let passes = streams[..config.passes()].iter();
        let (hidden, second_texts): (Vec<Tensor>, Vec<Option<Tensor>>) = passes
            .map(|&stream| model.outputs(batch, &Mode::training(stream)))
            .map(|outputs| (outputs.hidden, outputs.second_texts))
            .unzip();
        lap(Phase::Forward);
        let scale = 1.0 / per_token(update_tokens);
        if let Some(negatives) = &batch.negatives {
            assert_eq!(hidden.len(), 1, "word vectors have no dropout that two passes could differ in");
            let loss = Scores::of(&hidden[0], model.softmax_matrix(), &batch.targets, negatives).loss();
            lap(Phase::Loss);
            (&loss * scale).backward();
            lap(Phase::Backward);
            let loss = loss.detach();
            return Loss { unsmoothed: loss.copy(), smoothed: loss };
        }
        let mut found = projected_cross_entropy(
            &hidden.iter().map(Tensor::detach).collect::<Vec<_>>(),
            &model.softmax_matrix().detach(),
            model.softmax_bias().map(Tensor::detach).as_ref(),
            &batch.targets,
            Objective::of(config),
        );
        lap(Phase::Loss);
        // The loss was computed outside of autograd's graph. The gradient of the sum below, hidden states times their
        // gradient plus matrix times its gradient, equals that of the loss.
        // The kind is wide, because otherwise the factor 1 / tokens would be rounded on its way back.
        let of_hidden = hidden.iter().zip(&found.hidden);
        let of_hidden = of_hidden.map(|(hidden, gradient)| (wide(hidden) * wide(gradient)).sum(Kind::Double));
        let of_hidden = of_hidden.reduce(|sum, of_pass| sum + of_pass).expect("a pass");
        let mut surrogate = of_hidden + (model.softmax_matrix() * found.matrix).sum(Kind::Double);
        if let (Some(bias), Some(gradient)) = (model.softmax_bias(), found.bias) {
            surrogate += (bias * gradient).sum(Kind::Double);
        }
        if let Some(texts) = &batch.second_texts {
            let of_passes = second_texts.iter().flatten().map(|scores| next_sentence::loss(scores, texts));
            if let Some(sum) = of_passes.reduce(|sum, of_pass| sum + of_pass) {
                let loss = sum / second_texts.len() as f64;
                found.loss.smoothed += loss.detach();
                surrogate += loss;
            }
        }
        (surrogate * scale).backward();
        lap(Phase::Backward);
        found.loss
    }

    /// Ends update `step`, for which all gradients exist: measures, clips, and lets Adam change the weights.
    ///
    /// # Errors
    /// [`Error::Diverged`] if the loss is not finite or has exploded, and [`Error::GradientDiverged`] if a
    /// gradient that is to be clipped is not finite; the weights are then untouched.
    pub fn finish(&self, adam: &mut Adam, sums: Sums, step: u64, measure_norm: bool) -> Result<StepStats> {
        let Updates { model, config } = *self;
        let Sums { loss, source_tokens, target_tokens } = sums;
        let weights = model.weights();
        let norm = (measure_norm || config.clip_norm.is_some()).then(|| adam::gradient_norm(weights));
        // The update's only wait for a GPU: a loss that has diverged must not reach the weights.
        let scalars = [&loss.smoothed, &loss.unsmoothed].into_iter().chain(&norm);
        let numbers = fetch(&scalars.collect::<Vec<_>>());
        let [loss, unsmoothed_loss] = [numbers[0], numbers[1]].map(|sum| sum / per_token(target_tokens));
        lap(if config.clip_norm.is_some() { Phase::Optimizer } else { Phase::Logging });
        if !(loss.is_finite() && unsmoothed_loss <= bound(model, config)) {
            return Err(Error::Diverged { step, loss });
        }
        let gradient_norm = numbers.get(2).copied();
        if let (Some(limit), Some(norm)) = (config.clip_norm, gradient_norm) {
            // The norm of finite gradients may overflow, so that only the gradients themselves tell. Without clipping
            // there is no check: it would depend on which updates are reported, and only rank 0 reports.
            if !norm.is_finite() && !adam::gradients_are_finite(weights) {
                return Err(Error::GradientDiverged { step, norm });
            }
            adam::clip(weights, norm, limit);
        }
        let learning_rate = learning_rate(config, model.width(), step);
        adam.update(weights, step, learning_rate);
        weights.running_statistics().iter().for_each(RunningStatistics::finish_update);
        lap(Phase::Optimizer);
        Ok(StepStats {
            step,
            loss,
            unsmoothed_loss,
            target_tokens,
            source_tokens,
            gradient_norm,
            learning_rate,
        })
    }
}

/// Returns the values of float64 scalars on one device, in one transfer.
pub(super) fn fetch(scalars: &[&Tensor]) -> Vec<f64> {
    let host = Tensor::stack(scalars, 0).to_device(Device::Cpu);
    Vec::try_from(host).expect("scalars of float64")
}

/// Returns the divisor of sums over `target_tokens` tokens, at least 1: if word vectors leave out every word of a short
/// text, nothing is predicted.
fn per_token(target_tokens: usize) -> f64 {
    target_tokens.max(1) as f64
}

/// Returns the loss above which training has exploded, nats per target token. Word vectors are compared only with noise
/// words. Other models have the default number of noise words, whose guess is the greater one below 64 rows of the
/// softmax: their bound is never below that of 64 rows.
fn bound(model: &dyn Network, config: &TrainingConfig) -> f64 {
    let rows = model.softmax_matrix().size()[0] as f64;
    EXPLODED * rows.ln().max(uniform_guess(config.words.negatives))
}
