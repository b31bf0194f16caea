//! A corpus as a file states it: which text, how it is cleaned and split, and where it comes from.
//!
//! `experiments/recipes/*.toml`; in an experiment, `data.recipe`.

pub use super::file_pair::{FilePair, FilePairs, TextFormat};
use super::{GeneratedCorpus, Split};
use crate::constituency_tree::LeafForm;
use crate::fetch::Download;
use crate::left_out::is_default;
use crate::moses::{Normalization, TokenizeOptions};
use crate::sequence::distinct;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A corpus, as in `experiments/recipes/*.toml`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recipe {
    /// Short name of the corpus. The name of the prepared directory begins with it.
    pub name: String,
    /// ISO 639-1 code of the source language.
    pub source_language: String,
    /// ISO 639-1 code of the target language.
    pub target_language: String,
    /// The text: generated, or read from files.
    pub corpus: Corpus,
    /// Rules that drop training pairs because of their text.
    #[serde(default, skip_serializing_if = "is_default")]
    pub cleaning: Cleaning,
    /// Moses's text processing. If absent, the text is used as it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moses: Option<Moses>,
    /// How a parser writes trees, if the files are trees.
    #[serde(default, skip_serializing_if = "is_default")]
    pub trees: Trees,
    /// Where the files come from. It is not part of the corpus: records and hashes do not contain it.
    #[serde(default, skip_serializing)]
    pub origin: Origin,
}

impl Recipe {
    /// A corpus of raw text, nothing cleaned.
    pub fn new(name: &str, source_language: &str, target_language: &str, corpus: Corpus) -> Self {
        Recipe {
            name: name.into(),
            source_language: source_language.into(),
            target_language: target_language.into(),
            corpus,
            cleaning: Cleaning::default(),
            moses: None,
            trees: Trees::default(),
            origin: Origin::default(),
        }
    }

    /// Whether any file of the corpus has this format.
    pub fn has(&self, format: TextFormat) -> bool {
        let Corpus::Files(files) = &self.corpus else { return false };
        Split::ALL.into_iter().any(|split| files.files(split).iter().any(|pair| pair.format == Some(format)))
    }

    /// Returns the form of words in the sequences that a parser learns to write; `None` if the files are not trees.
    pub fn tree_leaves(&self) -> Option<LeafForm> {
        let leaves = if self.trees.tags { LeafForm::Tag } else { LeafForm::Word };
        self.has(TextFormat::Trees).then_some(leaves)
    }

    /// Whether the corpus is running text for a language model, without pairs.
    pub fn is_running_text(&self) -> bool {
        self.has(TextFormat::Running)
    }

    /// Returns the names of the corpus's files, each once, in order.
    pub fn file_names(&self) -> Vec<&str> {
        distinct(self.file_pairs().flat_map(|pair| [pair.source.as_str(), &pair.target]))
    }

    /// Returns the download that contains the file called `name`, whole or as a member of an archive.
    pub fn download(&self, name: &str) -> Option<&Download> {
        let downloads = &self.origin.downloads;
        downloads.iter().find(|one| one.name.as_deref() == Some(name) || one.members.contains_key(name))
    }

    /// Returns the address that a pair of files states for the file called `name`, which may be both sides of it.
    pub fn address(&self, name: &str) -> Option<&str> {
        self.file_pairs().find_map(|pair| {
            let of_source = pair.source_url.as_deref().filter(|_| pair.source == name);
            of_source.or_else(|| pair.target_url.as_deref().filter(|_| pair.target == name))
        })
    }

    fn file_pairs(&self) -> impl Iterator<Item = &FilePair> {
        let files = match &self.corpus {
            Corpus::Files(files) => Some(files),
            Corpus::Generated(_) => None,
        };
        Split::ALL.into_iter().flat_map(move |split| files.map_or(&[][..], |files| files.files(split)))
    }

    /// Whether every file has an address.
    pub fn is_public(&self) -> bool {
        let names = self.file_names();
        let is_known = |name: &&str| self.download(name).is_some() || self.address(name).is_some();
        !names.is_empty() && names.iter().all(is_known)
    }
}

/// The `[cleaning]` section of a recipe: rules that drop training pairs. Every rule is off unless it is set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Cleaning {
    /// Drop pairs with a side that is not valid UTF-8. Otherwise a file that contains such a line is refused.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_not_utf8: bool,
    /// Treatment of control characters (Unicode's category C, which includes tabs and soft hyphens).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub control_characters: Option<ControlCharacters>,
    /// Drop pairs with a side of more characters than this. If absent, a line of more than a megabyte is refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_characters: Option<usize>,
    /// Drop pairs with a side of fewer words than this. Words are separated by spaces, after Moses's tokeniser if it
    /// runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_words: Option<usize>,
    /// Drop pairs with a side of more words than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_words: Option<usize>,
    /// Drop pairs with a word of more characters than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_word_characters: Option<usize>,
    /// Drop pairs whose numbers of words differ by more than this factor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_word_ratio: Option<f64>,
    /// Drop pairs whose sides are the same text.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_identical: bool,
    /// Drop training pairs that are also in the dev or the test set, wholly or by one side.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drop_overlap: Option<Overlap>,
    /// Drop pairs that repeat an earlier pair.
    #[serde(skip_serializing_if = "is_default")]
    pub drop_duplicates: bool,
}

/// Treatment of control characters in training pairs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ControlCharacters {
    /// Replace each by a space.
    Blank,
    /// Drop the pair.
    Drop,
}

