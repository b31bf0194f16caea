//! Exported models: helpers that the tests of the formats share.

use super::learn_tokenizer;
use ablate::config::Experiment;
use ablate::data::collate::{Batch, SecondTexts};
use ablate::data::tokenizer::Tokenizer;
use ablate::error::Result;
use ablate::export::{Format, Run, export};
use ablate::model::mode::Mode;
use ablate::model::network::Outputs;
use ablate::model::{self, ModelConfig, Network};
use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tch::{Device, Kind, Tensor};
use tempfile::TempDir;

pub fn small() -> ModelConfig {
    ModelConfig { layers: 2, d_model: 8, d_ff: 12, heads: 2, learned_positions: 40, ..Default::default() }
}

pub fn tokenizer() -> Tokenizer {
    learn_tokenizer(["the cat sat on the mat", "the hat"], 20)
}

/// A model with noise on every variable, so that no bias is 0 and no scale 1.
pub fn noisy(config: &ModelConfig, vocabulary: usize) -> Box<dyn Network> {
    let model = model::build(config, vocabulary, 1, Kind::Double, Device::Cpu);
    tch::no_grad(|| {
        for (index, (_, tensor)) in model.weights().named().iter().enumerate() {
            let wave =
                Tensor::arange(tensor.numel() as i64, (Kind::Double, Device::Cpu)) * 1.7 + index as f64;
            let _ = tensor.shallow_clone().g_add_(&(wave.sin() * 0.3).view_as(tensor));
        }
    });
    model
}

pub fn experiment(model: &ModelConfig) -> Experiment {
    let mut experiment: Experiment = toml::from_str(super::EXPERIMENT).unwrap();
    experiment.model = model.clone();
    experiment
}

/// A model that was exported, or refused, to `out` inside of `root`, which is kept with it.
pub struct Exported {
    pub root: TempDir,
    pub out: PathBuf,
    pub experiment: Experiment,
    pub model: Box<dyn Network>,
    pub result: Result<()>,
}

/// Exports a noisy model of this configuration that translates.
pub fn exported(format: Format, config: &ModelConfig) -> Exported {
    exported_of(format, experiment(config))
}

/// Exports a noisy model of this experiment.
pub fn exported_of(format: Format, experiment: Experiment) -> Exported {
    let tokenizer = tokenizer();
    let model = noisy(&experiment.model, tokenizer.len());
    let (root, out, result) = written(format, &experiment, &*model, &tokenizer);
    Exported { root, out, experiment, model, result }
}

/// Exports this model: returns the folder made for it, the place in the folder, and the result.
pub fn written(
    format: Format,
    experiment: &Experiment,
    model: &dyn Network,
    tokenizer: &Tokenizer,
) -> (TempDir, PathBuf, Result<()>) {
    let root = tempfile::tempdir().unwrap();
    let out = root.path().join("out");
    let run = Run {
        experiment,
        identity: "abc",
        tokenizer,
        source_tokenizer: None,
        weights: model.weights(),
        word_counts: &[],
    };
    let result = export(format, &run, &out);
    (root, out, result)
}

pub fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Float64 tensors of a safetensors file by name.
pub fn doubles(path: &Path) -> BTreeMap<String, Tensor> {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |view: &safetensors::tensor::TensorView| {
        let shape: Vec<i64> = view.shape().iter().map(|&n| n as i64).collect();
        Tensor::from_data_size(view.data(), &shape, Kind::Double)
    };
    file.tensors().iter().map(|(name, view)| (name.clone(), tensor(view))).collect()
}

/// Returns the logits at the first six positions of the two rows of a batch, of sources or of targets, for those that the
/// model predicts; further columns have its predictions about second texts.
pub fn logits(model: &dyn Network) -> Tensor {
    let everywhere = Tensor::arange(6, (Kind::Int64, Device::Cpu));
    let batch = Batch {
        source: Tensor::from_slice(&[5i64, 9, 30, 2, 7, 300, 2, 0]).view([2, 4]),
        source_lengths: vec![4, 3],
        target_input: Tensor::from_slice(&[1i64, 8, 77, 1, 250, 6]).view([2, 3]),
        sentences: None,
        targets: everywhere.shallow_clone(),
        positions: everywhere,
        negatives: None,
        second_texts: Some(SecondTexts {
            segments: Tensor::from_slice(&[0i64, 0, 1, 1, 0, 1, 1, 0]).view([2, 4]),
            targets: Tensor::from_slice(&[0i64, 1]),
            weights: Tensor::from_slice(&[3.0, 3.0]),
        }),
        target_tokens: 6,
        source_tokens: 7,
    };
    let Outputs { hidden, second_texts } = model.outputs(&batch, &Mode::evaluation());
    let logits = model.logits(&hidden);
    match second_texts {
        Some(scores) => Tensor::cat(&[logits, scores.flatten(0, 1).expand([6, 4], false)], 1),
        None => logits,
    }
}
