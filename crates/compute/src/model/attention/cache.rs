//! The cache of decoding token by token: keys and values of the tokens so far and of the source.

use super::MultiHeadAttention;
use crate::model::keys_and_values::KeysAndValues;
use crate::model::mask::Mask;
use crate::model::mode::Mode;
use crate::model::parts::{Encoded, FirstRows};
use crate::model::position::PassPositions;
use crate::shim::decoding::Position;
use tch::{Device, Tensor};

/// Keys and values of the tokens decoded so far, and of the encoder's output if there is an encoder, layer by layer.
#[derive(Debug)]
pub struct DecoderCache {
    form: Form,
    length: i64,
}

/// The form of the cache; both forms compute the same.
#[derive(Debug)]
enum Form {
    /// Every row has its own copies. By libtorch's operations, on any device.
    Copied { layers: Vec<CopiedLayer>, source_mask: Option<Tensor>, device: Device },
    /// Nothing is copied: rows know whose vectors they attend to. By the kernels of [`decoding`](crate::shim::decoding).
    Traced { layers: Vec<TracedLayer>, lineage: Lineage },
}

#[derive(Debug)]
struct CopiedLayer {
    /// Absent before the first token.
    tokens: Option<KeysAndValues>,
    /// Absent without an encoder.
    source: Option<KeysAndValues>,
}

/// Projections as the matrix products return them: for each position, keys [N, H·K] and values [N, H·d_v].
#[derive(Debug)]
struct TracedLayer {
    /// For each token so far; N is the number of rows at that step.
    tokens: Vec<[Tensor; 2]>,
    /// For each position of the sources, none without an encoder; N is the number of sources.
    source: Vec<[Tensor; 2]>,
}

/// The origin of each row.
#[derive(Debug)]
struct Lineage {
    /// For every token so far: the row of that step from which each current row descends.
    ancestors: Vec<Vec<i64>>,
    /// The source of each row; without an encoder, the row as which it began.
    sources: Vec<i64>,
    /// The number of tokens in each row's source, 0 without an encoder.
    source_lengths: Vec<i64>,
}

