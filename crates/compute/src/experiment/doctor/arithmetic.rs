//! Compares a device's arithmetic with float64 on the CPU: the model's output, every gradient, ten updates.
//!
//! The compared code is [`Updates`], with the kernels that device and precision choose.

use crate::data::collate::{Batch, micro_batch};
use crate::data::store::{Store, StoreWriter};
use crate::error::{Error, Result};
use crate::experiment::single_update::single_update;
use crate::experiment::stand_in::Scratch;
use crate::model::mode::Mode;
use crate::model::recurrent::{Cell, InputFeeding};
use crate::model::{
    self, ConvolutionalConfig, DecoderKind, EncoderKind, ModelConfig, Network, Norm, Position,
    RecurrentConfig,
};
use crate::train::adam::Adam;
use crate::train::step::Updates;
use crate::train::{Precision, TrainingConfig};
use serde::Serialize;
use std::panic::{AssertUnwindSafe, catch_unwind};
use tch::{Device, Kind, Tensor};

const VOCABULARY: usize = 203;
/// Number of sentence pairs in a batch.
const PAIRS: u32 = 24;
const UPDATES: u64 = 10;

/// The distance of a quantity from float64 on the CPU: the norm of the difference over the norm of the tensor. Single
/// numbers say less: if rounding moves a unit of a feed-forward layer across 0, its whole gradient appears or vanishes.
#[derive(Debug, Clone, Serialize)]
pub struct Gap {
    /// The case, described by the parts of its model.
    pub model: &'static str,
    pub precision: Precision,
    /// `output`, `gradients`, `losses`, `weights` or `dropout`; `updates` if the updates failed.
    pub quantity: &'static str,
    /// The tensor or the update with the largest gap.
    pub place: String,
    pub gap: f64,
    pub limit: f64,
    pub holds: bool,
}

/// Largest accepted gaps of outputs, gradients, losses and, after ten updates, weights. The last is absent where Adam
/// turns the rounding of small gradients into whole steps, so that weights cannot be compared.
struct Limits {
    output: f64,
    gradients: f64,
    losses: f64,
    weights: Option<f64>,
}

fn limits(precision: Precision) -> Limits {
    match precision {
        Precision::Float64 => Limits { output: 1e-11, gradients: 1e-9, losses: 1e-9, weights: Some(1e-7) },
        Precision::Float32 => Limits { output: 1e-4, gradients: 1e-3, losses: 1e-4, weights: None },
        Precision::Bfloat16 => Limits { output: 0.05, gradients: 0.1, losses: 5e-3, weights: None },
    }
}

/// A model, and the packing of its sentences into rows.
struct Case {
    name: &'static str,
    model: ModelConfig,
    packed_length: Option<usize>,
}

/// Returns the cases. Heads that fused attention supports, with one and with several sentences a row, and heads that it
/// does not support (d_k ≠ d_v), with the other norm; a trained bias on the scores, which fused attention supports, and
/// vectors for distances, which it does not; layers that cuDNN computes on a GPU: convolutions, and both kinds of cells.
fn cases() -> [Case; 8] {
    let plain =
        ModelConfig { layers: 2, d_model: 64, d_ff: 128, heads: 4, dropout: 0.0, ..Default::default() };
    let other = ModelConfig { norm: Norm::Pre, d_k: Some(12), ..plain.clone() };
    let at = |position| ModelConfig { position, ..plain.clone() };
    let (biases, vectors) = (at(Position::T5), at(Position::Relative(4)));
    let convolutions = ModelConfig {
        encoder: EncoderKind::Convolutional,
        decoder: DecoderKind::Convolutional,
        embedding_scale: false,
        embedding_deviation: Some(0.1),
        convolutional: ConvolutionalConfig {
            channels: 48,
            encoder_layers: 2,
            decoder_layers: 2,
            dilations: vec![1, 2],
            ..Default::default()
        },
        ..plain.clone()
    };
    // Without input feeding, a decoder computes the whole sequence at once, as the encoder does.
    let cells = |cell| ModelConfig {
        encoder: EncoderKind::Recurrent,
        decoder: DecoderKind::Recurrent,
        recurrent: RecurrentConfig {
            cell,
            hidden: 48,
            input_feeding: InputFeeding::None,
            ..Default::default()
        },
        ..plain.clone()
    };
    let [lstm, gru] = [Cell::Lstm, Cell::Gru].map(cells);
    [
        Case { name: "post-norm, d_k = d_v = 16", model: plain.clone(), packed_length: None },
        Case { name: "the same, packed rows", model: plain, packed_length: Some(50) },
        Case { name: "pre-norm, d_k = 12, d_v = 16", model: other, packed_length: None },
        Case { name: "T5's biases", model: biases, packed_length: None },
        Case { name: "relative positions, packed rows", model: vectors, packed_length: Some(50) },
        Case { name: "convolutions", model: convolutions, packed_length: None },
        Case { name: "LSTM cells", model: lstm, packed_length: None },
        Case { name: "GRU cells", model: gru, packed_length: None },
    ]
}

