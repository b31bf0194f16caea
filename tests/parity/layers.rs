//! Each layer by itself: all numbers of outputs, and of gradients of inputs and weights.

use crate::common::gaps;
use crate::compare::{self, Comparison, Quantity};
use crate::fixtures::{self, set_weights, signed_tensor};
use ablate::model::ModelConfig;
use ablate::model::attention::MultiHeadAttention;
use ablate::model::decoder::Decoder;
use ablate::model::embedding::Embeddings;
use ablate::model::encoder::Encoder;
use ablate::model::feed_forward::FeedForward;
use ablate::model::init::Attends;
use ablate::model::mask::{self, Mask, Visible};
use ablate::model::mode::Mode;
use ablate::model::norm::Normalisation;
use ablate::model::position::{PassPositions, Places, PositionEncoding, Stack, StackPositions};
use ablate::model::residual::Residual;
use ablate::model::weights::{Scope, Start, Weights};
use ablate::train::TrainingConfig;
use ablate::train::adam::{self, Adam};
use ablate::train::learning_rate::learning_rate;
use ablate::train::loss::{Loss, Objective, cross_entropy, projected_cross_entropy};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use tch::{Device, Kind, Tensor};

/// Rows that begin at the first position.
const FIRST: Places = Places::From(0);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    versions: BTreeMap<String, String>,
    pub layer: Layer,
    /// Package, version and modules that computed the numbers.
    peer: String,
    pub model: ModelConfig,
    /// Names and shapes of the inputs.
    inputs: BTreeMap<String, Vec<i64>>,
    /// Real tokens of each row; absent: no padding.
    lengths: Option<Vec<i64>>,
    /// Ids, and the number of different ones.
    source: Option<Vec<Vec<i64>>>,
    target: Option<Vec<Vec<i64>>>,
    vocabulary: Option<i64>,
    targets: Option<Vec<i64>>,
    pub label_smoothing: Option<f64>,
    r_drop: Option<f64>,
    pub training: Option<TrainingConfig>,
    steps: Option<Vec<u64>>,
    outputs: BTreeMap<String, Numbers>,
    gradients: BTreeMap<String, Numbers>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "a layer norm is called so")]
pub enum Layer {
    SelfAttention,
    CrossAttention,
    FeedForward,
    LayerNorm,
    Residual,
    Embedding,
    CrossEntropy,
    ProjectedCrossEntropy,
    RDrop,
    Encoder,
    Decoder,
    Optimizer,
    Schedule,
}

/// A whole tensor.
#[derive(Deserialize)]
struct Numbers {
    shape: Vec<i64>,
    values: Vec<f64>,
}

/// Our results in a case, by name.
#[derive(Default)]
struct Found {
    outputs: Vec<(String, Quantity, Tensor)>,
    gradients: Vec<(String, Tensor)>,
}

pub fn cases() -> Vec<(String, Case)> {
    fixtures::load("layers")
}

pub fn compare_all() {
    tch::set_num_threads(1);
    let mut by_layer: BTreeMap<Layer, Vec<(String, Case)>> = BTreeMap::new();
    for (name, case) in cases() {
        assert!(case.versions["torch"].starts_with("2.11."), "{name}: {:?}", case.versions);
        by_layer.entry(case.layer).or_default().push((name, case));
    }
    let (mut gaps, mut mistakes) = (Vec::new(), Vec::new());
    for (layer, cases) in &by_layer {
        for kind in [Kind::Double, Kind::Float] {
            let mut seen = Comparison::new(kind);
            for (name, case) in cases {
                compare_case(&mut seen, name, case, &Compute { case, kind }.found());
            }
            let peers: BTreeSet<&str> = cases.iter().map(|(_, case)| case.peer.as_str()).collect();
            let peers = peers.into_iter().collect::<Vec<_>>().join("; ");
            gaps.extend(seen.gaps(&format!("{layer:?}"), &peers, cases.len()));
            mistakes.extend(seen.mistakes);
        }
    }
    gaps::report("layers", &gaps);
    compare::expect_none(&mistakes);
}

