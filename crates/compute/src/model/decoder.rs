//! The decoder stack (§3.1), whole sequences at once or token by token with a cache.

use super::ModelConfig;
use super::attention::MultiHeadAttention;
use super::attention::cache::DecoderCache;
use super::attention::span::Reach;
use super::feed_forward::FeedForwardSublayer;
use super::implementations::Implementations;
use super::init::Attends;
use super::mask::{self, Mask, Visible};
use super::mode::Mode;
use super::parts::{DecoderMaps, DecoderPart, DecodingState, Encoded, FirstRows, TargetRows};
use super::position::{PassPositions, Places, Stack, StackPositions};
use super::residual::{Residual, StackEnd};
use super::weights::Scope;
use crate::shim::decoding;
use tch::{Device, Kind, Tensor};

/// `model.layers` layers of causal self-attention, attention to the encoder, if there is one, and, unless
/// `model.feed_forward` is false, feed-forward network.
#[derive(Debug)]
pub struct Decoder {
    positions: StackPositions,
    layers: Vec<DecoderLayer>,
    end: StackEnd,
    /// Whether the kernels of decoding on a CPU compute this model.
    may_use_kernels: bool,
}

#[derive(Debug)]
struct DecoderLayer {
    self_attention: MultiHeadAttention,
    self_residual: Residual,
    /// Absent without an encoder.
    cross: Option<CrossAttention>,
    feed_forward: FeedForwardSublayer,
}

/// Attention to the encoder, with the connection around it.
#[derive(Debug)]
struct CrossAttention {
    attention: MultiHeadAttention,
    residual: Residual,
}

impl Decoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Decoder {
            positions: StackPositions::build(scope, config, Stack::Decoder),
            layers: (0..config.layers).map(|i| DecoderLayer::build(&scope.child(i), config)).collect(),
            end: StackEnd::build(scope, config),
            may_use_kernels: Implementations::of(config).decoding_kernels.is_ok(),
        }
    }

    /// Computes all positions at once, as in training.
    ///
    /// # Shapes
    /// Embedded target shifted right [B, T, D] with tokens at `places`; with an encoder, its output [B, S, D] and the
    /// source padding mask [B, 1, 1, S]; `own`, the visible part of the target → [B, T, D]. Target padding needs no
    /// mask: it follows all real tokens, where no position sees it.
    pub fn forward(
        &self,
        x: Tensor,
        places: Places,
        source: Option<(&Tensor, &Tensor)>,
        own: Visible,
        mode: &Mode,
    ) -> Tensor {
        let (positions, biased) = self.positions.pass_to_itself((places, x.size()[1]), own, &x);
        let own = biased.as_ref().map_or(own, |mask| Visible::Masked(Mask::Added(mask)));
        // The target's positions are not related to positions of the source.
        let nowhere = PassPositions::default();
        let last = self.layers.iter().fold(x, |x, layer| {
            let memory = layer.cross.as_ref().map(|cross| {
                let (encoded, mask) = source.expect("with an encoder there is what it has read");
                (cross.attention.keys_and_values(encoded, &nowhere), Mask::Added(mask))
            });
            let x = layer
                .self_residual
                .forward(&x, mode, |x| layer.self_attention.forward_to_itself(x, own, &positions, mode));
            let x = layer.to_source(x, mode, |attention, x| {
                let (memory, mask) = memory.as_ref().expect("the layer has attention to the source");
                attention.forward(x, memory, *mask, &nowhere, mode)
            });
            layer.feed_forward.forward(x, mode)
        });
        self.end.forward(last, mode)
    }

    /// Whether the layers take a mask of pairs of the target's positions; see [`Reach::takes_masks_of_pairs`]. Other
    /// layers hide later positions by themselves.
    fn takes_masks_of_pairs(&self) -> bool {
        self.layers.iter().all(|layer| layer.self_attention.reach().takes_masks_of_pairs())
    }

    /// Returns how many of the last of `length` positions the layers see.
    fn kept(&self, length: i64) -> i64 {
        self.layers.iter().map(|layer| layer.self_attention.reach().kept(length)).max().unwrap_or(length)
    }

    /// Returns whether the kernels of [`decoding`](crate::shim::decoding) decode tokens.
    fn uses_kernels(&self, kind: Kind, device: Device) -> bool {
        self.may_use_kernels && decoding::takes(kind, device)
    }

    /// Returns each layer's attention to the encoder; `None` for every layer without an encoder.
    pub(super) fn cross_attentions(&self) -> impl Iterator<Item = Option<&MultiHeadAttention>> {
        self.layers.iter().map(|layer| layer.cross.as_ref().map(|cross| &cross.attention))
    }

    /// Computes the next position from those in the cache, which grows by one.
    ///
    /// # Shapes
    /// Embedded token [R, 1, D] → [R, 1, D].
    pub fn step(&self, x: Tensor, cache: &mut DecoderCache) -> Tensor {
        let mode = Mode::evaluation();
        cache.grow(x.size()[0]);
        let (length, kept) = (cache.length(), self.kept(cache.length()));
        let seen = (Places::From(length - kept), kept);
        let positions = self.positions.pass((Places::From(length - 1), 1), seen, &x);
        let biased = positions.on_mask(Mask::None);
        let mask = biased.as_ref().map_or(Mask::None, Mask::Added);
        let last = self.layers.iter().enumerate().fold(x, |x, (number, layer)| {
            let x = layer.self_residual.forward(&x, &mode, |x| {
                cache.attend_to_tokens(number, &layer.self_attention, x, mask, &positions)
            });
            let x = layer.to_source(x, &mode, |attention, x| cache.attend_to_source(number, attention, x));
            layer.feed_forward.forward(x, &mode)
        });
        self.end.forward(last, &mode)
    }
}

