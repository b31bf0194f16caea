//! The whole of an experiment, section by section.

use crate::data::DataConfig;
use crate::decode::DecodingConfig;
use crate::left_out::is_default;
use crate::model::ModelConfig;
use crate::train::{TaskKind, TrainingConfig};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// One resolved experiment. Every default is stated once, in the section's `Default`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Experiment {
    /// Name of the experiment. If absent, the name of the file. Not part of a trial's identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The text and how it is turned into tokens.
    pub data: DataConfig,
    /// Sizes and variants of the model: the Transformer, or recurrent or convolutional encoders and decoders.
    #[serde(default)]
    pub model: ModelConfig,
    /// Optimizer, learning rate schedule, batches and checkpoints.
    #[serde(default)]
    pub training: TrainingConfig,
    /// The search for translations.
    #[serde(default)]
    pub decoding: DecodingConfig,
    /// Device, threads and logs. These settings change no result.
    #[serde(default)]
    pub run: RunConfig,
}

impl Experiment {
    /// Returns the task that the model learns.
    pub fn task(&self) -> TaskKind {
        let recipe = &self.data.recipe;
        match () {
            _ if recipe.is_running_text() && self.model.is_word_vectors() => TaskKind::WordVectors,
            _ if recipe.is_running_text() && self.model.is_masked() => TaskKind::MaskedLanguageModelling,
            _ if recipe.is_running_text() => TaskKind::LanguageModelling,
            _ if recipe.tree_leaves().is_some() => TaskKind::Parsing,
            _ => TaskKind::Translation,
        }
    }

    /// Whether the model reads the source of a pair as the beginning of the text that it continues with the target.
    pub fn reads_prefixes(&self) -> bool {
        self.task().has_pairs() && !self.model.has_encoder()
    }
}

/// A value as a message shows it, in TOML: `"rotary"`, `4`, `{ relative = 4 }`.
pub fn value_text(value: &serde_json::Value) -> String {
    match value.as_object().filter(|table| !table.is_empty()) {
        Some(table) => {
            let entries = table.iter().map(|(name, content)| format!("{name} = {}", value_text(content)));
            format!("{{ {} }}", entries.collect::<Vec<_>>().join(", "))
        }
        None => value.to_string(),
    }
}

/// The value of a setting as [`value_text`] shows it.
pub fn setting_text(value: &impl Serialize) -> String {
    value_text(&serde_json::to_value(value).unwrap_or_default())
}

/// A value as a cell of a table shows it: names without quotes, and a recipe by its name.
pub fn cell_text(value: &serde_json::Value) -> String {
    match value.as_str().or_else(|| value.get("name")?.as_str()) {
        Some(name) => name.to_string(),
        None => value_text(value),
    }
}

#[cfg(test)]
impl Experiment {
    /// An experiment of defaults on a small generated corpus.
    pub(crate) fn of_generated_text() -> Self {
        use crate::data::{Corpus, GeneratedCorpus, Recipe};
        let corpus = Corpus::Generated(GeneratedCorpus { train: 10, dev: 2, test: 2, seed: 1 });
        Experiment {
            label: None,
            data: DataConfig::new(Recipe::new("g", "en", "de", corpus)),
            model: Default::default(),
            training: Default::default(),
            decoding: Default::default(),
            run: Default::default(),
        }
    }
}

/// The `[run]` section: the device of a trial and what it logs. Not part of a trial's identity.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct RunConfig {
    /// Device to train on: `auto` (a GPU if there is one), `cpu`, `cuda` or `cuda:N`.
    pub device: DeviceChoice,
    /// Number of CPU threads. 0 uses all cores.
    pub threads: usize,
    /// Number of updates between two lines of the log, which are also points in TensorBoard.
    pub log_interval_steps: u64,
    /// Write TensorBoard files.
    pub tensorboard: bool,
    /// Number of dev sentences to translate and log whenever the dev loss is measured. 0 translates none.
    pub sample_sentences: usize,
    /// Number of updates between two histograms of weights and gradients; the end of training also has one. 0 records
    /// none.
    pub histogram_interval_steps: u64,
    /// Number of dev sentences whose attention weights are recorded at the end. 0 records none.
    pub attention_sentences: usize,
    /// Number of dev sentences over which each measurement of the dev loss also measures how sharp attention is, in each
    /// layer: the entropy of the weights and the share of rows that put more than 0.99 on one token
    /// (docs/tensorboard.md). 0 measures nothing.
    #[serde(skip_serializing_if = "is_default")]
    pub attention_statistics: usize,
    /// Numbers of the layers whose attention is recorded, counted from 1. Numbers that the model does not have are
    /// left out; a list of such numbers alone is refused. If absent, all layers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_layers: Option<Vec<usize>>,
    /// Numbers of the heads whose attention is recorded, counted from 1. Numbers that the model does not have are
    /// left out; a list of such numbers alone is refused. If absent, all heads.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attention_heads: Option<Vec<usize>>,
    /// Number of most frequent tokens whose embeddings are exported to TensorBoard's projector. 0 exports none.
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
            attention_statistics: 0,
            attention_layers: None,
            attention_heads: None,
            projector_tokens: 2_000,
        }
    }
}

/// The device that a trial runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = "^(auto|cpu|cuda|cuda:[0-9]+)$"))]
pub enum DeviceChoice {
    Auto,
    Cpu,
    Cuda(usize),
}

impl FromStr for DeviceChoice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
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

impl TryFrom<String> for DeviceChoice {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
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

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn values_look_as_in_toml_and_cells_without_quotes() {
        let data = json!({ "relative": 4 });
        assert_eq!(
            (value_text(&data), cell_text(&data)),
            ("{ relative = 4 }".into(), "{ relative = 4 }".into())
        );
        assert_eq!((value_text(&json!("t5")), cell_text(&json!("t5"))), ("\"t5\"".into(), "t5".into()));
        assert_eq!(cell_text(&json!({ "name": "iwslt14", "sources": [] })), "iwslt14");
        assert_eq!((value_text(&json!(0.5)), cell_text(&json!(true))), ("0.5".into(), "true".into()));
    }
}
