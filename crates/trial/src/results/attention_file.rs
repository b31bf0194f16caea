//! `attention.json` of a run directory: the attention weights of chosen heads of the scored model, on a few sentences.

use crate::error::{Error, Result};
use crate::files;
use crate::json;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// The name of the file in a run directory.
pub const ATTENTION_FILE: &str = "attention.json";
/// The format that this program writes and reads.
const VERSION: u32 = 1;

/// The attention weights on some sentences.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attention {
    version: u32,
    pub sentences: Vec<Sentence>,
}

/// A sentence and its translation, as readable tokens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sentence {
    /// The tokens of the source, with the end of sentence.
    pub source: Vec<String>,
    /// The input of the decoder: the beginning of sentence, then the translation.
    pub target: Vec<String>,
    pub maps: Vec<AttentionMap>,
}

/// The attention weights of one head.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttentionMap {
    pub kind: AttentionKind,
    /// The number of the layer, counted from 1.
    pub layer: usize,
    /// The number of the head, counted from 1.
    pub head: usize,
    /// A row for each query token, a column for each key token; rows add up to 1, except for rounding to four digits.
    pub weights: Vec<Vec<f32>>,
}

/// The kind of attention: the texts that queries and keys come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttentionKind {
    /// Queries and keys from the source.
    Encoder,
    /// Queries and keys from the target.
    Decoder,
    /// Queries from the target, keys from the source.
    Cross,
}

impl Attention {
    pub fn new(sentences: Vec<Sentence>) -> Attention {
        Attention { version: VERSION, sentences }
    }

    /// Writes `attention.json` into the run directory, atomically.
    pub fn save(&self, run_dir: &Path) -> Result<()> {
        let text = json::line(self)? + "\n";
        files::write_atomically(&run_dir.join(ATTENTION_FILE), text.as_bytes())
    }

    /// Reads the attention of a run directory; `None` if the run kept none.
    ///
    /// # Errors
    /// If the file exists but is not of this version, or its matrices do not fit its sentences.
    pub fn load(run_dir: &Path) -> Result<Option<Attention>> {
        let path = run_dir.join(ATTENTION_FILE);
        let Some(bytes) = files::read_if_exists(&path)? else { return Ok(None) };
        let damaged = |why: String| {
            Error::failed(format!("{} cannot be used ({why}); remove it to go on without", path.display()))
        };
        let attention: Attention =
            serde_json::from_slice(&bytes).map_err(|error| damaged(error.to_string()))?;
        if attention.version != VERSION {
            return Err(damaged(format!("its version is {}, expected {VERSION}", attention.version)));
        }
        for (index, sentence) in attention.sentences.iter().enumerate() {
            for map in &sentence.maps {
                let (rows, columns) = map.kind.tokens(sentence);
                let fits = map.weights.len() == rows.len()
                    && map.weights.iter().all(|row| {
                        row.len() == columns.len() && row.iter().all(|weight| (0.0..=1.0).contains(weight))
                    });
                if !fits || rows.is_empty() || columns.is_empty() {
                    let AttentionMap { kind, layer, head, .. } = map;
                    let place = format!("sentence {index}, {kind:?}, layer {layer}, head {head}");
                    return Err(damaged(format!("{place}: the matrix does not fit the tokens")));
                }
            }
        }
        Ok(Some(attention))
    }
}

/// The kept heads of a layer, which have the same queries and keys.
#[derive(Debug, Clone)]
pub struct Layer<'a> {
    pub kind: AttentionKind,
    /// The number of the layer, counted from 1.
    pub layer: usize,
    /// The heads; at least one.
    pub heads: Vec<&'a AttentionMap>,
}

impl Sentence {
    /// The maps layer by layer.
    pub fn layers(&self) -> Vec<Layer<'_>> {
        let of = |maps: &[AttentionMap]| (maps[0].kind, maps[0].layer);
        let runs = self.maps.chunk_by(|a, b| (a.kind, a.layer) == (b.kind, b.layer));
        let layer = |maps| {
            let (kind, layer) = of(maps);
            Layer { kind, layer, heads: maps.iter().collect() }
        };
        runs.map(layer).collect()
    }
}

