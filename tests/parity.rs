//! The model, its loss, every gradient and ten updates equal Python torch's, for each variant, in float64.
//!
//! `tests/fixtures/parity/*.json` come from `scripts/make_parity_fixtures.py`, which also says how
//! both sides set their weights and what is recorded of a tensor.

use ablate::data::collate::collate;
use ablate::data::store::{Store, StoreWriter};
use ablate::model::dropout::Mode;
use ablate::model::weights::Weights;
use ablate::model::{ModelConfig, Transformer};
use ablate::seed::mix;
use ablate::train::TrainingConfig;
use ablate::train::adam::Adam;
use ablate::train::step::{Updates, hidden_states};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;
use tch::{Device, Kind, Tensor};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fixture {
    /// Of Python, torch and numpy.
    versions: BTreeMap<String, String>,
    vocabulary: usize,
    pairs: Vec<(Vec<u32>, Vec<u32>)>,
    model: ModelConfig,
    training: TrainingConfig,
    outputs: BTreeMap<String, Summary>,
    /// Of the first update.
    gradients: BTreeMap<String, Summary>,
    updates: Vec<Update>,
    /// After the last update.
    weights: BTreeMap<String, Summary>,
}

#[derive(Deserialize)]
struct Update {
    loss: f64,
    unsmoothed_loss: f64,
    gradient_norm: f64,
    learning_rate: f64,
}

/// What is recorded of a tensor.
#[derive(Debug, Deserialize)]
struct Summary {
    shape: Vec<i64>,
    sum: f64,
    abs_sum: f64,
    projection: f64,
    first: Vec<f64>,
}

/// Largest allowed gaps, relative to the mean absolute value of a tensor's numbers (times their
/// number for the sums) or to the number itself.
const OUTPUT_TOLERANCE: f64 = 1e-12;
const GRADIENT_TOLERANCE: f64 = 1e-11;
const LOSS_TOLERANCE: f64 = 1e-10;
/// Adam divides by the gradient's size, so numbers that should be 0 come back larger.
const WEIGHT_TOLERANCE: f64 = 1e-9;
/// A key's bias adds the same to all scores of a query: its gradient is 0, and here the rounding of
/// 0, of which ten updates of Adam make so much.
const ZERO_GRADIENT: f64 = 1e-15;
const KEY_BIAS_TOLERANCE: f64 = 1e-6;

fn fixtures() -> Vec<(String, Fixture)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/parity");
    let mut fixtures: Vec<(String, Fixture)> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| {
            let path = entry.unwrap().path();
            let text = std::fs::read_to_string(&path).unwrap();
            let fixture = serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            (path.file_stem().unwrap().to_string_lossy().into_owned(), fixture)
        })
        .collect();
    fixtures.sort_by(|a, b| a.0.cmp(&b.0));
    fixtures
}

/// Numbers in [0, 1) of the variable `name`.
fn uniforms(name: &str, count: usize) -> impl Iterator<Item = f64> {
    let hash = name
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    (0..count as u64).map(move |i| (mix(hash.wrapping_add(i)) >> 11) as f64 * 0.5f64.powi(53))
}

fn set_weights(weights: &Weights) {
    for (path, variable) in weights.named() {
        let columns = *variable.size().last().unwrap() as f64;
        let (centre, scale) = match path.rsplit('.').next().unwrap() {
            "scale" => (1.0, 0.2),
            "bias" | "offset" => (0.0, 0.2),
            _ => (0.0, 1.5 / columns.sqrt()),
        };
        let values: Vec<f64> =
            uniforms(path, variable.numel()).map(|u| centre + scale * (2.0 * u - 1.0)).collect();
        tch::no_grad(|| variable.shallow_clone().copy_(&Tensor::from_slice(&values).view_as(variable)));
    }
}

/// The largest gaps of one fixture, and what went beyond its tolerance.
#[derive(Default)]
struct Comparison {
    case: String,
    largest: BTreeMap<&'static str, f64>,
    mistakes: Vec<String>,
}

impl Comparison {
    fn number(&mut self, what: &'static str, name: &str, ours: f64, theirs: f64, tolerance: f64) {
        self.gap(what, name, ours, theirs, theirs.abs(), tolerance);
    }

    fn tensor(&mut self, what: &'static str, name: &str, ours: &Tensor, theirs: &Summary, tolerance: f64) {
        if ours.size() != theirs.shape {
            self.mistakes.push(format!(
                "{}: {what} {name} is {:?}, not {:?}",
                self.case,
                ours.size(),
                theirs.shape
            ));
            return;
        }
        let values: Vec<f64> = Vec::try_from(ours.detach().flatten(0, -1)).unwrap();
        let size = theirs.abs_sum / values.len() as f64;
        for (index, (&ours, &theirs)) in values.iter().zip(&theirs.first).enumerate() {
            self.gap(what, &format!("{name}[{index}]"), ours, theirs, size, tolerance);
        }
        let projection =
            uniforms("projection", values.len()).zip(&values).map(|(u, v)| (2.0 * u - 1.0) * v).sum();
        let abs_sum = values.iter().map(|v| v.abs()).sum();
        for (kind, ours, theirs_value) in [
            ("sum", values.iter().sum(), theirs.sum),
            ("abs_sum", abs_sum, theirs.abs_sum),
            ("projection", projection, theirs.projection),
        ] {
            self.gap(what, &format!("{name}.{kind}"), ours, theirs_value, theirs.abs_sum, tolerance);
        }
    }

