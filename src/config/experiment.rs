//! The whole of an experiment, section by section.

use crate::data::DataConfig;
use crate::decode::DecodingConfig;
use crate::model::ModelConfig;
use crate::train::TrainingConfig;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One resolved experiment. Every default is stated once, in the section's `Default`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// What people call it; absent: the file's name. Not part of a trial's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// Which text, and how it becomes tokens.
    pub data: DataConfig,
    /// Sizes and variants of the Transformer.
    #[serde(default)]
    pub model: ModelConfig,
    /// Optimizer, schedule, checkpoints.
    #[serde(default)]
    pub training: TrainingConfig,
    /// The search for translations.
    #[serde(default)]
    pub decoding: DecodingConfig,
    /// Device, threads and logs; changes no result.
    #[serde(default)]
    pub run: RunConfig,
}

/// The `[run]` section: where and how visibly a trial runs. Not part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// `auto` (CUDA where there is one), `cpu`, `cuda` or `cuda:N`.
    pub device: DeviceChoice,
    /// CPU threads; 0: all cores.
    pub threads: usize,
    /// Updates between lines of the log and points in TensorBoard.
    pub log_interval_steps: u64,
    /// Write TensorBoard files.
    pub tensorboard: bool,
    /// The first so many dev sentences are translated at every measurement of the dev loss, to be read; 0: none.
    pub sample_sentences: usize,
    /// Updates between histograms of weights and gradients, and once at the end; 0: none.
    pub histogram_interval_steps: u64,
    /// The first so many dev sentences have their attention recorded at the end; 0: none.
    pub attention_sentences: usize,
    /// Layers whose attention is recorded, from 1; those that the model lacks are passed over; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_layers: Option<Vec<usize>>,
    /// Heads whose attention is recorded, likewise; absent: all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_heads: Option<Vec<usize>>,
    /// The so many most frequent tokens go to TensorBoard's projector with their embeddings; 0: none.
    pub projector_tokens: usize,
}

impl Default for RunConfig {
    fn default() -> Self {
        RunConfig {
            device: DeviceChoice::Auto,
            threads: 0,
            log_interval_steps: 50,
            tensorboard: true,
            sample_sentences: 4,
            histogram_interval_steps: 5_000,
            attention_sentences: 1,
            attention_layers: None,
            attention_heads: None,
            projector_tokens: 2_000,
        }
    }
}

/// Which device a trial runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(auto|cpu|cuda|cuda:[0-9]+)$"))]
pub enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(usize),
}

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "auto" => Ok(DeviceChoice::Auto),
            "cpu" => Ok(DeviceChoice::Cpu),
            "cuda" => Ok(DeviceChoice::Cuda(0)),
            _ => {
                text.strip_prefix("cuda:").and_then(|n| n.parse().ok()).map(DeviceChoice::Cuda).ok_or_else(
                    || format!("device {text:?} is none of \"auto\", \"cpu\", \"cuda\", \"cuda:N\""),
                )
            }
        }
    }
}

impl From<DeviceChoice> for String {
    fn from(choice: DeviceChoice) -> Self {
        match choice {
            DeviceChoice::Auto => "auto".into(),
            DeviceChoice::Cpu => "cpu".into(),
            DeviceChoice::Cuda(n) => format!("cuda:{n}"),
        }
    }
}