impl DecoderCache {
    /// Creates a cache without tokens in which every row has its own copies. The attention to the encoder of each
    /// layer, if there is one, projects the encoder's output once for all steps.
    pub(in crate::model) fn copied<'a>(
        cross_attentions: impl Iterator<Item = Option<&'a MultiHeadAttention>>,
        rows: FirstRows,
    ) -> Self {
        let projected = |(attention, encoded): (&MultiHeadAttention, &Encoded)| {
            // Contiguous head by head, so that no step has to rearrange it.
            attention.keys_and_values(&encoded.output, &PassPositions::default()).contiguous()
        };
        let layer = |attention: Option<&MultiHeadAttention>| CopiedLayer {
            tokens: None,
            source: attention.zip(rows.encoded).map(projected),
        };
        let layers = cross_attentions.map(layer).collect();
        let source_mask = rows.encoded.map(|encoded| encoded.mask.shallow_clone());
        DecoderCache { form: Form::Copied { layers, source_mask, device: rows.device }, length: 0 }
    }

    /// Creates the same cache for the kernels of decoding, which copy nothing.
    pub(in crate::model) fn traced<'a>(
        cross_attentions: impl Iterator<Item = Option<&'a MultiHeadAttention>>,
        rows: FirstRows,
    ) -> Self {
        let projected = |(attention, encoded): (&MultiHeadAttention, &Encoded)| -> Vec<[Tensor; 2]> {
            let projected = attention.unsplit_keys_and_values(&encoded.output, &PassPositions::default());
            let at = |position| projected.each_ref().map(|vectors| vectors.select(1, position));
            (0..encoded.output.size()[1]).map(at).collect()
        };
        let layer = |attention: Option<&MultiHeadAttention>| TracedLayer {
            tokens: Vec::new(),
            source: attention.zip(rows.encoded).map(projected).unwrap_or_default(),
        };
        let without = || vec![0; rows.count as usize];
        let lineage = Lineage {
            ancestors: Vec::new(),
            sources: (0..rows.count).collect(),
            source_lengths: rows.encoded.map_or_else(without, |encoded| encoded.lengths.clone()),
        };
        let layers = cross_attentions.map(layer).collect();
        DecoderCache { form: Form::Traced { layers, lineage }, length: 0 }
    }

    /// Returns the number of tokens in the cache.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// Keeps the rows of the batch with these indices, in this order; an index may occur more than once.
    ///
    /// `same_sources`: the number of rows stays the same, and each new row has the source of the row that it replaces.
    pub fn select(&mut self, rows: &[i64], same_sources: bool) {
        match &mut self.form {
            Form::Copied { layers, source_mask, device } => {
                let rows = Tensor::from_slice(rows).to_device(*device);
                for layer in layers {
                    layer.tokens = layer.tokens.take().map(|tokens| tokens.select(&rows));
                    if !same_sources {
                        layer.source = layer.source.take().map(|source| source.select(&rows));
                    }
                }
                if !same_sources {
                    *source_mask = source_mask.take().map(|mask| mask.index_select(0, &rows));
                }
            }
            Form::Traced { lineage: Lineage { ancestors, sources, source_lengths }, .. } => {
                for of_rows in ancestors.iter_mut().chain([sources, source_lengths]) {
                    *of_rows = rows.iter().map(|&row| of_rows[row as usize]).collect();
                }
            }
        }
    }

    /// Makes room for the next token of each of the `rows`. The layers add its keys and values.
    pub(in crate::model) fn grow(&mut self, rows: i64) {
        self.length += 1;
        if let Form::Traced { lineage, .. } = &mut self.form {
            lineage.ancestors.push((0..rows).collect());
        }
    }

    /// Computes self-attention of layer number `layer`, and keeps the keys and values of `x`. `mask` and `positions`
    /// are those of a step to the tokens that the layer sees, the current one included.
    ///
    /// # Shapes
    /// [R, 1, D] → [R, 1, D].
    pub(in crate::model) fn attend_to_tokens(
        &mut self,
        layer: usize,
        attention: &MultiHeadAttention,
        x: &Tensor,
        mask: Mask,
        positions: &PassPositions,
    ) -> Tensor {
        match &mut self.form {
            Form::Copied { layers, .. } => {
                let tokens = &mut layers[layer].tokens;
                let now = attention.keys_and_values(x, positions);
                let grown = match tokens.take() {
                    Some(past) => past.append(&now),
                    None => now,
                };
                let seen = grown.last(attention.reach().kept(self.length));
                attention.forward(x, tokens.insert(seen), mask, positions, &Mode::evaluation())
            }
            Form::Traced { layers, lineage } => {
                let tokens = &mut layers[layer].tokens;
                tokens.push(
                    attention.unsplit_keys_and_values(x, positions).map(|vectors| vectors.squeeze_dim(1)),
                );
                let seen: Vec<Position> = tokens
                    .iter()
                    .zip(&lineage.ancestors)
                    .map(|([keys, values], owners)| Position { keys, values, owners })
                    .collect();
                attention.forward_once(x, positions, &seen, &vec![self.length; lineage.sources.len()])
            }
        }
    }

    /// Computes the attention to the encoder of layer number `layer`.
    ///
    /// # Shapes
    /// [R, 1, D] → [R, 1, D].
    pub(in crate::model) fn attend_to_source(
        &self,
        layer: usize,
        attention: &MultiHeadAttention,
        x: &Tensor,
    ) -> Tensor {
        let nowhere = &PassPositions::default();
        match &self.form {
            Form::Copied { layers, source_mask, .. } => {
                let memory = layers[layer].source.as_ref().zip(source_mask.as_ref());
                let (memory, mask) = memory.expect("a layer that attends to a source has one");
                attention.forward(x, memory, Mask::Added(mask), nowhere, &Mode::evaluation())
            }
            Form::Traced { layers, lineage } => {
                let owners = &lineage.sources;
                let seen: Vec<Position> = layers[layer]
                    .source
                    .iter()
                    .map(|[keys, values]| Position { keys, values, owners })
                    .collect();
                attention.forward_once(x, nowhere, &seen, &lineage.source_lengths)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ModelConfig;
    use crate::model::decoder::Decoder;
    use crate::model::weights::Scope;
    use tch::Kind;

    fn numbers(size: &[i64]) -> Tensor {
        let count = size.iter().product::<i64>();
        (Tensor::arange(count, (Kind::Double, Device::Cpu)) * 41.3).sin().to_kind(Kind::Float).view(size)
    }

    #[test]
    fn both_forms_attend_to_the_same() {
        tch::set_num_threads(1);
        let small = ModelConfig { layers: 2, d_model: 8, d_ff: 12, heads: 2, ..Default::default() };
        let uneven = ModelConfig { d_k: Some(3), d_v: Some(5), attention_biases: false, ..small.clone() };
        for config in [small, uneven] {
            let decoder = Decoder::build(&Scope::seeded(3, Kind::Float, Device::Cpu), &config);
            let lengths = vec![4, 2, 3];
            let mask = crate::model::mask::padding(&lengths, 4, Kind::Float, Device::Cpu);
            let output = numbers(&[3, 4, 8]);
            let embedded = output.shallow_clone();
            let encoded = Encoded { output, embedded, mask, lengths, last: Vec::new() };
            let first = FirstRows::of_sources(&encoded);
            tch::no_grad(|| {
                let mut caches = [
                    DecoderCache::traced(decoder.cross_attentions(), first),
                    DecoderCache::copied(decoder.cross_attentions(), first),
                ];
                // Repeats rows, moves rows within one source, removes a source, reorders.
                let moves: [(&[i64], bool); 5] = [
                    (&[0, 0, 1, 1, 2, 2], false),
                    (&[1, 0, 2, 2, 4, 5], true),
                    (&[0, 1, 4, 5], false),
                    (&[3, 0], false),
                    (&[0, 1], true),
                ];
                for (step, (rows, same_sources)) in moves.into_iter().enumerate() {
                    let count = if step == 0 { 3 } else { moves[step - 1].0.len() as i64 };
                    let x = numbers(&[count, 1, 8]) + step as f64;
                    let [traced, copied] = caches.each_mut().map(|cache| {
                        let out = decoder.step(x.shallow_clone(), cache);
                        cache.select(rows, same_sources);
                        out
                    });
                    let gap = (traced - copied).abs().max().double_value(&[]);
                    assert!(gap < 1e-5, "step {step}: {gap:e}");
                }
                assert!(caches.iter().all(|cache| cache.length() == 5));
            });
        }
    }
}
