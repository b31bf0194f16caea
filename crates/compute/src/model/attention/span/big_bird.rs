//! Attention to neighbouring, random and global blocks: `{ big_bird = { block, random, global } }`.

use super::pattern::{Mixing, Pattern, numbers, of_other_sentences, plus};
use crate::model::big_bird_slots;
use crate::model::keys_and_values::KeysAndValues;
use crate::model::mask::minus_infinity_where;
use crate::model::weights::Scope;
use crate::seed::{Purpose, derive, mix, place};
use std::collections::HashMap;
use tch::{Device, Kind, Tensor};

/// A sentence is cut into blocks. The tokens of a block see the neighbouring blocks, the first `global` blocks of the
/// sentence, and `random` others; the tokens of the global blocks see everything.
///
/// # Source
/// Zaheer et al. 2020 (BigBird), §2 and appendix D, the internal construction (ITC).
///
/// # Deviation
/// The released code takes the first and the last block as global; here they are the first ones, because the place of
/// the last one depends on the padding. Its random blocks are fixed for a layer; here they are a function of the
/// trial's seed, the path of the layer and the number of blocks in the sentence, in training and in use alike. Dropout
/// of attention draws the same random numbers for the global queries as for the others, so that their masks are not
/// independent.
#[derive(Debug)]
pub struct BigBird {
    block: i64,
    random: i64,
    global: i64,
    /// The random stream of the random blocks.
    stream: u64,
}

/// The blocks that each block of queries sees: indices and whether they count, [B, N, slots] both, for the N blocks of
/// a row that are not global.
struct Slots {
    blocks: Tensor,
    count: Tensor,
}

impl BigBird {
    pub fn build(scope: &Scope, block: i64, random: i64, global: i64) -> Self {
        let stream = derive(scope.seed(), Purpose::RandomBlocks, place(scope.path()));
        BigBird { block, random, global, stream }
    }

    /// Returns the greatest number of blocks that a block which is not global sees.
    fn slots(&self) -> i64 {
        big_bird_slots(self.random, self.global)
    }

    fn blocks_of(&self, length: i64) -> i64 {
        (length + self.block - 1) / self.block
    }

    /// Draws the random blocks of block `own` in a sentence of `blocks`: distinct ones, or all others if too few.
    fn random_blocks(&self, own: i64, blocks: i64) -> Vec<i64> {
        // Blocks neither global nor in the window: from `global` to before the window, and from behind the window.
        let left = (own - 1 - self.global).max(0);
        let behind = (own + 2).max(self.global);
        let others = left + (blocks - behind).max(0);
        let block = |index: i64| if index < left { self.global + index } else { behind + index - left };
        let stream = mix(self.stream ^ mix(own as u64));
        // Floyd's sample: uniform over all subsets, one draw for each of its blocks.
        let mut chosen = Vec::new();
        for (draw, last) in (0u64..).zip((others - self.random).max(0)..others) {
            let index = (mix(stream.wrapping_add(draw)) % (last as u64 + 1)) as i64;
            chosen.push(if chosen.contains(&index) { last } else { index });
        }
        chosen.into_iter().map(block).collect()
    }

    /// Returns the slots of rows of `lengths` tokens in a batch of `blocks` blocks.
    fn seen(&self, lengths: &[i64], blocks: i64, device: Device) -> Slots {
        let (global, slots) = (self.global.min(blocks), self.slots() as usize);
        let mut of_row: HashMap<i64, Vec<i64>> = HashMap::new();
        let mut indices = Vec::new();
        for &length in lengths {
            let own_blocks = self.blocks_of(length);
            let row = of_row.entry(own_blocks).or_insert_with(|| {
                let of_block = |own: i64| {
                    let window = (own - 1..=own + 1).filter(|block| (global..blocks).contains(block));
                    let random = self.random_blocks(own, own_blocks);
                    let mut seen: Vec<i64> = (0..global).chain(window).chain(random).collect();
                    seen.resize(slots, -1);
                    seen
                };
                (global..blocks).flat_map(of_block).collect()
            });
            indices.extend_from_slice(row);
        }
        let shape = [lengths.len() as i64, blocks - global, slots as i64];
        let indices = Tensor::from_slice(&indices).view(shape).to_device(device);
        Slots { count: indices.ge(0), blocks: indices.clamp_min(0) }
    }
}