impl Case {
    /// Returns settings of training in this precision. Gradients are clipped, so that their norm is compared too.
    fn training(&self, precision: Precision) -> TrainingConfig {
        TrainingConfig {
            warmup_steps: 100,
            clip_norm: Some(0.1),
            packed_length: self.packed_length,
            precision,
            ..Default::default()
        }
    }
}

/// Compares `device` with float64 on the CPU, in each precision.
///
/// # Errors
/// If no text for the comparison can be written. Gaps beyond their limits are no errors. If the device fails, its gap
/// is NaN and its place is the reason.
pub fn compare(device: Device) -> Result<Vec<Gap>> {
    let store = text()?;
    let mut gaps = Vec::new();
    for case in cases() {
        let expected = Course::run(&case, &store, Precision::Float64, Device::Cpu)?;
        for precision in [Precision::Float64, Precision::Float32, Precision::Bfloat16] {
            let limits = limits(precision);
            let mut add = |quantity, (place, gap): (String, f64), limit| {
                // A gap of NaN does not hold.
                let model = case.name;
                gaps.push(Gap { model, precision, quantity, place, gap, limit, holds: gap <= limit });
            };
            match result_or_reason(|| Course::run(&case, &store, precision, device)) {
                Ok(found) => {
                    add("output", largest(&found.output, &expected.output), limits.output);
                    add("gradients", largest(&found.gradients, &expected.gradients), limits.gradients);
                    add("losses", largest(&found.losses, &expected.losses), limits.losses);
                    if let Some(limit) = limits.weights {
                        add("weights", largest(&found.weights, &expected.weights), limit);
                    }
                }
                Err(reason) => add("updates", (reason, f64::NAN), limits.losses),
            }
            let repeated = result_or_reason(|| repetition(&case, &store, precision, device));
            add("dropout", repeated.unwrap_or_else(|reason| (reason, f64::NAN)), 1e-6);
        }
    }
    Ok(gaps)
}

/// Returns the result of `work`, or the reason of its failure, even of a panic: the other comparisons must still run.
fn result_or_reason<T>(work: impl FnOnce() -> Result<T>) -> std::result::Result<T, String> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(outcome) => outcome.map_err(|error| error.to_string()),
        Err(panic) => Err(match (Error::from_panic(&*panic), panic.downcast_ref::<String>()) {
            (Some(error), _) => error.to_string(),
            (None, Some(text)) => Error::from_torch_message(text).to_string(),
            (None, None) => "it panicked".to_string(),
        }),
    }
}

/// Tensors by name.
type Named = Vec<(String, Tensor)>;

/// All compared tensors of one course of updates, as float64 on the CPU.
struct Course {
    output: Named,
    /// Gradients of the first update.
    gradients: Named,
    losses: Named,
    /// Weights after the last update.
    weights: Named,
}

impl Course {
    fn run(case: &Case, store: &Store, precision: Precision, device: Device) -> Result<Self> {
        let training = case.training(precision);
        let batch = |number| batch(store, &training, number);
        let model = model::build(&case.model, VOCABULARY, 1, precision, device);
        let first = batch(0).on(device);
        let hidden = tch::no_grad(|| model.hidden(&first, &Mode::training(1)));
        let mut adam = Adam::build(&training, model.weights());
        let updates = Updates { model: &*model, config: &training };
        let (mut losses, mut gradients) = (Named::new(), Named::new());
        for step in 1..=UPDATES {
            let batches = [batch(step - 1), batch(step)];
            let stats = single_update(&updates, &mut adam, &batches, step)?;
            losses.push((format!("update {step}"), Tensor::from(stats.loss)));
            if step == 1 {
                gradients = of_weights(&*model, Tensor::grad);
            }
        }
        let output = vec![("hidden states".to_string(), on_host(&hidden))];
        Ok(Course { output, gradients, losses, weights: of_weights(&*model, Tensor::detach) })
    }
}

