//! The decoder stack (§3.1), whole sequences at once or token by token with a cache.

use super::ModelConfig;
use super::attention::MultiHeadAttention;
use super::attention::cache::DecoderCache;
use super::attention::span::Reach;
use super::feed_forward::FeedForward;
use super::implementations::Implementations;
use super::init::Attends;
use super::mask::Mask;
use super::mode::Mode;
use super::position::Places;
use super::residual::{Residual, StackEnd};
use super::weights::Scope;
use crate::shim::decoding;
use tch::{Device, Kind, Tensor};

/// `model.layers` layers of causal self-attention, attention to the encoder, and feed-forward network.
#[derive(Debug)]
pub struct Decoder {
    layers: Vec<DecoderLayer>,
    end: StackEnd,
    /// Whether the kernels of decoding on a CPU compute this model.
    may_use_kernels: bool,
}

#[derive(Debug)]
struct DecoderLayer {
    self_attention: MultiHeadAttention,
    self_residual: Residual,
    cross_attention: MultiHeadAttention,
    cross_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

impl Decoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Decoder {
            layers: (0..config.layers).map(|i| DecoderLayer::build(&scope.child(i), config)).collect(),
            end: StackEnd::build(scope, config),
            may_use_kernels: Implementations::of(config).decoding_kernels.is_ok(),
        }
    }

    /// All positions at once, as in training.
    ///
    /// # Shapes
    /// Embedded target shifted right [B, T, D] whose tokens stand at `places`, encoder output [B, S, D], source padding mask
    /// [B, 1, 1, S], mask of the target `own` for [B, 1, T, T] → [B, T, D]. Target padding needs no mask:
    /// it stands after every real token, where the causal mask hides it.
    pub fn forward(
        &self,
        x: Tensor,
        places: Places,
        encoded: &Tensor,
        source_mask: &Tensor,
        own: Mask,
        mode: &Mode,
    ) -> Tensor {
        let last = self.layers.iter().fold(x, |x, layer| {
            // Positions of the source mean nothing to the target's.
            let source = Places::From(0);
            let encoder = layer.cross_attention.keys_and_values(encoded, source);
            layer.forward(&x, mode, |attends, x| match attends {
                Attends::Itself => {
                    let own_keys = layer.self_attention.keys_and_values(x, places);
                    layer.self_attention.forward(x, places, &own_keys, places, own, mode)
                }
                Attends::Encoder => {
                    let mask = Mask::Added(source_mask);
                    layer.cross_attention.forward(x, places, &encoder, source, mask, mode)
                }
            })
        });
        self.end.forward(last)
    }

    /// Whether the layers take a mask of pairs of the target's positions; see [`Reach::takes_masks_of_pairs`]. Others
    /// know by themselves that nothing after a position may be seen.
    pub fn takes_masks_of_pairs(&self) -> bool {
        self.layers.iter().all(|layer| layer.self_attention.reach().takes_masks_of_pairs())
    }

    /// Whether tokens are decoded by the kernels of [`decoding`](crate::shim::decoding).
    pub(super) fn uses_kernels(&self, kind: Kind, device: Device) -> bool {
        self.may_use_kernels && decoding::takes(kind, device)
    }

    /// The attention to the encoder of each layer.
    pub(super) fn cross_attentions(&self) -> impl Iterator<Item = &MultiHeadAttention> {
        self.layers.iter().map(|layer| &layer.cross_attention)
    }

    /// The next position, given those in the cache, which grows by it.
    ///
    /// # Shapes
    /// Embedded token [R, 1, D] → [R, 1, D].
    pub fn step(&self, x: Tensor, cache: &mut DecoderCache) -> Tensor {
        let mode = Mode::evaluation();
        cache.grow(x.size()[0]);
        let last = self.layers.iter().enumerate().fold(x, |x, (number, layer)| {
            layer.forward(&x, &mode, |attends, x| match attends {
                Attends::Itself => cache.attend_to_tokens(number, &layer.self_attention, x),
                Attends::Encoder => cache.attend_to_source(number, &layer.cross_attention, x),
            })
        });
        self.end.forward(last)
    }
}

impl DecoderLayer {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let own = scope.child("self_attention");
        let cross = scope.child("cross_attention");
        let feed_forward = scope.child("feed_forward");
        DecoderLayer {
            self_attention: MultiHeadAttention::build(&own, config, Attends::Itself)
                .reaching(Reach::of_decoder(config)),
            self_residual: Residual::build(&own, config),
            cross_attention: MultiHeadAttention::build(&cross, config, Attends::Encoder),
            cross_residual: Residual::build(&cross, config),
            feed_forward: FeedForward::build(&feed_forward, config),
            feed_forward_residual: Residual::build(&feed_forward, config),
        }
    }

    /// `attend` gives what attention to the target or to the source makes of its (maybe normalised) input.
    fn forward(&self, x: &Tensor, mode: &Mode, mut attend: impl FnMut(Attends, &Tensor) -> Tensor) -> Tensor {
        let x = self.self_residual.forward(x, mode, |x| attend(Attends::Itself, x));
        let x = self.cross_residual.forward(&x, mode, |x| attend(Attends::Encoder, x));
        self.feed_forward_residual.forward(&x, mode, |x| self.feed_forward.forward(x, mode))
    }
}