/// Returns the number of tokens in each row, fetched from the device.
fn lengths(sentences: &Tensor) -> Vec<i64> {
    let lengths = sentences.not_equal(0).sum_dim_intlist(1, false, Kind::Int64);
    lengths.to_device(Device::Cpu).try_into().expect("a row of integers")
}

impl Pattern for BigBird {
    fn is_short(&self, length: i64) -> bool {
        self.blocks_of(length) <= self.slots()
    }

    fn hidden(&self, sentences: &Tensor) -> Tensor {
        let (rows, length) = sentences.size2().expect("rows of positions");
        let (blocks, device) = (self.blocks_of(length), sentences.device());
        let global = self.global.min(blocks);
        let Slots { blocks: index, count } = self.seen(&lengths(sentences), blocks, device);
        let shape = [rows, blocks - global, blocks];
        let counts = Tensor::zeros(shape, (Kind::Int64, device));
        let seen = counts.scatter_add(2, &index, &count.to_kind(Kind::Int64)).gt(0);
        let seen = Tensor::cat(&[Tensor::ones([rows, global, blocks], (Kind::Bool, device)), seen], 1);
        let of_tokens = |x: Tensor, dimension| {
            x.repeat_interleave_self_int(self.block, dimension, None).narrow(dimension, 0, length)
        };
        let seen = of_tokens(of_tokens(seen, 1), 2);
        let itself = Tensor::eye(length, (Kind::Bool, device));
        of_other_sentences(sentences, sentences)
            .logical_or(&seen.logical_not())
            .logical_and(&itself.logical_not())
    }