impl AttentionKind {
    /// Returns the paper's name for this kind of attention (§3.2.3).
    pub fn name(self) -> &'static str {
        match self {
            AttentionKind::Encoder => "encoder",
            AttentionKind::Decoder => "decoder",
            AttentionKind::Cross => "encoder-decoder",
        }
    }

    /// Returns the labels of a matrix's rows and columns. Without a source, as for a language model, there is one text.
    pub fn axes(self, sentence: &Sentence) -> (&'static str, &'static str) {
        match self {
            AttentionKind::Encoder => ("query (source)", "key (source)"),
            AttentionKind::Decoder if sentence.source.is_empty() => ("query (text)", "key (text)"),
            AttentionKind::Decoder => ("query (translation)", "key (translation)"),
            AttentionKind::Cross => ("query (translation)", "key (source)"),
        }
    }

    /// The tokens of a matrix's rows and columns.
    pub fn tokens(self, sentence: &Sentence) -> (&[String], &[String]) {
        match self {
            AttentionKind::Encoder => (&sentence.source, &sentence.source),
            AttentionKind::Decoder => (&sentence.target, &sentence.target),
            AttentionKind::Cross => (&sentence.target, &sentence.source),
        }
    }
}

impl AttentionMap {
    /// A head's weights, rounded to the four digits that the file keeps.
    pub fn new(kind: AttentionKind, layer: usize, head: usize, weights: &[Vec<f32>]) -> AttentionMap {
        let rounded = |row: &Vec<f32>| row.iter().copied().map(four_digits).collect();
        AttentionMap { kind, layer, head, weights: weights.iter().map(rounded).collect() }
    }
}

/// Rounds a number to four digits after the point.
pub fn four_digits(number: f32) -> f32 {
    (number * 1e4).round() / 1e4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> Attention {
        let tokens = |words: &str| words.split(' ').map(String::from).collect();
        let weights = [vec![0.333333, 0.66667], vec![1.0, 0.0], vec![0.5, 0.5]];
        let maps = vec![AttentionMap::new(AttentionKind::Cross, 1, 2, &weights)];
        Attention::new(vec![Sentence {
            source: tokens("dogs </s>"),
            target: tokens("<s> Hunde laufen"),
            maps,
        }])
    }

    #[test]
    fn attention_comes_back_rounded() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Attention::load(folder.path()).unwrap(), None);
        example().save(folder.path()).unwrap();
        let found = Attention::load(folder.path()).unwrap().unwrap();
        assert_eq!(found, example());
        assert_eq!(found.sentences[0].maps[0].weights[0], [0.3333, 0.6667]);
    }

    #[test]
    fn a_text_without_a_source_is_no_translation() {
        let mut sentence = example().sentences.remove(0);
        assert_eq!(AttentionKind::Decoder.axes(&sentence), ("query (translation)", "key (translation)"));
        sentence.source.clear();
        assert_eq!(AttentionKind::Decoder.axes(&sentence), ("query (text)", "key (text)"));
    }

    #[test]
    fn a_matrix_that_does_not_fit_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |change: &dyn Fn(&mut Attention)| {
            let mut attention = example();
            change(&mut attention);
            attention.save(folder.path()).unwrap();
            Attention::load(folder.path()).unwrap_err().to_string()
        };
        let error = refused(&|attention| attention.sentences[0].source.push("x".into()));
        assert!(
            error.contains("sentence 0, Cross, layer 1, head 2") && error.contains("attention.json"),
            "{error}"
        );
        refused(&|attention| attention.sentences[0].maps[0].weights[0][0] = -0.1);
        refused(&|attention| _ = attention.sentences[0].maps[0].weights.pop());
        assert!(refused(&|attention| attention.version = 9).contains("expected 1"));
    }
}
