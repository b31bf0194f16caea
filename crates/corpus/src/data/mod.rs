//! From raw text to batches of token ids: recipes, cleaning, joint BPE, the token store.
//!
//! Configuration section `[data]`. Formats: `docs/architecture.md`, Data.

pub mod batch;
pub mod blocks;
pub mod bpe;
pub mod bpe_tokenizer;
pub mod characters;
pub mod cleaning;
pub mod cleaning_counts;
pub mod corpus;
pub mod encode;
pub mod file_pair;
pub mod inputs;
pub mod lines;
pub mod masking;
pub mod opening;
pub mod packing;
pub mod parallel;
pub mod pieces;
pub mod prepare;
pub mod prepared;
pub mod reading;
pub mod recipe;
pub mod sentences;
mod staged_lines;
pub mod staging;
pub mod store;
pub mod text_form;
pub mod text_pairs;
pub mod text_stage;
pub mod tokenizer;
mod tokenizer_json;
pub mod tokenizers;
mod wmt_xml;
pub mod words;

pub use ablate_base::split::Split;
pub use ablate_grammar::GeneratedCorpus;
pub use opening::open_if_prepared;
pub use prepare::{open, prepare};
pub use prepared::{ParallelText, Prepared};
pub use recipe::{Corpus, FilePair, FilePairs, FilesCorpus, HoldOut, Recipe};

use crate::left_out::is_default;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The `[data]` section: the text and how it is turned into tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DataConfig {
    /// The corpus. An experiment file may give the path of a recipe file, relative to the experiment file; the recipe
    /// is then read from there.
    #[schemars(schema_with = "recipe_or_path")]
    pub recipe: Recipe,
    /// If true, all text is lower-cased, after Moses's rules and before the steps that count or compare words.
    #[serde(default = "defaults::lowercase")]
    pub lowercase: bool,
    /// Unit of text that a token stands for; `bpe` if absent.
    #[serde(default, skip_serializing_if = "is_default")]
    pub pieces: Pieces,
    /// Number of BPE merges, learned on the training pairs only. The paper has a shared vocabulary of about 37,000
    /// tokens (§5.1).
    #[serde(default = "defaults::merges")]
    pub merges: usize,
    /// Probability that a merge is left out where the training text is cut into tokens (BPE-dropout, Provilkov et al. 2020;
    /// 0.1 in their translations). Dev and test sets, and whatever is translated, are cut with all merges. 0 leaves none out.
    #[serde(default, skip_serializing_if = "is_default")]
    pub bpe_dropout: f64,
    /// Number of segmentations of the training text that are drawn with `bpe_dropout`. An epoch of the training reads all of
    /// them; a side of a pair that would have more than `max_length` tokens keeps its usual ones.
    #[serde(default = "defaults::segmentations", skip_serializing_if = "defaults::is_segmentations")]
    #[schemars(extend("default" = defaults::segmentations()))]
    pub segmentations: usize,
    /// Whether both sides share one BPE vocabulary or each has its own.
    #[serde(default, skip_serializing_if = "is_default")]
    pub vocabulary: Vocabulary,
    /// Training pairs with more tokens than this on either side are dropped. For running text, the number of tokens
    /// of a block.
    #[serde(default = "defaults::max_length")]
    pub max_length: usize,
    /// Training pairs with more tokens than this on either side are prepared, but left out of the training: a model
    /// that has seen short sentences alone shows how it extrapolates to longer ones (`decoding.length_buckets`). The
    /// vocabulary and the dev and test sets stay as they are. If absent, no pair is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_train_length: Option<usize>,
    /// Training pairs whose numbers of tokens differ by more than this factor are dropped.
    #[serde(default = "defaults::max_length_ratio")]
    pub max_length_ratio: f64,
}

