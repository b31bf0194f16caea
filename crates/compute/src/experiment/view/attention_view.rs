//! Attention of the scored model in the first dev sentences and its own translations of them, or, for a language model,
//! in the beginnings of the first dev blocks; a masked language model reads these with nothing hidden.

use super::reading::Reading;
use crate::data::tokenizer::Tokenizer;
use crate::error::Result;
use crate::experiment::work::Work;
use crate::results::attention_file::{Attention, AttentionKind, AttentionMap, Sentence, four_digits};
use crate::task::Output;
use tch::{Kind, Tensor};

/// Number of tokens of a block whose attention is recorded.
const BLOCK_TOKENS: usize = 32;

/// Returns the tokens that the model read and wrote, sentence by sentence.
fn read_and_written(work: &Work, dev: Option<&Output>, count: usize) -> Vec<Reading> {
    let store = &work.stores.dev;
    match dev {
        Some(dev) => {
            let pairs = dev.tokens.iter().enumerate().take(count);
            let pair = |(index, translation): (usize, &Vec<u32>)| {
                Reading::of_translation(store.source(index), translation)
            };
            pairs.map(pair).collect()
        }
        None => {
            let read = |index| {
                let mut reading = Reading::of_example(work.experiment, store, index);
                reading.truncate(BLOCK_TOKENS);
                reading
            };
            (0..count.min(store.len())).map(read).collect()
        }
    }
}

/// Computes the attention maps that `[run]` asks for.
pub fn record(work: &Work, dev: Option<&Output>) -> Result<Attention> {
    let run = &work.experiment.run;
    let mut sentences = Vec::new();
    for mut reading in read_and_written(work, dev, run.attention_sentences) {
        let found = reading.maps(work.model);
        let mut maps = Vec::new();
        for (kind, layers) in [
            (AttentionKind::Encoder, &found.encoder),
            (AttentionKind::Decoder, &found.decoder),
            (AttentionKind::Cross, &found.cross),
        ] {
            for (layer, weights) in chosen(layers, run.attention_layers.as_deref()) {
                let heads = weights.unbind(0);
                for (head, weights) in chosen(&heads, run.attention_heads.as_deref()) {
                    maps.push(AttentionMap::new(kind, layer, head, &numbers(weights)));
                }
            }
        }
        let Reading { mut source, mut target, .. } = reading;
        if work.experiment.reads_prefixes() {
            // Source and target are one text, which attends to itself.
            target.splice(0..0, source.drain(..));
        }
        sentences.push(Sentence {
            source: labels(&source, work.data.tokenizers.source()),
            target: labels(&target, work.data.tokenizers.target()),
            maps,
        });
    }
    Ok(Attention::new(sentences))
}

fn labels(ids: &[u32], tokenizer: &Tokenizer) -> Vec<String> {
    ids.iter().map(|&id| tokenizer.label(id)).collect()
}

/// Returns the items whose number, from 1, is in `numbers`; all items if `numbers` is absent.
fn chosen<'a, T>(items: &'a [T], numbers: Option<&[usize]>) -> Vec<(usize, &'a T)> {
    let wanted = |number: &usize| numbers.is_none_or(|numbers| numbers.contains(number));
    (1..).zip(items).filter(|(number, _)| wanted(number)).collect()
}

/// Returns the rows of a matrix.
pub fn numbers(matrix: &Tensor) -> Vec<Vec<f32>> {
    let width = matrix.size()[1] as usize;
    let flat: Vec<f32> =
        Vec::try_from(matrix.detach().to_kind(Kind::Float).flatten(0, -1).to_device(tch::Device::Cpu))
            .unwrap_or_default();
    flat.chunks(width.max(1)).map(<[f32]>::to_vec).collect()
}

/// Returns the rows of a matrix, rounded to four digits.
pub fn rows(matrix: &Tensor) -> Vec<Vec<f32>> {
    numbers(matrix).into_iter().map(|row| row.into_iter().map(four_digits).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_and_heads_are_numbered_from_one_and_missing_ones_passed_over() {
        let items = ["a", "b", "c"];
        assert_eq!(chosen(&items, None), [(1, &"a"), (2, &"b"), (3, &"c")]);
        assert_eq!(chosen(&items, Some(&[3, 1, 9])), [(1, &"a"), (3, &"c")]);
    }

    #[test]
    fn a_matrix_is_read_row_by_row() {
        let matrix = Tensor::from_slice(&[0.123456f64, 1.0, 2.0, -0.00004, 0.5, 0.25]).view([2, 3]);
        assert_eq!(rows(&matrix), [[0.1235, 1.0, 2.0], [-0.0, 0.5, 0.25]]);
    }
}
