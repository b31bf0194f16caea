//! The encoder stack (§3.1).

use super::ModelConfig;
use super::attention::MultiHeadAttention;
use super::attention::span::Reach;
use super::feed_forward::FeedForwardSublayer;
use super::implementations::Implementations;
use super::init::Attends;
use super::mask::{self, Mask, Visible};
use super::mode::Mode;
use super::parts::{Encoded, EncoderPart, SourceRows};
use super::position::{Places, Stack, StackPositions};
use super::residual::{Residual, StackEnd};
use super::weights::Scope;
use crate::shim::decoding;
use std::ops::Range;
use tch::Tensor;

/// Number of tokens that are read at once on a CPU, so that a layer's results stay in the processor's cache. With half
/// as many, products still have the same bits as with all ([`matrix`](super::matrix)).
const TOKENS_AT_ONCE: usize = 1024;

/// `model.layers` layers of self-attention and, unless `model.feed_forward` is false, feed-forward network.
#[derive(Debug)]
pub struct Encoder {
    positions: StackPositions,
    layers: Vec<EncoderLayer>,
    end: StackEnd,
    /// Whether the kernels of decoding on a CPU compute this model.
    may_use_kernels: bool,
    /// Whether rows may hold several sentences.
    packs: bool,
}

#[derive(Debug)]
struct EncoderLayer {
    attention: MultiHeadAttention,
    attention_residual: Residual,
    feed_forward: FeedForwardSublayer,
}

impl Encoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Encoder {
            positions: StackPositions::build(scope, config, Stack::Encoder),
            layers: (0..config.layers).map(|i| EncoderLayer::build(&scope.child(i), config)).collect(),
            end: StackEnd::build(scope, config),
            may_use_kernels: Implementations::of(config).decoding_kernels.is_ok(),
            packs: config.attention.span.packs(),
        }
    }

    /// # Shapes
    /// Embedded source [B, S, D] with tokens at `places` → [B, S, D].
    pub fn forward(&self, x: Tensor, places: Places, visible: Visible, mode: &Mode) -> Tensor {
        let (positions, biased) = self.positions.pass_to_itself((places, x.size()[1]), visible, &x);
        let visible = biased.as_ref().map_or(visible, |mask| Visible::Masked(Mask::Added(mask)));
        let last = self.layers.iter().fold(x, |x, layer| {
            layer.forward(&x, mode, |x| layer.attention.forward_to_itself(x, visible, &positions, mode))
        });
        self.end.forward(last, mode)
    }

    /// Whether the layers take a mask of pairs of positions; see [`Reach::takes_masks_of_pairs`].
    fn takes_masks_of_pairs(&self) -> bool {
        self.layers.iter().all(|layer| layer.attention.reach().takes_masks_of_pairs())
    }

    /// Computes the same without dropout or a graph, on a CPU in float32; see [`decoding`].
    ///
    /// # Shapes
    /// Embedded source [B, S, D] with each row's length without padding → [B, S, D].
    pub fn read(&self, x: Tensor, lengths: &[i64]) -> Tensor {
        let mode = Mode::evaluation();
        let width = x.size()[1];
        let read = |x: Tensor, lengths: &[i64]| {
            let all = (Places::From(0), x.size()[1]);
            let positions = self.positions.pass(all, all, &x);
            let last = self.layers.iter().fold(x, |x, layer| {
                layer.forward(&x, &mode, |x| layer.attention.forward_rows(x, &positions, lengths))
            });
            self.end.forward(last, &mode)
        };
        let parts: Vec<Tensor> = parts(lengths)
            .into_iter()
            .map(|part| {
                let own = &lengths[part.clone()];
                let longest = own.iter().copied().max().unwrap_or(0);
                let x = x.narrow(0, part.start as i64, part.len() as i64).narrow(1, 0, longest);
                // Contiguous, because without projections the layers use the rows as they lie in memory.
                read(x.contiguous(), own).constant_pad_nd([0, 0, 0, width - longest])
            })
            .collect();
        Tensor::cat(&parts, 0)
    }
}

/// Splits the rows into ranges of at least [`TOKENS_AT_ONCE`] tokens, padding included; the last may have half as many.
fn parts(lengths: &[i64]) -> Vec<Range<usize>> {
    let mut parts: Vec<Range<usize>> = Vec::new();
    let (mut first, mut longest) = (0, 0);
    for (row, &length) in lengths.iter().enumerate() {
        longest = longest.max(length as usize);
        let end = row + 1;
        let tokens = (end - first) * longest;
        if tokens >= TOKENS_AT_ONCE || end == lengths.len() {
            match parts.last_mut() {
                Some(before) if tokens < TOKENS_AT_ONCE / 2 => before.end = end,
                _ => parts.push(first..end),
            }
            (first, longest) = (end, 0);
        }
    }
    parts
}