impl DataConfig {
    /// A corpus with the defaults.
    pub fn new(recipe: Recipe) -> Self {
        DataConfig {
            recipe,
            lowercase: defaults::lowercase(),
            pieces: Pieces::default(),
            merges: defaults::merges(),
            bpe_dropout: 0.0,
            segmentations: defaults::segmentations(),
            vocabulary: Vocabulary::default(),
            max_length: defaults::max_length(),
            max_train_length: None,
            max_length_ratio: defaults::max_length_ratio(),
        }
    }

    /// Returns the same configuration with every key that is not read at its default.
    pub fn without_unread(&self) -> Self {
        let mut read = self.clone();
        if self.pieces == Pieces::Characters {
            (read.merges, read.bpe_dropout) = (defaults::merges(), 0.0);
        }
        if read.bpe_dropout == 0.0 {
            read.segmentations = defaults::segmentations();
        }
        read
    }

    /// Returns the segmentations of the training text: one, or with dropout as many as the configuration states.
    pub fn train_segmentations(&self) -> Vec<Segmentation> {
        let dropout = self.bpe_dropout;
        // A line of running text has no limit: blocks take it apart.
        let longest = if self.recipe.is_running_text() { usize::MAX } else { self.max_length };
        match dropout == 0.0 {
            true => vec![Segmentation::Usual],
            false => (0..self.segmentations as u64)
                .map(|number| Segmentation::Drawn { dropout, number, longest })
                .collect(),
        }
    }

    /// Returns `max_train_length` if it leaves any pair out, i.e. if it is below `max_length`.
    pub fn limit_of_training(&self) -> Option<usize> {
        self.max_train_length.filter(|&limit| limit < self.max_length)
    }

    /// Returns the largest number of tokens per side of a training pair.
    pub fn longest_trained(&self) -> usize {
        self.limit_of_training().unwrap_or(self.max_length)
    }
}

/// Choice of the merges that cut a line into tokens.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Segmentation {
    /// All merges.
    Usual,
    /// Each possible merge is left out with probability `dropout`; all are made if a line would exceed `longest` tokens.
    Drawn { dropout: f64, number: u64, longest: usize },
}

/// Unit of text that a token stands for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
// Recipes have this key, too, and their schema has none of these definitions.
#[schemars(inline)]
pub enum Pieces {
    /// A frequent sequence of bytes: byte-level BPE with `merges` merges (Sennrich et al. 2016).
    #[default]
    Bpe,
    /// A character of the training text; every other character is one token, `<unk>`. Keys that count tokens count
    /// characters then.
    Characters,
}

/// Whether both sides share one BPE vocabulary or each has its own.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
// Recipes have this key, too, and their schema has none of these definitions.
#[schemars(inline)]
pub enum Vocabulary {
    /// One vocabulary for both sides: merges are learned on both sides together (paper §5.1).
    #[default]
    Shared,
    /// A vocabulary for each side: `merges` merges are learned on each side alone. The source embedding can then not be
    /// shared with the target embedding (`model.tying`).
    Separate,
}

/// Returns the schema of the key `recipe`: a recipe, or the path of its file.
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

    pub fn segmentations() -> usize {
        8
    }

    pub fn is_segmentations(number: &usize) -> bool {
        *number == segmentations()
    }

    /// The value in the paper's released code (tensor2tensor).
    pub fn max_length() -> usize {
        256
    }

    /// The value in Moses's `clean-corpus-n`.
    pub fn max_length_ratio() -> f64 {
        9.0
    }
}

/// Fixtures shared by the tests of several files.
#[cfg(test)]
mod fixtures {
    use super::{Corpus, DataConfig, FilePair, Recipe};

    /// A small vocabulary on `corpus`, lower-cased.
    pub fn config(corpus: Corpus) -> DataConfig {
        let recipe = Recipe::new("tiny", "en", "de", corpus);
        DataConfig {
            lowercase: true,
            merges: 50,
            max_length: 60,
            max_length_ratio: 3.0,
            ..DataConfig::new(recipe)
        }
    }

    /// The files `name.en` and `name.de`.
    pub fn pair(name: &str) -> FilePair {
        FilePair::new(&format!("{name}.en"), &format!("{name}.de"))
    }
}