    /// Attends with global queries to all keys, and with each other block of queries to copies of the blocks that it sees.
    fn attend_in_blocks(
        &self,
        mixing: &Mixing,
        queries: &Tensor,
        attended: &KeysAndValues,
        sentences: &Tensor,
    ) -> Tensor {
        let (batch, heads, length, _) = queries.size4().expect("heads of queries");
        let (block, blocks, slots) = (self.block, self.blocks_of(length), self.slots());
        let (device, others, first) = (queries.device(), blocks - self.global, self.global * self.block);
        let padding = blocks * block - length;
        let padded = |x: &Tensor| x.constant_pad_nd([0, 0, 0, padding]);
        let places = numbers(length, device).unsqueeze(0); // [1, T]
        let Slots { blocks: index, count } = self.seen(&lengths(sentences), blocks, device);
        // [B, H, N, slots · block, width] of keys or values.
        let gathered = |x: &Tensor| {
            let width = x.size()[3];
            let whole = padded(x).reshape([batch, heads, blocks, block * width]);
            let index = index.view([-1, 1, others * slots, 1]);
            let index = index.expand([batch, heads, others * slots, block * width], false);
            whole.gather(2, &index, false).view([batch, heads, others, slots * block, width])
        };
        let of_blocks = |x: &Tensor| x.constant_pad_nd([0, padding]).view([-1, blocks, block]);
        let token_sentences = of_blocks(sentences);
        let rows = token_sentences.size()[0];
        let seen_sentences = token_sentences
            .gather(
                1,
                &index.view([rows, others * slots, 1]).expand([rows, others * slots, block], false),
                false,
            )
            .view([rows, others, slots * block]);
        let key_places = (index.unsqueeze(-1) * block + numbers(block, device)).flatten(2, 3); // [B, N, slots · block]
        let query_places = (numbers(others * block, device) + first).view([1, others, block]);
        let counts =
            count.unsqueeze(-1).expand([rows, others, slots, block], false).flatten(2, 3).unsqueeze(2);
        let itself = query_places.unsqueeze(-1).eq_tensor(&key_places.unsqueeze(-2)).logical_and(&counts);
        let own_sentences = token_sentences.narrow(1, self.global, others);
        let hidden = of_other_sentences(&own_sentences, &seen_sentences)
            .logical_or(&counts.logical_not())
            .logical_and(&itself.logical_not());
        let own = padded(queries).narrow(2, first, others * block).unflatten(2, [others, block]);
        let query_places = query_places.expand([rows, others, block], false);
        let added = mixing.added(&hidden, &query_places, &key_places, queries);
        let mixed = mixing.mix(&own, &gathered(&attended.keys), &gathered(&attended.values), &added);
        let mixed = mixed.flatten(2, 3).narrow(2, 0, length - first);
        if first == 0 {
            return mixed;
        }
        let itself = places.narrow(1, 0, first).unsqueeze(-1).eq_tensor(&places.unsqueeze(-2));
        let hidden = of_other_sentences(&sentences.narrow(1, 0, first), sentences);
        let mask =
            minus_infinity_where(&hidden.logical_and(&itself.logical_not()), queries.kind()).unsqueeze(1);
        let added = plus(mask, mixing.positions.on_pairs(&places.narrow(1, 0, first), &places, queries));
        let global = mixing.mix(&queries.narrow(2, 0, first), &attended.keys, &attended.values, &added);
        Tensor::cat(&[global, mixed], 2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(random: i64, global: i64) -> BigBird {
        let scope = Scope::seeded(7, Kind::Float, Device::Cpu).child("encoder.0.self_attention");
        BigBird::build(&scope, 4, random, global)
    }

    #[test]
    fn random_blocks_are_others_and_none_comes_twice() {
        for (random, global) in [(1, 0), (3, 1), (2, 4)] {
            let pattern = pattern(random, global);
            for blocks in 1..30 {
                for own in global..blocks {
                    let chosen = pattern.random_blocks(own, blocks);
                    let mut distinct = chosen.clone();
                    distinct.sort_unstable();
                    distinct.dedup();
                    assert_eq!(distinct.len(), chosen.len());
                    let others = (global..blocks).filter(|block| (block - own).abs() > 1).count();
                    assert_eq!(chosen.len(), others.min(random as usize));
                    assert!(
                        chosen
                            .iter()
                            .all(|block| (block - own).abs() > 1 && (global..blocks).contains(block))
                    );
                }
            }
        }
    }

    /// `config::idle_settings` in `crates/trial` refuses settings with which all sentences are that short.
    #[test]
    fn in_sentences_of_few_blocks_nothing_is_hidden() {
        let hidden = |random, global, length: i64| {
            let sentence = Tensor::ones([1, length], (Kind::Int64, Device::Cpu));
            pattern(random, global).hidden(&sentence).sum(Kind::Int64).int64_value(&[])
        };
        for (random, global) in [(0, 0), (1, 1), (2, 0), (0, 3)] {
            let most = 4 * (random + global + 2);
            assert_eq!(hidden(random, global, most), 0);
            assert!(hidden(random, global, most + 1) > 0);
        }
    }

    #[test]
    fn random_blocks_differ_by_layer_seed_and_block_and_never_change() {
        let of = |seed, path: &str| {
            let scope = Scope::seeded(seed, Kind::Float, Device::Cpu).child(path);
            let pattern = BigBird::build(&scope, 4, 2, 1);
            (1..9).map(|own| pattern.random_blocks(own, 40)).collect::<Vec<_>>()
        };
        let first = of(1, "encoder.0.self_attention");
        assert_eq!(first, of(1, "encoder.0.self_attention"));
        assert_ne!(first, of(2, "encoder.0.self_attention"));
        assert_ne!(first, of(1, "encoder.1.self_attention"));
        assert!(first.windows(2).all(|pair| pair[0] != pair[1]), "{first:?}");
    }

    /// Every block is drawn about as often as any other block.
    #[test]
    fn random_blocks_are_drawn_evenly() {
        let mut counts = [0; 20];
        for seed in 0..4_000 {
            let scope = Scope::seeded(seed, Kind::Float, Device::Cpu).child("layer");
            for block in BigBird::build(&scope, 4, 2, 1).random_blocks(9, 20) {
                counts[block as usize] += 1;
            }
        }
        for (block, count) in counts.into_iter().enumerate() {
            let seen = block == 0 || (8..=10).contains(&block);
            assert!(if seen { count == 0 } else { (400..600).contains(&count) }, "{counts:?}");
        }
    }
}
