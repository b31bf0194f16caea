//! The whole model: outputs, perplexity, loss, the first update's gradients, and ten updates.
//!
//! The fixtures keep the first numbers of a tensor and three sums over all; [`layers`](crate::layers) compares
//! each layer number by number.

use crate::common::data::{Pair, stored};
use crate::common::gaps;
use crate::common::updates::StoreUpdates;
use crate::common::variants::is_unseen_key_bias;
use crate::compare::{self, Comparison, Quantity, values};
use crate::fixtures::{self, set_weights, signed};
use ablate::data::collate::{Batch, collate, collate_masked};
use ablate::data::masking::{MaskedBlock, MaskedExample};
use ablate::data::store::Store;
use ablate::data::tokenizer::PAD;
use ablate::model::mode::Mode;
use ablate::model::{self, EncoderDecoder, EncoderOnly, ModelConfig, Network, NormKind};
use ablate::shim::decoding;
use ablate::task::pairs::likelihood;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::likelihood::likelihood as likelihood_of;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::ops::Range;
use tch::{Device, Kind, Tensor};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    versions: BTreeMap<String, String>,
    vocabulary: usize,
    pairs: Vec<Pair>,
    /// For each pair that a masked language model reads as two texts: the number of tokens before the second, and 0 if it
    /// follows the first, else 1.
    #[serde(default)]
    second_texts: Vec<(usize, u8)>,
    pub model: ModelConfig,
    pub training: TrainingConfig,
    outputs: BTreeMap<String, Summary>,
    /// Gradients of the first update.
    gradients: BTreeMap<String, Summary>,
    updates: Vec<Update>,
    /// Unsmoothed loss, in nats per token, before the first update; absent if evaluation computes as training does.
    evaluation_loss: Option<f64>,
    /// Running statistics after the first update.
    #[serde(default)]
    first_statistics: BTreeMap<String, Summary>,
    /// Weights and running statistics after the last update.
    weights: BTreeMap<String, Summary>,
}

#[derive(Deserialize)]
struct Update {
    loss: f64,
    unsmoothed_loss: f64,
    gradient_norm: f64,
    learning_rate: f64,
}

/// Summary of a tensor in the fixtures.
#[derive(Deserialize)]
struct Summary {
    shape: Vec<i64>,
    sum: f64,
    abs_sum: f64,
    projection: f64,
    first: Vec<f64>,
}

impl Summary {
    fn numbers(&self) -> f64 {
        self.shape.iter().product::<i64>() as f64
    }
}

pub fn cases() -> Vec<(String, Case)> {
    fixtures::load("model")
}

pub fn compare_all() {
    tch::set_num_threads(1);
    let cases = cases();
    let (mut gaps, mut mistakes) = (Vec::new(), Vec::new());
    for kind in [Kind::Double, Kind::Float] {
        let mut seen = Comparison::new(kind);
        for (name, case) in &cases {
            assert!(case.versions["torch"].starts_with("2.11."), "{name}: {:?}", case.versions);
            assert_eq!(case.updates.len(), 10, "{name}");
            // No two programs have the same masks of dropout.
            assert_eq!(case.model.dropout, 0.0, "{name}");
            let (_folder, store) = stored(case.vocabulary, &case.pairs);
            let model = model::build(&case.model, case.vocabulary, 1, kind, Device::Cpu);
            set_weights(model.weights());
            let mut work = Work { seen: &mut seen, name, case, store: &store, model: &*model };
            work.states();
            work.outputs();
            if case.model.has_decoder() {
                work.outputs_token_by_token();
            }
            work.perplexity();
            work.updates();
        }
        let version = &cases[0].1.versions["torch"];
        let peer = format!("torch {}", version.split('+').next().unwrap_or(version));
        gaps.extend(seen.gaps("model", &peer, cases.len()));
        mistakes.extend(seen.mistakes);
    }
    gaps::report("model", &gaps);
    compare::expect_none(&mistakes);
}

/// A case that is computed in one precision.
struct Work<'a> {
    seen: &'a mut Comparison,
    name: &'a str,
    case: &'a Case,
    store: &'a Store,
    model: &'a dyn Network,
}

