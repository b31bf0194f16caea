//! A corpus as a file states it: which text, how it is cleaned and split, and where it comes from.
//!
//! `experiments/recipes/*.toml`; in an experiment, `data.recipe`.

use super::Split;
use super::cleaning::Cleaning;
use super::text_form::Moses;
use crate::fetch::Download;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

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
    /// Which training pairs are left out, by their text.
    #[serde(default, skip_serializing_if = "Cleaning::is_default")]
    pub cleaning: Cleaning,
    /// Moses's text processing; absent: raw text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub moses: Option<Moses>,
    /// Where the files come from. Not a part of what the corpus is: no record, hash or comparison holds it.
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
            origin: Origin::default(),
        }
    }

    /// Whether some file of it has this format.
    pub fn has(&self, format: TextFormat) -> bool {
        let Corpus::Files(files) = &self.corpus else { return false };
        Split::ALL.into_iter().any(|split| files.files(split).iter().any(|pair| pair.format == Some(format)))
    }

    /// Whether it is text for a language model, and no pairs.
    pub fn is_running_text(&self) -> bool {
        self.has(TextFormat::Running)
    }

    /// Whether every file has an address.
    pub fn is_public(&self) -> bool {
        let Corpus::Files(files) = &self.corpus else { return false };
        let downloads = &self.origin.downloads;
        let known = |name: &str| {
            downloads.iter().any(|one| one.name.as_deref() == Some(name) || one.members.contains_key(name))
        };
        Split::ALL.into_iter().flat_map(|split| files.files(split)).all(|pair| {
            (pair.source_url.is_some() || known(&pair.source))
                && (pair.target_url.is_some() || known(&pair.target))
        })
    }
}

/// Where a corpus comes from: for people, and for `ablate prepare`.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Origin {
    /// One line about the corpus.
    pub title: String,
    /// What its authors state about its use.
    pub licence: String,
    /// What `ablate prepare` fetches, unless it is given `--source`.
    pub downloads: Vec<Download>,
}

impl PartialEq for Origin {
    /// A text is the same wherever it comes from.
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// Where a recipe's text comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Corpus {
    /// Written by this project, from a seed: no download.
    Generated(GeneratedCorpus),
    /// Parallel text files, fetched from their addresses or found in `--source DIR`.
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

/// The files of a parallel corpus.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesCorpus {
    /// Several training corpora are concatenated in order.
    pub train: Vec<FilePair>,
    /// One pair of files, or several, which are concatenated; absent if `hold_out` makes the split.
    #[serde(default, skip_serializing_if = "FilePairs::is_empty")]
    pub dev: FilePairs,
    /// As `dev`.
    #[serde(default, skip_serializing_if = "FilePairs::is_empty")]
    pub test: FilePairs,
    /// Takes dev or test out of the cleaned training text.
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

/// Which pairs of the cleaned training text become dev or test instead.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum HoldOut {
    /// By number.
    Lines(HeldOutLines),
    /// By sentence.
    Sentences(HeldOutSentences),
}

/// Every n-th pair of the cleaned text, counted from 1 over all training files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldOutLines {
    /// Pairs whose number this divides are the dev set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dev: Option<u64>,
    /// Pairs whose number this divides, and `dev` does not, are the test set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub test: Option<u64>,
}

/// All pairs of some sentences, so that no sentence of this side is in two splits. Which ones is a function of the
/// sentence and `seed`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HeldOutSentences {
    /// The side whose sentences are not to be shared.
    pub side: Side,
    /// Share of the sentences that go to the dev set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dev: f64,
    /// Share of the sentences that go to the test set.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub test: f64,
    pub seed: u64,
}

fn is_zero(share: &f64) -> bool {
    *share == 0.0
}

/// A side of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    Source,
    Target,
}

impl HoldOut {
    /// Whether it makes this split.
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

/// The two sides of one parallel text: line n of one translates line n of the other.
///
/// Names are looked for with any ending of compressed files (`.gz`, `.bz2`, `.xz`, `.zst`) and without, and in
/// the archives of the recipe's downloads.
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
    /// How the files hold their sentences. By default their names tell: `segments` for .sgm, .sgml and .xml.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub format: Option<TextFormat>,
    /// Of files with several tab-separated columns: that of the source side, from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_column: Option<usize>,
    /// As `source_column`, for the target side, which may be in the same file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_column: Option<usize>,
    /// Of WMT's XML: whose reference is the target side, where the file has several.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub translator: Option<String>,
    /// Of a training corpus: take this share of its pairs, chosen by number; absent: all.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sample: Option<f64>,
}

#[cfg(test)]
impl FilePair {
    /// Two plain text files.
    pub fn new(source: &str, target: &str) -> Self {
        FilePair {
            source: source.into(),
            target: target.into(),
            pairs: None,
            source_url: None,
            target_url: None,
            format: None,
            source_column: None,
            target_column: None,
            translator: None,
            sample: None,
        }
    }
}

/// How a file holds its sentences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// One a line.
    Lines,
    /// Between `<seg …>` and `</seg>`, as in WMT's SGML and IWSLT's XML test sets. Entities stay as they are.
    Segments,
    /// WMT's XML since 2021: `<src>` and `<ref>` of every document in one file, which is both source and target. Entities
    /// are decoded, and segments without a reference left out, as sacreBLEU does.
    WmtXml,
    /// One a line among lines of metadata, as in IWSLT's `train.tags` files: lines with `<url>`, `<talkid>` or
    /// `<keywords>` are dropped, the tags of title and description removed.
    IwsltTags,
    /// Constituency trees in Penn Treebank form, which may span lines. The source side is a tree's words, the target
    /// side the tree as a sequence (`ablate tree sequence`); both come from one file.
    Trees,
    /// Running text for a language model: the source side is empty, the target side are blocks of `data.max_length`
    /// tokens that follow each other, line ends included. All files of a recipe are, or none.
    Running,
}

/// Files that are read one after the other. In TOML a table for one, an array of tables for several.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct FilePairs(pub Vec<FilePair>);

impl FilePairs {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for FilePairs {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.0.as_slice() {
            [one] => one.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for FilePairs {
    /// Not an untagged enum, which would lose the place of a mistake.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = FilePairs;

            fn expecting(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
                f.write_str("a table with source and target, or an array of such tables")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FilePairs, A::Error> {
                let pair = FilePair::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(FilePairs(vec![pair]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<FilePairs, A::Error> {
                Vec::deserialize(de::value::SeqAccessDeserializer::new(list)).map(FilePairs)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl JsonSchema for FilePairs {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "FilePairs".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let pair = generator.subschema_for::<FilePair>();
        json_schema!({ "anyOf": [pair, { "type": "array", "items": pair, "minItems": 1 }] })
    }
}
