//! The text files of a corpus, as its recipe states them.

use crate::fetch;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The two files of one parallel text: line n of one file translates line n of the other.
///
/// A file may be compressed, with the ending `.gz`, `.bz2`, `.xz` or `.zst` after its name, and may be a member of an
/// archive that the recipe downloads.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FilePair {
    /// Name of the file of the source side.
    pub source: String,
    /// Name of the file of the target side.
    pub target: String,
    /// Number of lines. If it is given, preparation checks it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub pairs: Option<usize>,
    /// Public address of the source file, from which it is downloaded.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "fetch::serialize_public_option",
        default
    )]
    pub source_url: Option<String>,
    /// Public address of the target file, from which it is downloaded.
    #[serde(
        skip_serializing_if = "Option::is_none",
        serialize_with = "fetch::serialize_public_option",
        default
    )]
    pub target_url: Option<String>,
    /// Format of the files. If absent, `segments` for .sgm, .sgml and .xml files and `lines` for others.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub format: Option<TextFormat>,
    /// For files with tab-separated columns: number of the column of the source side, counted from 1.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source_column: Option<usize>,
    /// For files with tab-separated columns: number of the column of the target side, which may be in the same file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub target_column: Option<usize>,
    /// For WMT's XML: name of the translator whose reference is the target side, if the file has several references.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub translator: Option<String>,
    /// For training files: share of the pairs to use, chosen by their number. If absent, all pairs are used.
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

/// Format of a text file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TextFormat {
    /// One sentence per line.
    Lines,
    /// Sentences between `<seg …>` and `</seg>`, as in WMT's SGML and IWSLT's XML test sets. Entities are not decoded.
    Segments,
    /// WMT's XML since 2021: one file, which is both source and target, has `<src>` and `<ref>` of every document.
    /// Entities are decoded and segments without a reference are left out, as sacreBLEU does.
    WmtXml,
    /// One sentence per line between lines of metadata, as in IWSLT's `train.tags` files: lines with `<url>`,
    /// `<talkid>` or `<keywords>` are dropped, and the tags of title and description are removed.
    IwsltTags,
    /// Constituency trees in Penn Treebank form, which may span several lines, for a parser. The source side is the words
    /// of a tree, the target side the tree as a sequence (`[trees]`, `ablate tree sequence`); both come from
    /// one file. Either all files of a recipe have this format or none.
    Trees,
    /// Running text for a language model: the source side is empty, and the target side is consecutive blocks of
    /// `data.max_length` tokens, including the ends of lines. Either all files of a recipe have this format or none.
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
    /// Written by hand, because an untagged enum would lose the place of a mistake.
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