impl DecoderPart for Decoder {
    fn decode(&self, x: Tensor, rows: TargetRows, encoded: Option<&Encoded>, mode: &Mode) -> Tensor {
        let (kind, device, length) = (x.kind(), x.device(), x.size()[1]);
        let causal = self.takes_masks_of_pairs().then(|| mask::causal(length, kind, device));
        match rows {
            TargetRows::Single => {
                let places = Places::From(0);
                let source = encoded.map(|encoded| (&encoded.output, &encoded.mask));
                let forward = |own| self.forward(x, places, source, own, mode);
                match &causal {
                    Some(causal) => forward(Visible::Masked(Mask::Causal(causal))),
                    None => forward(Visible::Sentences(&Tensor::ones([1, length], (Kind::Int64, device)))),
                }
            }
            TargetRows::Packed { sentences, sources } => {
                let mask = sources.map(|sources| mask::same_sentence(sentences, sources, kind));
                let source = encoded.map(|encoded| &encoded.output).zip(mask.as_ref());
                let places = Places::Within(sentences);
                let own = causal.map(|causal| causal + mask::same_sentence(sentences, sentences, kind));
                let own = own
                    .as_ref()
                    .map_or(Visible::Sentences(sentences), |own| Visible::Masked(Mask::Added(own)));
                self.forward(x, places, source, own, mode)
            }
        }
    }

    fn start<'a>(&'a self, rows: FirstRows) -> Box<dyn DecodingState + 'a> {
        let cache = match self.uses_kernels(rows.kind, rows.device) {
            true => DecoderCache::traced(self.cross_attentions(), rows),
            false => DecoderCache::copied(self.cross_attentions(), rows),
        };
        Box::new(CachedDecoding { decoder: self, cache })
    }

    fn maps(&self, recorded: Vec<Tensor>) -> DecoderMaps {
        let mut maps = DecoderMaps::default();
        if self.layers.iter().all(|layer| layer.cross.is_none()) {
            return DecoderMaps { own: recorded, ..maps };
        }
        // Each layer attends first to the target, then to the source.
        for (index, weights) in recorded.into_iter().enumerate() {
            (if index % 2 == 0 { &mut maps.own } else { &mut maps.cross }).push(weights);
        }
        maps
    }

    fn takes_packed_rows(&self) -> bool {
        true
    }
}

/// Decoding with the keys and values of the source and of all tokens so far.
struct CachedDecoding<'a> {
    decoder: &'a Decoder,
    cache: DecoderCache,
}

impl DecodingState for CachedDecoding<'_> {
    fn length(&self) -> i64 {
        self.cache.length()
    }

    fn step(&mut self, x: Tensor) -> Tensor {
        self.decoder.step(x, &mut self.cache)
    }

    fn select(&mut self, rows: &[i64], same_sources: bool) {
        self.cache.select(rows, same_sources);
    }
}

impl DecoderLayer {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let own = scope.child("self_attention");
        let cross = || {
            let scope = scope.child("cross_attention");
            CrossAttention {
                attention: MultiHeadAttention::build(&scope, config, Attends::Encoder),
                residual: Residual::build(&scope, config),
            }
        };
        DecoderLayer {
            self_attention: MultiHeadAttention::build(&own, config, Attends::Itself)
                .reaching(Reach::of_decoder(config)),
            self_residual: Residual::build(&own, config),
            cross: config.has_encoder().then(cross),
            feed_forward: FeedForwardSublayer::build(scope, config),
        }
    }

    /// Applies attention to the source, given as `attend` for its (maybe normalised) input, with the connection around
    /// it; without an encoder returns `x`.
    fn to_source(
        &self,
        x: Tensor,
        mode: &Mode,
        attend: impl FnOnce(&MultiHeadAttention, &Tensor) -> Tensor,
    ) -> Tensor {
        match &self.cross {
            Some(cross) => cross.residual.forward(&x, mode, |x| attend(&cross.attention, x)),
            None => x,
        }
    }
}