fn compare_case(seen: &mut Comparison, case: &str, theirs: &Case, ours: &Found) {
    let mut expected: Vec<&String> = theirs.outputs.keys().chain(theirs.gradients.keys()).collect();
    let outputs =
        ours.outputs.iter().map(|(name, quantity, tensor)| (name, *quantity, tensor, &theirs.outputs));
    let gradients = ours.gradients.iter().map(|(name, tensor)| {
        let quantity = if name.ends_with("key.bias") { Quantity::ZeroGradient } else { Quantity::Gradient };
        (name, quantity, tensor, &theirs.gradients)
    });
    for (name, quantity, tensor, theirs) in outputs.chain(gradients) {
        match theirs.get(name) {
            None => seen.mistake(format!("{case}: {name} is not among theirs")),
            Some(Numbers { shape, values }) => {
                seen.tensor(quantity, &format!("{case}, {name}"), tensor, shape, values);
                expected.retain(|other| *other != name);
            }
        }
    }
    if !expected.is_empty() {
        seen.mistake(format!("{case}: not computed: {expected:?}"));
    }
}

/// Computes one case in one precision.
struct Compute<'a> {
    case: &'a Case,
    kind: Kind,
}

impl Compute<'_> {
    fn found(&self) -> Found {
        let Compute { case, kind } = *self;
        let scope = Scope::seeded(1, kind, Device::Cpu);
        let inputs: BTreeMap<&str, Tensor> = case
            .inputs
            .iter()
            .map(|(name, shape)| {
                (name.as_str(), (signed_tensor(name, shape, kind) * 2.0).set_requires_grad(true))
            })
            .collect();
        let input = |name: &str| &inputs[name];
        let (model, mode) = (&case.model, &Mode::evaluation());
        let padding = |of: &Tensor| {
            let lengths = case.lengths.as_ref().expect("lengths");
            mask::padding(lengths, of.size()[1], kind, Device::Cpu)
        };
        let causal = |of: &Tensor| mask::causal(of.size()[1], kind, Device::Cpu);
        match case.layer {
            Layer::SelfAttention | Layer::CrossAttention => {
                let attends = match case.layer {
                    Layer::SelfAttention => Attends::Itself,
                    _ => Attends::Encoder,
                };
                let layer = MultiHeadAttention::build(&scope, model, attends);
                let stack = if case.lengths.is_some() { Stack::Encoder } else { Stack::Decoder };
                let stack = StackPositions::build(&scope, model, stack);
                let weights = ready(scope);
                let (x, seen) = (input("x"), inputs.get("memory").unwrap_or(input("x")));
                let mask = if case.lengths.is_some() { padding(seen) } else { causal(seen) };
                let all = (FIRST, x.size()[1]);
                let positions = match attends {
                    Attends::Itself => stack.pass(all, all, x),
                    Attends::Encoder => PassPositions::default(),
                };
                let mask = positions.on_mask(Mask::Added(&mask)).unwrap_or(mask);
                let attended = layer.keys_and_values(seen, &positions);
                let output = layer.forward(x, &attended, Mask::Added(&mask), &positions, mode);
                differentiate(vec![("output", output)], &inputs, &weights)
            }
            Layer::FeedForward => {
                let layer = FeedForward::build(&scope, model);
                let weights = ready(scope);
                differentiate(vec![("output", layer.forward(input("x"), mode))], &inputs, &weights)
            }
            Layer::LayerNorm => {
                let layer = Normalisation::build(&scope, model);
                let weights = ready(scope);
                differentiate(vec![("output", layer.forward(input("x"), mode))], &inputs, &weights)
            }
            Layer::Residual => {
                let layer = Residual::build(&scope, model);
                let weights = ready(scope);
                let output = layer.forward(input("x"), mode, Tensor::tanh);
                differentiate(vec![("output", output)], &inputs, &weights)
            }
            Layer::Encoder => {
                let layer = Encoder::build(&scope, model);
                let weights = ready(scope);
                let x = input("x");
                let padding = padding(x);
                let visible = Visible::Masked(Mask::Added(&padding));
                let output = layer.forward(x.shallow_clone(), FIRST, visible, mode);
                differentiate(vec![("output", output)], &inputs, &weights)
            }
            Layer::Decoder => {
                let layer = Decoder::build(&scope, model);
                let weights = ready(scope);
                let (x, encoded) = (input("x"), input("encoded"));
                let output = layer.forward(
                    x.shallow_clone(),
                    FIRST,
                    Some((encoded, &padding(encoded))),
                    Visible::Masked(Mask::Causal(&causal(x))),
                    mode,
                );
                differentiate(vec![("output", output)], &inputs, &weights)
            }
            Layer::Embedding => self.embedding(scope, &inputs),
            Layer::CrossEntropy | Layer::ProjectedCrossEntropy => self.cross_entropy(&inputs),
            Layer::RDrop => self.r_drop(&inputs),
            Layer::Optimizer => self.optimizer(scope),
            Layer::Schedule => {
                let steps = case.steps.as_ref().expect("steps");
                let training = case.training.clone().unwrap_or_default();
                let rate = |&step: &u64| learning_rate(&training, model.d_model, step);
                let rates: Vec<f64> = steps.iter().map(rate).collect();
                let rates = ("learning rates".into(), Quantity::LearningRate, Tensor::from_slice(&rates));
                Found { outputs: vec![rates], gradients: Vec::new() }
            }
        }
    }

    /// The source is at position 0, the target continues at position 3.
    fn embedding(&self, scope: Scope, inputs: &BTreeMap<&str, Tensor>) -> Found {
        let (case, model) = (self.case, &self.case.model);
        let embeddings = Embeddings::build(
            &scope.child("embedding"),
            model,
            case.vocabulary.expect("a vocabulary") as usize,
        );
        let [source, target] = ["source_position", "target_position"]
            .map(|name| PositionEncoding::build(&scope.child(name), model));
        let weights = ready(scope);
        let ids = |rows: &Option<Vec<Vec<i64>>>| {
            let rows: Vec<Tensor> =
                rows.as_ref().expect("ids").iter().map(|row| Tensor::from_slice(row)).collect();
            Tensor::stack(&rows, 0)
        };
        let outputs = vec![
            ("source", source.on_embeddings(embeddings.source(&ids(&case.source)), FIRST)),
            ("target", target.on_embeddings(embeddings.target(&ids(&case.target)), Places::From(3))),
            ("scores", inputs["x"].linear(embeddings.softmax(), None::<&Tensor>)),
        ];
        differentiate(outputs, inputs, &weights)
    }

    fn cross_entropy(&self, inputs: &BTreeMap<&str, Tensor>) -> Found {
        let (hidden, matrix) = (&inputs["hidden"], &inputs["matrix"]);
        let targets = Tensor::from_slice(self.case.targets.as_ref().expect("targets"));
        let smoothing = self.case.label_smoothing.expect("label smoothing");
        let (loss, gradients) = match self.case.layer {
            Layer::CrossEntropy => {
                let loss = cross_entropy(&hidden.matmul(&matrix.tr()), &targets, smoothing);
                loss.smoothed.backward();
                (loss, [hidden.grad(), matrix.grad()])
            }
            _ => {
                let objective = Objective { smoothing, r_drop: 0.0 };
                let hidden = [hidden.shallow_clone()];
                let mut found = projected_cross_entropy(&hidden, matrix, None, &targets, objective);
                (found.loss, [found.hidden.remove(0), found.matrix])
            }
        };
        found_loss(loss, ["hidden", "matrix"].into_iter().zip(gradients))
    }

    fn r_drop(&self, inputs: &BTreeMap<&str, Tensor>) -> Found {
        let passes = ["hidden", "hidden_again"].map(|name| inputs[name].shallow_clone());
        let targets = Tensor::from_slice(self.case.targets.as_ref().expect("targets"));
        let objective = Objective {
            smoothing: self.case.label_smoothing.expect("label smoothing"),
            r_drop: self.case.r_drop.expect("the weight of the distance"),
        };
        let found = projected_cross_entropy(&passes, &inputs["matrix"], None, &targets, objective);
        let gradients = found.hidden.into_iter().chain([found.matrix]);
        found_loss(found.loss, ["hidden", "hidden_again", "matrix"].into_iter().zip(gradients))
    }

    /// Makes ten updates with given gradients, as `train::step` does.
    fn optimizer(&self, scope: Scope) -> Found {
        let config = self.case.training.as_ref().expect("settings of training");
        let shapes: [(&str, &[i64]); 3] =
            [("matrix.weight", &[3, 4]), ("vector.bias", &[5]), ("unused.weight", &[2, 2])];
        for (path, shape) in shapes {
            let (parent, name) = path.split_once('.').expect("a parent");
            let parent = scope.child(parent);
            let _ = match name {
                "bias" => parent.bias(name, shape, Start::Zeros),
                _ => parent.variable(name, shape, Start::Zeros),
            };
        }
        let weights = ready(scope);
        let mut adam = Adam::build(config, &weights);
        let (mut norms, mut rates, mut found) = (Vec::new(), Vec::new(), Found::default());
        let mut keep =
            |name: String, tensor: &Tensor| found.outputs.push((name, Quantity::Weight, tensor.copy()));
        for update in 1..=10u64 {
            adam::zero_gradients(&weights);
            for (path, weight) in weights.named().iter().filter(|(path, _)| !path.starts_with("unused")) {
                let size = (update % 3) as f64 + 0.1;
                let gradient =
                    signed_tensor(&format!("gradient.{update}.{path}"), &weight.size(), self.kind) * size;
                (weight * gradient).sum(self.kind).backward();
            }
            let norm = adam::gradient_norm(&weights).double_value(&[]);
            if let Some(limit) = config.clip_norm {
                adam::clip(&weights, norm, limit);
            }
            norms.push(norm);
            rates.push(learning_rate(config, self.case.model.d_model, update));
            adam.update(&weights, update, rates[rates.len() - 1]);
            weights
                .named()
                .iter()
                .for_each(|(path, weight)| keep(format!("update {update}: {path}"), weight));
        }
        for ((path, _), moments) in weights.named().iter().zip(adam.moments()) {
            if !path.starts_with("unused") {
                keep(format!("first moment: {path}"), &moments.first);
                keep(format!("second moment: {path}"), &moments.second);
            }
        }
        let numbers = [
            ("gradient norms", Quantity::GradientNorm, norms),
            ("learning rates", Quantity::LearningRate, rates),
        ];
        let numbers =
            numbers.map(|(name, quantity, numbers)| (name.into(), quantity, Tensor::from_slice(&numbers)));
        found.outputs.extend(numbers);
        found
    }
}

