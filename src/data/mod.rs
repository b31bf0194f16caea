//! From raw text to batches of token ids: recipes, cleaning, joint BPE, the token store.
//!
//! Configuration section `[data]`. Formats: `docs/architecture.md`, Data.

pub mod batch;
pub mod bpe;
pub mod collate;
pub mod corpus;
pub mod parallel;
pub mod pieces;
pub mod prepare;
pub mod prepared;
pub mod staging;
pub mod store;
pub mod synthetic;
pub mod tokenizer;

pub use prepare::{open, open_if_prepared, prepare};
pub use prepared::{ParallelText, Prepared};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The `[data]` section: which text, and how it becomes tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// Where the text comes from. In an experiment file this may be the path of a recipe
    /// file, relative to the file that names it; the loader puts the recipe in its place.
    #[schemars(schema_with = "recipe_or_path")]
    pub recipe: Recipe,
    /// Lower-case every side of every split before anything else.
    #[serde(default = "defaults::lowercase")]
    pub lowercase: bool,
    /// Joint BPE merges, learned on the training pairs only (paper §5.1: a shared vocabulary of about 37,000).
    #[serde(default = "defaults::merges")]
    pub merges: usize,
    /// Training pairs with more BPE tokens than this on a side are dropped.
    #[serde(default = "defaults::max_length")]
    pub max_length: usize,
    /// Training pairs whose sides differ in tokens by more than this factor are dropped.
    #[serde(default = "defaults::max_length_ratio")]
    pub max_length_ratio: f64,
}

/// What a file may state as `recipe`.
fn recipe_or_path(generator: &mut SchemaGenerator) -> Schema {
    let path = json_schema!({ "description": "Path of a recipe file.", "type": "string" });
    json_schema!({ "anyOf": [path, generator.subschema_for::<Recipe>()] })
}

/// The defaults, once. A `Default` impl would need a recipe, and there is none to assume.
mod defaults {
    pub fn lowercase() -> bool {
        false
    }

    pub fn merges() -> usize {
        37_000
    }

    /// As in the paper's released code (tensor2tensor).
    pub fn max_length() -> usize {
        256
    }

    /// As in Moses' `clean-corpus-n`.
    pub fn max_length_ratio() -> f64 {
        9.0
    }
}

/// A corpus: `experiments/recipes/*.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Short name, part of the data directory's name.
    pub name: String,
    /// ISO 639-1 code of the source language.
    pub source_language: String,
    /// ISO 639-1 code of the target language.
    pub target_language: String,
    pub corpus: Corpus,
}

/// Where a recipe's text comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "there is one in a process")]
pub enum Corpus {
    /// Written by this project, from a seed: no download.
    Generated(GeneratedCorpus),
    /// Parallel text files, one sentence a line, plain or gzip, found in `--source DIR`.
    Files(FilesCorpus),
}

/// Sizes of the generated corpus, in sentence pairs. The splits share no source sentence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GeneratedCorpus {
    pub train: usize,
    pub dev: usize,
    pub test: usize,
    pub seed: u64,
}

/// File names of a parallel corpus, relative to the source directory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesCorpus {
    /// Several training corpora are concatenated in order.
    pub train: Vec<FilePair>,
    pub dev: FilePair,
    pub test: FilePair,
}

/// The two sides of one parallel text: line n of one translates line n of the other.
/// A name that ends in `.gz` is also looked for without it, and the other way round.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilePair {
    pub source: String,
    pub target: String,
    /// Number of lines, checked when stated.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs: Option<usize>,
    /// Public address of each side, for people and for the downloader.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_url: Option<String>,
}

/// Part of a corpus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Split {
    Train,
    Dev,
    Test,
}

impl Split {
    pub const ALL: [Split; 3] = [Split::Train, Split::Dev, Split::Test];

    pub fn name(self) -> &'static str {
        match self {
            Split::Train => "train",
            Split::Dev => "dev",
            Split::Test => "test",
        }
    }
}