/// Applies `take` to each weight. Biases of keys are left out: they add the same number to all scores of a query, so
/// their gradients are rounding errors only.
fn of_weights(model: &dyn Network, take: impl Fn(&Tensor) -> Tensor) -> Named {
    let compared = model.weights().named().iter().filter(|(name, _)| !name.ends_with("key.bias"));
    compared.map(|(name, weight)| (name.clone(), on_host(&take(weight)))).collect()
}

fn on_host(tensor: &Tensor) -> Tensor {
    tensor.detach().to_kind(Kind::Double).to_device(Device::Cpu).copy()
}

/// Returns the largest gap and its tensor; NaN counts as the largest of all.
fn largest(found: &Named, expected: &Named) -> (String, f64) {
    assert_eq!(found.len(), expected.len(), "the models are the same");
    let gaps = found.iter().zip(expected).map(|((name, found), (_, expected))| {
        let size = expected.norm().double_value(&[]).max(1e-12);
        (name.clone(), (found - expected).norm().double_value(&[]) / size)
    });
    let size = |gap: f64| if gap.is_nan() { f64::INFINITY } else { gap };
    gaps.max_by(|a, b| size(a.1).total_cmp(&size(b.1))).expect("something is compared")
}

/// Returns the gap between the losses of the same update with dropout, done twice: dropout is a function of the seed.
fn repetition(case: &Case, store: &Store, precision: Precision, device: Device) -> Result<(String, f64)> {
    let model =
        ModelConfig { dropout: 0.3, attention_dropout: 0.2, activation_dropout: 0.1, ..case.model.clone() };
    let case = Case { model, ..*case };
    let loss = || first_loss(&case, store, precision, device);
    let (first, again) = (loss()?, loss()?);
    Ok(("the loss of an update done twice".to_string(), (first / again - 1.0).abs()))
}

/// Returns the loss of the first update of a fresh model.
fn first_loss(case: &Case, store: &Store, precision: Precision, device: Device) -> Result<f64> {
    let training = case.training(precision);
    let model = model::build(&case.model, VOCABULARY, 1, precision, device);
    let updates = Updates { model: &*model, config: &training };
    let mut adam = Adam::build(&training, model.weights());
    Ok(single_update(&updates, &mut adam, &[batch(store, &training, 0)], 1)?.loss)
}

/// Returns the loss of one update of a small model, to show that training works at all.
///
/// # Errors
/// If training does not work.
pub fn one_update(precision: Precision, device: Device) -> Result<f64> {
    let [case, ..] = cases();
    first_loss(&case, &text()?, precision, device)
}

/// Writes pairs of 1 to 20 tokens by a fixed rule, enough for all batches.
fn text() -> Result<Store> {
    let folder = Scratch::create()?;
    let path = folder.path().join("pairs.store");
    let mut writer = StoreWriter::create(&path, VOCABULARY, [0; 32])?;
    let sentence = |pair: u32, salt: u32| -> Vec<u32> {
        let token =
            |place: u32| 3 + (pair * 7919 + place * place * 31 + place * salt) % (VOCABULARY as u32 - 3);
        (0..1 + (pair * salt) % 20).map(token).collect()
    };
    for pair in 0..PAIRS * (UPDATES as u32 + 1) {
        writer.push(&sentence(pair, 13), &sentence(pair, 17))?;
    }
    writer.finish()?;
    Store::open(&path, [0; 32])
}

fn batch(store: &Store, training: &TrainingConfig, number: u64) -> Batch {
    let first = number as u32 * PAIRS;
    let pairs: Vec<_> = (first..first + PAIRS).collect();
    micro_batch(training.batching(), store, &pairs, Device::Cpu)
}