impl EncoderPart for Encoder {
    fn encode(&self, x: Tensor, rows: SourceRows, mode: &Mode) -> Encoded {
        let (kind, device, width) = (x.kind(), x.device(), x.size()[1]);
        let embedded = x.shallow_clone();
        let pairs = self.takes_masks_of_pairs();
        let (places, mask, lengths) = match rows {
            SourceRows::Single(lengths) => {
                (Places::From(0), mask::padding(lengths, width, kind, device), lengths.to_vec())
            }
            SourceRows::Packed(sentences) => {
                let mask = match pairs {
                    true => mask::same_sentence(sentences, sentences, kind),
                    false => mask::padding_of_sentences(sentences, kind),
                };
                (Places::Within(sentences), mask, Vec::new())
            }
        };
        let output = match rows {
            _ if pairs => self.forward(x, places, Visible::Masked(Mask::Added(&mask)), mode),
            SourceRows::Single(lengths) => {
                let sentences = mask::single_sentences(lengths, width, device);
                self.forward(x, places, Visible::Sentences(&sentences), mode)
            }
            SourceRows::Packed(sentences) => self.forward(x, places, Visible::Sentences(sentences), mode),
        };
        Encoded { output, embedded, mask, lengths, last: Vec::new() }
    }

    fn read_source(&self, x: Tensor, lengths: &[i64]) -> Encoded {
        let (kind, device) = (x.kind(), x.device());
        if !(self.may_use_kernels && decoding::takes(kind, device)) {
            return self.encode(x, SourceRows::Single(lengths), &Mode::evaluation());
        }
        let mask = mask::padding(lengths, x.size()[1], kind, device);
        let embedded = x.shallow_clone();
        Encoded { output: self.read(x, lengths), embedded, mask, lengths: lengths.to_vec(), last: Vec::new() }
    }

    fn takes_packed_rows(&self) -> bool {
        self.packs
    }

    fn longest(&self) -> Option<i64> {
        self.layers.iter().filter_map(|layer| layer.attention.reach().limit()).min()
    }
}

impl EncoderLayer {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let attention = scope.child("self_attention");
        EncoderLayer {
            attention: MultiHeadAttention::build(&attention, config, Attends::Itself)
                .reaching(Reach::of_encoder(&attention, config)),
            attention_residual: Residual::build(&attention, config),
            feed_forward: FeedForwardSublayer::build(scope, config),
        }
    }

    /// Computes the layer, with self-attention given as `attend` for its (maybe normalised) input.
    fn forward(&self, x: &Tensor, mode: &Mode, attend: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let x = self.attention_residual.forward(x, mode, attend);
        self.feed_forward.forward(x, mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ModelConfig, Norm, Position, Projections};
    use tch::{Device, Kind};

    /// Reads in parts that are narrower than the batch.
    #[test]
    fn every_row_is_read_as_it_is_alone() {
        let lengths: Vec<i64> = (0..120).map(|row| 3 + (row * 7) % 23).collect();
        let width = 25;
        assert!(parts(&lengths).len() > 1 && *lengths.iter().max().unwrap() == width);
        let narrow: Vec<i64> = lengths.iter().map(|&length| length.min(14)).collect();
        for projections in
            [Projections::Separate, Projections::SharedQueryKey, Projections::ValuesOnly, Projections::None]
        {
            for (norm, position) in [(Norm::Post, Position::Sinusoidal), (Norm::Pre, Position::Rotary)] {
                let mut config = ModelConfig {
                    layers: 2,
                    d_model: 16,
                    d_ff: 24,
                    heads: 2,
                    norm,
                    position,
                    ..Default::default()
                };
                config.attention.projections = projections;
                let scope = Scope::seeded(3, Kind::Float, Device::Cpu);
                let encoder = Encoder::build(&scope, &config);
                let x =
                    Tensor::arange(120 * width * 16, (Kind::Float, Device::Cpu)).sin().view([120, width, 16]);
                for lengths in [&lengths, &narrow] {
                    let together = tch::no_grad(|| encoder.read(x.shallow_clone(), lengths));
                    assert_eq!(together.size(), x.size());
                    for (row, &length) in (0..).zip(lengths) {
                        let own = x.narrow(0, row, 1).narrow(1, 0, length).contiguous();
                        let alone = tch::no_grad(|| encoder.read(own, &[length]));
                        let gap = (together.narrow(0, row, 1).narrow(1, 0, length) - alone).abs().max();
                        assert!(
                            gap.double_value(&[]) < 1e-4,
                            "{projections:?}, {norm:?}, row {row}: {gap:?}"
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn parts_hold_every_row_once_and_none_is_small() {
        let borders = |lengths| -> Vec<(usize, usize)> {
            parts(lengths).into_iter().map(|part| (part.start, part.end)).collect()
        };
        assert_eq!(borders(&[]), []);
        assert_eq!(borders(&[3]), [(0, 1)]);
        assert_eq!(borders(&[300, 300, 300, 300, 300]), [(0, 5)]);
        assert_eq!(borders(&[400, 300, 300, 600]), [(0, 3), (3, 4)]);
        let lengths: Vec<i64> = (0..500).map(|row| 4 + row / 20).collect();
        let found = parts(&lengths);
        assert!(found.len() > 4);
        assert!(found.windows(2).all(|pair| pair[0].end == pair[1].start));
        assert_eq!((found[0].start, found[found.len() - 1].end), (0, lengths.len()));
        for part in found {
            let tokens = part.len() as i64 * lengths[part.end - 1];
            assert!((512..1024 + 512 + 2 * 28).contains(&tokens), "{tokens}");
        }
    }
}