/// Returns the weights of a layer that was built, with the numbers of their names.
fn ready(scope: Scope) -> Weights {
    let weights = scope.into_weights();
    set_weights(&weights);
    weights
}

/// Returns outputs, and gradients of the sum of their products with numbers that vary in sign and size.
fn differentiate(outputs: Vec<(&str, Tensor)>, inputs: &BTreeMap<&str, Tensor>, weights: &Weights) -> Found {
    let products = outputs.iter().map(|(name, output)| {
        let direction = signed_tensor(&format!("direction.{name}"), &output.size(), output.kind());
        (output * direction).sum(Kind::Double)
    });
    products.reduce(|sum, product| sum + product).expect("an output").backward();
    let inputs = inputs.iter().map(|(name, input)| (name.to_string(), input.grad()));
    let weights = weights.named().iter().map(|(path, weight)| (path.clone(), weight.grad()));
    Found {
        outputs: outputs.into_iter().map(|(name, output)| (name.into(), Quantity::Output, output)).collect(),
        gradients: inputs.chain(weights).collect(),
    }
}

fn found_loss<'a>(loss: Loss, gradients: impl Iterator<Item = (&'a str, Tensor)>) -> Found {
    let losses = [("smoothed", loss.smoothed), ("unsmoothed", loss.unsmoothed)];
    Found {
        outputs: losses.into_iter().map(|(name, loss)| (name.into(), Quantity::Loss, loss)).collect(),
        gradients: gradients.map(|(name, gradient)| (name.to_string(), gradient)).collect(),
    }
}