impl Work<'_> {
    fn batch(&self) -> Batch {
        self.batch_of(0..self.case.pairs.len())
    }

    /// Returns the pairs with these numbers. For a masked language model they are its input and the tokens to find at
    /// their places, 0 elsewhere.
    fn batch_of(&self, pairs: Range<usize>) -> Batch {
        if self.case.model.has_decoder() {
            let pairs: Vec<u32> = pairs.map(|pair| pair as u32).collect();
            return collate(self.store, &pairs, Device::Cpu);
        }
        let example = |number: usize| {
            let (input, found) = &self.case.pairs[number];
            let places: Vec<usize> = (0..found.len()).filter(|&place| found[place] != PAD).collect();
            MaskedExample {
                targets: places.iter().map(|&place| found[place]).collect(),
                masked: MaskedBlock { input: input.clone(), places },
                second: self.case.second_texts.get(number).map(|&(before, label)| (before, label == 0)),
            }
        };
        collate_masked(&pairs.map(example).collect::<Vec<_>>(), Device::Cpu)
    }

    /// Compares the encoder's states, if there is an encoder.
    fn states(&mut self) {
        let Case { model, vocabulary, outputs, .. } = self.case;
        assert_eq!(outputs.contains_key("encoder"), model.has_encoder(), "{}", self.name);
        let Some(theirs) = outputs.get("encoder") else { return };
        let batch = self.batch();
        let (ids, lengths, mode) = (&batch.source, &batch.source_lengths, Mode::evaluation());
        let encoded = tch::no_grad(|| match model.has_decoder() {
            true => {
                let model = EncoderDecoder::build(model, *vocabulary, 1, self.model.kind(), Device::Cpu);
                set_weights(model.weights());
                model.encode(ids, lengths, &mode).output
            }
            false => {
                let model = EncoderOnly::build(model, *vocabulary, 1, self.model.kind(), Device::Cpu);
                set_weights(model.weights());
                let segments = batch.second_texts.as_ref().map(|texts| &texts.segments);
                model.encode(ids, lengths, segments, &mode).output
            }
        });
        let real: Vec<Tensor> =
            (0..).zip(&batch.source_lengths).map(|(row, &n)| encoded.get(row).narrow(0, 0, n)).collect();
        self.tensor(Quantity::Output, "encoder", &Tensor::cat(&real, 0), theirs);
    }

    fn outputs(&mut self) {
        let (logits, second_texts) = tch::no_grad(|| {
            let outputs = self.model.outputs(&self.batch(), &Mode::evaluation());
            (self.model.logits(&outputs.hidden), outputs.second_texts)
        });
        self.tensor(Quantity::Output, "logits", &logits, &self.case.outputs["logits"]);
        let theirs = self.case.outputs.get("next_sentence");
        assert_eq!(second_texts.is_some(), theirs.is_some(), "{}", self.name);
        if let (Some(ours), Some(theirs)) = (second_texts, theirs) {
            self.tensor(Quantity::Output, "next sentence", &ours, theirs);
        }
    }

    /// Compares the same logits as decoding computes them, token by token; in float32 by its kernels.
    fn outputs_token_by_token(&mut self) {
        let model = self.model;
        assert_eq!(decoding::takes(model.kind(), model.device()), model.kind() == Kind::Float);
        let batch = self.batch();
        let logits = tch::no_grad(|| {
            let mut source = (batch.source.shallow_clone(), batch.source_lengths.clone());
            if !self.case.model.has_encoder() {
                source = (source.0.narrow(1, 0, 0), vec![0; source.1.len()]);
            }
            let mut stepper = model.generator().unwrap().start(&source.0, &source.1);
            let steps: Vec<Tensor> = (0..batch.target_input.size()[1])
                .map(|place| stepper.step(&batch.target_input.narrow(1, place, 1)))
                .collect();
            let hidden = Tensor::stack(&steps, 1).flatten(0, 1).index_select(0, &batch.positions);
            model.logits(&hidden)
        });
        self.tensor(Quantity::Output, "logits, token by token", &logits, &self.case.outputs["logits"]);
    }

    /// Compares the perplexity over all target tokens, with one end per sentence and no padding, whatever the batches.
    fn perplexity(&mut self) {
        let theirs = self.case.evaluation_loss.unwrap_or(self.case.updates[0].unsmoothed_loss).exp();
        if !self.case.model.has_decoder() {
            let parts = [self.batch_of(0..1), self.batch_of(1..4), self.batch_of(4..self.case.pairs.len())];
            let found = likelihood_of(self.model, parts);
            return self.seen.number(Quantity::Perplexity, self.name, found.perplexity(), theirs);
        }
        let tokens: usize = self.case.pairs.iter().map(|(_, target)| target.len() + 1).sum();
        for batch_tokens in [1, 9, 14, 1000] {
            let name = format!("{}, in batches of {batch_tokens} tokens", self.name);
            let found = likelihood(self.model, self.store, batch_tokens).unwrap();
            assert_eq!(found.tokens, tokens, "{name}");
            self.seen.number(Quantity::Perplexity, &name, found.perplexity(), theirs);
        }
    }

    /// The peer had all pairs in one batch; ours are two, whose gradients must add up to the same.
    fn updates(&mut self) {
        let Work { name: case, model, store, .. } = *self;
        let config = &self.case.training;
        let mut adam = Adam::build(config, model.weights());
        let micro_batches = [self.batch_of(0..2), self.batch_of(2..self.case.pairs.len())];
        let weights = model.weights().named();
        let names: Vec<&String> = weights.iter().map(|(path, _)| path).collect();
        assert_eq!(names.len(), self.case.gradients.len(), "{case}: {names:?}");
        for (number, theirs) in (1..).zip(&self.case.updates) {
            let ours =
                StoreUpdates { model, config, store }.step_on(&mut adam, &micro_batches, number).unwrap();
            let norm = ours.gradient_norm.unwrap();
            let after = |quantity| if number == 1 { quantity } else { Quantity::Trained };
            for (quantity, what, ours, theirs) in [
                (after(Quantity::Loss), "loss", ours.loss, theirs.loss),
                (after(Quantity::Loss), "unsmoothed loss", ours.unsmoothed_loss, theirs.unsmoothed_loss),
                (after(Quantity::GradientNorm), "gradient norm", norm, theirs.gradient_norm),
                (Quantity::LearningRate, "learning rate", ours.learning_rate, theirs.learning_rate),
            ] {
                self.seen.number(quantity, &format!("{case}, update {number}, {what}"), ours, theirs);
            }
            if number == 1 {
                for (path, theirs) in &self.case.first_statistics {
                    let (_, ours) = model.weights().saved().into_iter().find(|(own, _)| own == path).unwrap();
                    self.tensor(Quantity::Trained, path, &ours, theirs);
                }
                for (path, variable) in weights {
                    let quantity = match self.is_moved_by_rounding(path) {
                        true => Quantity::ZeroGradient,
                        false => Quantity::Gradient,
                    };
                    self.tensor(quantity, path, &variable.grad(), &self.case.gradients[path]);
                }
            }
        }
        let saved = model.weights().saved();
        assert_eq!(saved.len(), self.case.weights.len(), "{case}");
        for (path, variable) in &saved {
            let quantity = match self.is_moved_by_rounding(path) {
                true => Quantity::TrainedByRounding,
                false => Quantity::Trained,
            };
            self.tensor(quantity, path, variable, &self.case.weights[path]);
        }
    }

    /// Whether only rounding moves this weight, because its gradient is 0. A bias of keys, or the one vector of relative
    /// positions of distance 0, adds the same to all scores of a query. Batch normalisation subtracts anything that adds
    /// the same to a channel of all tokens, so that this only moves running means.
    fn is_moved_by_rounding(&self, path: &str) -> bool {
        let is_zero = |gradient: &Summary| gradient.abs_sum < 1e-15 * gradient.numbers();
        is_unseen_key_bias(&self.case.model, path)
            || self.case.gradients.get(path).is_some_and(is_zero)
            || self.case.model.norm_kind == NormKind::Batch && path.ends_with("running_mean")
    }

    fn tensor(&mut self, quantity: Quantity, name: &str, ours: &Tensor, theirs: &Summary) {
        let name = format!("{}, {name}", self.name);
        if ours.size() != theirs.shape {
            return self.seen.mistake(format!("{name} is {:?}, not {:?}", ours.size(), theirs.shape));
        }
        let ours = values(ours);
        let (number_size, sum_size) = if quantity.is_absolute() {
            (1.0, ours.len() as f64)
        } else {
            (theirs.abs_sum / ours.len() as f64, theirs.abs_sum)
        };
        for (index, (&ours, &theirs)) in ours.iter().zip(&theirs.first).enumerate() {
            self.seen.gap(quantity, &format!("{name}[{index}]"), ours, theirs, number_size);
        }
        let projection = signed("projection", ours.len()).iter().zip(&ours).map(|(a, b)| a * b).sum();
        for (kind, ours, theirs) in [
            ("sum", ours.iter().sum(), theirs.sum),
            ("sum of absolute values", ours.iter().map(|v| v.abs()).sum(), theirs.abs_sum),
            ("projection", projection, theirs.projection),
        ] {
            self.seen.gap(quantity, &format!("{name}, {kind}"), ours, theirs, sum_size);
        }
    }
}
