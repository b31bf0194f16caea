//! Pictures of a trained model, drawn from what its run directory holds.

use crate::error::Result;
use crate::figures::{Heatmap, Image, Matrix, Png, heatmap, image};
use crate::results::attention_file::{Attention, AttentionKind, AttentionMap, Sentence};
use crate::results::positions_file::Positions;
use std::path::Path;

/// Every picture with its tag.
pub fn pictures(run_dir: &Path) -> Result<Vec<(String, Png)>> {
    let mut pictures = Vec::new();
    if let Some(attention) = Attention::load(run_dir)? {
        let several = attention.sentences.len() > 1;
        for (number, sentence) in (1..).zip(&attention.sentences) {
            for map in &sentence.maps {
                let AttentionMap { kind, layer, head, .. } = map;
                let mut tag = format!("attention {}/layer {layer} head {head}", name(*kind));
                if several {
                    tag += &format!(" sentence {number}");
                }
                pictures.extend(draw(sentence, map)?.map(|picture| (tag, picture)));
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
        pictures.push(("positions/encodings".to_string(), image(&encodings).to_png(1.0)?));
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
            pictures.push(("positions/similarity".to_string(), image(&similarity).to_png(1.0)?));
        }
    }
    Ok(pictures)
}

/// One head's map, with the tokens at its sides.
fn draw(sentence: &Sentence, map: &AttentionMap) -> Result<Option<Png>> {
    let Some(values) = Matrix::of_rows(&map.weights) else { return Ok(None) };
    let (rows, columns) = map.kind.tokens(sentence);
    let (who, whom) = match map.kind {
        AttentionKind::Encoder => ("source", "source"),
        AttentionKind::Decoder => ("translation", "translation"),
        AttentionKind::Cross => ("translation", "source"),
    };
    let title = format!("{}, layer {}, head {}", name(map.kind), map.layer, map.head);
    heatmap(&Heatmap {
        title: &title,
        rows: (&format!("{who} looks"), rows),
        columns: (&format!("at {whom}"), columns),
        values: &values,
    })
    .to_png(1.0)
    .map(Some)
}

/// As the paper calls it (§3.2.3).
fn name(kind: AttentionKind) -> &'static str {
    match kind {
        AttentionKind::Encoder => "encoder",
        AttentionKind::Decoder => "decoder",
        AttentionKind::Cross => "encoder-decoder",
    }
}