/// Which part of a training pair must not be in the dev or the test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// The pair: both sides equal those of one dev or test pair.
    Pair,
    /// The source side.
    Source,
    /// The target side.
    Target,
    /// The source side or the target side.
    Either,
}

/// The `[trees]` section of a recipe: the sequences that a parser learns to write.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Trees {
    /// Whether a sequence has the tag of each word, so that the parser predicts it, as in the paper's released code. If
    /// false, it has `XX` for every word, as in Vinyals et al. (2015), and parses have the tags of the reference.
    pub tags: bool,
}

/// Moses's text processing of both sides of every split, before lower-casing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Moses {
    /// Whether and how to normalise punctuation first.
    pub normalize: Normalization,
    /// Whether to separate words and punctuation by spaces.
    pub tokenize: bool,
    /// Whether a hyphen between letters or digits becomes a token of its own, `@-@` (Moses's `-a`).
    pub split_hyphens: bool,
    /// Whether to write characters that are special to Moses as entities, such as `&apos;`.
    pub escape: bool,
}

impl Default for Moses {
    /// The defaults of Moses's tokeniser, without other processing.
    fn default() -> Self {
        let TokenizeOptions { split_hyphens, escape } = TokenizeOptions::default();
        Moses { normalize: Normalization::None, tokenize: true, split_hyphens, escape }
    }
}

/// Where the files of a corpus come from, and under which licence.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// A line that describes the corpus.
    pub title: String,
    /// Licence of the corpus, as its authors state it.
    pub licence: String,
    /// Files that `ablate prepare` downloads unless `--source` is given.
    pub downloads: Vec<Download>,
}

impl PartialEq for Origin {
    /// Always equal: the origin does not change the text.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// The text of a recipe: generated, or read from files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corpus {
    /// A corpus that this program generates from a seed, without a download.
    Generated(GeneratedCorpus),
    /// Parallel text files, which are downloaded or found in `--source DIR`.
    Files(FilesCorpus),
}

/// The files of a parallel corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesCorpus {
    /// Files of the training set. Several pairs of files are concatenated in this order.
    pub train: Vec<FilePair>,
    /// Files of the dev set: one pair of files, or several, which are concatenated. Absent if `hold_out` makes the dev
    /// set.
    #[serde(default, skip_serializing_if = "FilePairs::is_empty")]
    pub dev: FilePairs,
    /// Files of the test set: one pair of files, or several, which are concatenated. Absent if `hold_out` makes the
    /// test set.
    #[serde(default, skip_serializing_if = "FilePairs::is_empty")]
    pub test: FilePairs,
    /// Moves pairs of the cleaned training text to the dev or the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_out: Option<HoldOut>,
}

impl FilesCorpus {
    /// The files of a split; none if it is held out of the training text.
    pub fn files(&self, split: Split) -> &[FilePair] {
        match split {
            Split::Train => &self.train,
            Split::Dev => &self.dev.0,
            Split::Test => &self.test.0,
        }
    }
}

/// Which pairs of the cleaned training text move to the dev or the test set.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldOut {
    /// Choose pairs by their number.
    Lines(HeldOutLines),
    /// Choose sentences, with all of their pairs.
    Sentences(HeldOutSentences),
}

/// Moves every n-th pair of the cleaned text, counted from 1 over all training files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldOutLines {
    /// Pairs whose number is a multiple of this go to the dev set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<u64>,
    /// Pairs whose number is a multiple of this, and not of `dev`, go to the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<u64>,
}

/// Moves all pairs of some sentences, so that no sentence of `side` is in two splits. The choice is a function of the
/// sentence and `seed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldOutSentences {
    /// The side whose sentences must not be in two splits.
    pub side: Side,
    /// Share of the sentences that go to the dev set, from 0 to 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub dev: f64,
    /// Share of the sentences that go to the test set, from 0 to 1.
    #[serde(default, skip_serializing_if = "is_default")]
    pub test: f64,
    /// Seed of the choice.
    pub seed: u64,
}

/// One side of a sentence pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Source,
    Target,
}

impl HoldOut {
    /// Whether pairs are held out for this split.
    pub fn makes(&self, split: Split) -> bool {
        match (self, split) {
            (_, Split::Train) => false,
            (HoldOut::Lines(lines), Split::Dev) => lines.dev.is_some(),
            (HoldOut::Lines(lines), Split::Test) => lines.test.is_some(),
            (HoldOut::Sentences(shares), Split::Dev) => shares.dev > 0.0,
            (HoldOut::Sentences(shares), Split::Test) => shares.test > 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_file_of_both_sides_may_stand_on_either() {
        let mut train = FilePair::new("a.tsv", "a.tsv");
        let dev = FilePairs(vec![FilePair::new("a.tsv", "a.tsv")]);
        let recipe = |train: &FilePair| {
            let files = FilesCorpus {
                train: vec![train.clone()],
                dev: dev.clone(),
                test: dev.clone(),
                hold_out: None,
            };
            Recipe::new("r", "en", "de", Corpus::Files(files))
        };
        assert_eq!((recipe(&train).address("a.tsv"), recipe(&train).is_public()), (None, false));
        train.target_url = Some("http://h/a.tsv".into());
        let found = recipe(&train);
        assert_eq!((found.address("a.tsv"), found.is_public()), (Some("http://h/a.tsv"), true));
        assert_eq!((found.address("b.tsv"), found.file_names()), (None, vec!["a.tsv"]));
    }
}