    fn gap(&mut self, what: &'static str, name: &str, ours: f64, theirs: f64, size: f64, tolerance: f64) {
        let gap = if size > 0.0 { (ours - theirs).abs() / size } else { (ours - theirs).abs() };
        let largest = self.largest.entry(what).or_insert(0.0);
        *largest = largest.max(gap);
        // Not `gap > tolerance`, which NaN would pass.
        if gap.is_nan() || gap > tolerance {
            let case = &self.case;
            self.mistakes.push(format!(
                "{case}: {what} {name} is {ours:e}, not {theirs:e}: {gap:.1e} > {tolerance:e}"
            ));
        }
    }

    /// A tensor that is 0 but for rounding, on both sides.
    fn zero(&mut self, what: &'static str, name: &str, ours: &Tensor, theirs: &Summary, limit: f64) {
        let largest = ours.abs().max().double_value(&[]);
        if !(largest <= limit && theirs.abs_sum <= limit * ours.numel() as f64) {
            self.mistakes.push(format!("{}: {what} {name} is not 0: {largest:e}, {theirs:?}", self.case));
        }
    }
}

fn compare(case: &str, fixture: &Fixture, store: &Store) -> Comparison {
    let mut seen = Comparison { case: case.to_string(), ..Default::default() };
    let model = Transformer::build(&fixture.model, fixture.vocabulary, 1, Kind::Double, Device::Cpu);
    set_weights(model.weights());
    let mut adam = Adam::build(&fixture.training, model.weights());

    let all: Vec<u32> = (0..store.len() as u32).collect();
    tch::no_grad(|| {
        let mode = Mode::evaluation();
        let batch = collate(store, &all, Device::Cpu).unwrap();
        let encoded = model.encode(&batch.source, &batch.source_lengths, &mode).output;
        let real: Vec<Tensor> =
            (0..).zip(&batch.source_lengths).map(|(row, &n)| encoded.get(row).narrow(0, 0, n)).collect();
        let logits = model.logits(&hidden_states(&model, &batch, &mode));
        seen.tensor(
            "output",
            "encoder",
            &Tensor::cat(&real, 0),
            &fixture.outputs["encoder"],
            OUTPUT_TOLERANCE,
        );
        seen.tensor("output", "logits", &logits, &fixture.outputs["logits"], OUTPUT_TOLERANCE);
    });

    // Theirs was one batch; ours are two, whose gradients must add up to the same.
    let micro_batches = [all[..2].to_vec(), all[2..].to_vec()];
    for (number, theirs) in (1..).zip(&fixture.updates) {
        let d_model = fixture.model.d_model;
        let ours = Updates { model: &model, config: &fixture.training, d_model, store }
            .step(&mut adam, &micro_batches, number, true)
            .unwrap();
        let at = format!("update {number}");
        seen.number("loss", &at, ours.loss, theirs.loss, LOSS_TOLERANCE);
        seen.number(
            "loss",
            &format!("{at}, unsmoothed"),
            ours.unsmoothed_loss,
            theirs.unsmoothed_loss,
            LOSS_TOLERANCE,
        );
        seen.number(
            "gradient norm",
            &at,
            ours.gradient_norm.unwrap(),
            theirs.gradient_norm,
            WEIGHT_TOLERANCE,
        );
        seen.number("learning rate", &at, ours.learning_rate, theirs.learning_rate, 1e-14);
        if number == 1 {
            assert_eq!(
                model.weights().named().len(),
                fixture.gradients.len(),
                "{case}: numbers of variables"
            );
            for (path, variable) in model.weights().named() {
                let theirs = &fixture.gradients[path];
                match path.ends_with("key.bias") {
                    true => seen.zero("gradient", path, &variable.grad(), theirs, ZERO_GRADIENT),
                    false => seen.tensor("gradient", path, &variable.grad(), theirs, GRADIENT_TOLERANCE),
                }
            }
        }
    }
    for (path, variable) in model.weights().named() {
        match path.ends_with("key.bias") {
            true => seen.tensor("key bias", path, variable, &fixture.weights[path], KEY_BIAS_TOLERANCE),
            false => seen.tensor("weight", path, variable, &fixture.weights[path], WEIGHT_TOLERANCE),
        }
    }
    seen
}

#[test]
fn every_variant_equals_python_torch() {
    tch::set_num_threads(1);
    let fixtures = fixtures();
    assert!(fixtures.len() >= 15, "{}", fixtures.len());
    let mut mistakes = Vec::new();
    for (case, fixture) in &fixtures {
        assert!(fixture.versions["torch"].starts_with("2.11."), "{case}: {:?}", fixture.versions);
        assert_eq!(fixture.updates.len(), 10, "{case}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pairs.store");
        let mut writer = StoreWriter::create(&path, fixture.vocabulary, [0; 32]).unwrap();
        fixture.pairs.iter().try_for_each(|(source, target)| writer.push(source, target)).unwrap();
        writer.finish().unwrap();
        // The variants of the fixtures have no dropout, which no two programs share.
        assert_eq!(fixture.model.dropout, 0.0, "{case}");
        let seen = compare(case, fixture, &Store::open(&path, [0; 32]).unwrap());
        println!("{case}: largest gaps {:?}", seen.largest);
        mistakes.extend(seen.mistakes);
    }
    assert!(mistakes.is_empty(), "{} gaps:\n{}", mistakes.len(), mistakes.join("\n"));
}
