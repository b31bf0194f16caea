//! Pictures of a trained model, drawn from the files in its run directory.

use crate::error::Result;
use crate::figures::{Heatmaps, Image, Matrix, Png, Svg, heatmaps, image};
use crate::results::attention_file::{Attention, AttentionMap, Layer, Sentence};
use crate::results::positions_file::Positions;
use std::path::Path;

/// First part of the tags of pictures: TensorBoard orders cards by tag, and scalars (`best/…` to `train/…`) come before.
const GROUP: &str = "view:";

/// The pictures of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Pictures {
    /// The pictures with their tags.
    pub drawn: Vec<(String, Png)>,
    /// The reasons why others could not be drawn, such as their size; the numbers are in the run directory.
    pub left_out: Vec<String>,
}

impl Pictures {
    fn add(&mut self, tag: String, picture: &Svg) {
        match picture.to_png(1.0) {
            Ok(png) => self.drawn.push((tag, png)),
            Err(error) => self.left_out.push(error.to_string()),
        }
    }
}

/// Draws all pictures of a run.
pub fn pictures(run_dir: &Path) -> Result<Pictures> {
    let mut pictures = Pictures::default();
    if let Some(attention) = Attention::load(run_dir)? {
        let several = attention.sentences.len() > 1;
        for (number, sentence) in (1..).zip(&attention.sentences) {
            for layer in sentence.layers() {
                let mut tag = format!("{GROUP} {} attention/layer {}", layer.kind.name(), layer.layer);
                if several {
                    tag += &format!(" sentence {number}");
                }
                if let Some(drawn) = heads(sentence, &layer) {
                    pictures.add(tag, &drawn);
                }
            }
        }
    }
    if let Some(positions) = Positions::load(run_dir)
        && let Some(vectors) = Matrix::of_rows(&positions.vectors)
    {
        let largest = positions.vectors.iter().flatten().fold(0.0f32, |most, number| most.max(number.abs()));
        let encodings = Image {
            title: "position encodings",
            rows: "position",
            columns: "channel",
            values: &vectors,
            range: (-largest, largest),
        };
        pictures.add(format!("{GROUP} positions/encodings"), &image(&encodings));
        let similarity: Vec<Vec<f32>> = positions
            .similarity()
            .iter()
            .map(|row| row.iter().map(|&cosine| cosine as f32).collect())
            .collect();
        if let Some(values) = Matrix::of_rows(&similarity) {
            let similarity = Image {
                title: "cosine similarity of position encodings",
                rows: "position",
                columns: "position",
                values: &values,
                range: (-1.0, 1.0),
            };
            pictures.add(format!("{GROUP} positions/similarity"), &image(&similarity));
        }
    }
    Ok(pictures)
}

/// The heads of a layer side by side, with the tokens at their sides; `None` if the weights of a head are no matrix.
pub fn heads(sentence: &Sentence, layer: &Layer) -> Option<Svg> {
    let map = |map: &&AttentionMap| Some((format!("head {}", map.head), Matrix::of_rows(&map.weights)?));
    let maps: Vec<(String, Matrix)> = layer.heads.iter().map(map).collect::<Option<_>>()?;
    let (rows, columns) = layer.kind.tokens(sentence);
    let (query, key) = layer.kind.axes(sentence);
    Some(heatmaps(&Heatmaps {
        title: &format!("{} attention, layer {}", layer.kind.name(), layer.layer),
        rows: (query, rows),
        columns: (key, columns),
        maps: &maps,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::attention_file::AttentionKind;

    #[test]
    fn a_picture_that_is_too_large_is_left_out() {
        let mut pictures = Pictures::default();
        pictures.add("large".into(), &Svg::new(20_000.0, 20_000.0, "large"));
        pictures.add("small".into(), &Svg::new(2.0, 2.0, "small"));
        assert_eq!(pictures.drawn.iter().map(|(tag, _)| tag.as_str()).collect::<Vec<_>>(), ["small"]);
        assert!(pictures.left_out.len() == 1 && pictures.left_out[0].contains("too many"), "{pictures:?}");
    }

    #[test]
    fn a_layer_is_one_picture_of_all_its_heads_and_pictures_stand_behind_scalars() {
        let tokens = |words: &str| words.split(' ').map(String::from).collect::<Vec<_>>();
        let map = |kind, layer, head| {
            let rows = if kind == AttentionKind::Encoder { 2 } else { 3 };
            AttentionMap::new(kind, layer, head, &vec![vec![0.5, 0.5]; rows])
        };
        let (encoder, cross) = (AttentionKind::Encoder, AttentionKind::Cross);
        let maps = vec![map(encoder, 1, 1), map(encoder, 1, 2), map(encoder, 2, 2), map(cross, 1, 1)];
        let sentence = Sentence { source: tokens("dogs </s>"), target: tokens("<s> Hunde laufen"), maps };
        let text = heads(&sentence, &sentence.layers()[0]).unwrap().inline();
        for words in
            ["encoder attention, layer 1", "head 1", "head 2", "rows: query (source); columns: key (source)"]
        {
            assert_eq!(text.matches(&format!(">{words}<")).count(), 1, "{words}");
        }
        let folder = tempfile::tempdir().unwrap();
        Attention::new(vec![sentence]).save(folder.path()).unwrap();
        let Pictures { drawn, left_out } = pictures(folder.path()).unwrap();
        assert_eq!(left_out, Vec::<String>::new());
        let tags: Vec<String> = drawn.into_iter().map(|(tag, _)| tag).collect();
        let expected =
            ["encoder attention/layer 1", "encoder attention/layer 2", "encoder-decoder attention/layer 1"];
        assert_eq!(tags, expected.map(|tag| format!("view: {tag}")));
        assert!(tags.iter().all(|tag| tag.as_str() > "train/loss"));
    }
}
