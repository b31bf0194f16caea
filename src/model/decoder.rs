//! The decoder stack (§3.1), whole sequences at once or token by token with a cache.

use super::ModelConfig;
use super::attention::{Memory, MultiHeadAttention};
use super::dropout::Mode;
use super::feed_forward::FeedForward;
use super::init::Attends;
use super::mask::Mask;
use super::residual::{Residual, StackEnd};
use super::weights::Scope;
use tch::Tensor;

/// `model.layers` layers of causal self-attention, attention to the encoder, and feed-forward network.
#[derive(Debug)]
pub struct Decoder {
    layers: Vec<DecoderLayer>,
    end: StackEnd,
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

/// Keys and values of the tokens decoded so far, and of the encoder's output, layer by layer.
#[derive(Debug)]
pub struct DecoderCache {
    layers: Vec<LayerCache>,
    length: i64,
}

#[derive(Debug)]
struct LayerCache {
    /// Absent before the first token.
    itself: Option<Memory>,
    encoder: Memory,
}

impl Decoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Decoder {
            layers: (0..config.layers).map(|i| DecoderLayer::build(&scope.child(i), config)).collect(),
            end: StackEnd::build(scope, config),
        }
    }

    /// All positions at once, as in training.
    ///
    /// # Shapes
    /// Embedded target shifted right [B, T, D], encoder output [B, S, D], source padding mask
    /// [B, 1, 1, S], causal mask for [B, H, T, T] → [B, T, D]. Target padding needs no mask: it
    /// stands after every real token, where the causal mask hides it.
    pub fn forward(
        &self,
        x: Tensor,
        encoded: &Tensor,
        source_mask: &Tensor,
        causal: Mask,
        mode: &Mode,
    ) -> Tensor {
        let last = self.layers.iter().fold(x, |x, layer| {
            let encoder = layer.cross_attention.memory(encoded);
            let itself = |x: &Tensor| layer.self_attention.memory(x);
            layer.forward(&x, itself, &encoder, causal, source_mask, mode)
        });
        self.end.forward(last)
    }

    /// A cache with the encoder's output projected once for all steps.
    ///
    /// # Shapes
    /// Encoder output [B, S, D].
    pub fn start(&self, encoded: &Tensor) -> DecoderCache {
        let layer = |layer: &DecoderLayer| LayerCache {
            itself: None,
            encoder: layer.cross_attention.memory(encoded).contiguous(),
        };
        DecoderCache { layers: self.layers.iter().map(layer).collect(), length: 0 }
    }

    /// The next position, given those in the cache, which grows by it.
    ///
    /// # Shapes
    /// Embedded token [B, 1, D], source padding mask [B, 1, 1, S] → [B, 1, D].
    pub fn step(&self, x: Tensor, cache: &mut DecoderCache, source_mask: &Tensor) -> Tensor {
        let mode = Mode::evaluation();
        cache.length += 1;
        let last = self.layers.iter().zip(&mut cache.layers).fold(x, |x, (layer, cache)| {
            let LayerCache { itself, encoder } = cache;
            let grow = |x: &Tensor| {
                let now = layer.self_attention.memory(x);
                let grown = match itself.take() {
                    Some(past) => past.append(&now),
                    None => now,
                };
                itself.insert(grown).shallow_clone()
            };
            layer.forward(&x, grow, encoder, Mask::None, source_mask, &mode)
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
            self_attention: MultiHeadAttention::build(&own, config, Attends::Itself),
            self_residual: Residual::build(&own, config),
            cross_attention: MultiHeadAttention::build(&cross, config, Attends::Encoder),
            cross_residual: Residual::build(&cross, config),
            feed_forward: FeedForward::build(&feed_forward, config),
            feed_forward_residual: Residual::build(&feed_forward, config),
        }
    }

    /// `itself` gives the keys and values that self-attention sees, from its (maybe normalised) input.
    fn forward(
        &self,
        x: &Tensor,
        itself: impl FnOnce(&Tensor) -> Memory,
        encoder: &Memory,
        causal: Mask,
        source_mask: &Tensor,
        mode: &Mode,
    ) -> Tensor {
        let x =
            self.self_residual.forward(x, mode, |x| self.self_attention.forward(x, &itself(x), causal, mode));
        let x = self
            .cross_residual
            .forward(&x, mode, |x| self.cross_attention.forward(x, encoder, Mask::Added(source_mask), mode));
        self.feed_forward_residual.forward(&x, mode, |x| self.feed_forward.forward(x, mode))
    }
}

impl Memory {
    /// This memory with `next` behind it: lengths add up.
    fn append(&self, next: &Memory) -> Memory {
        Memory {
            keys: Tensor::cat(&[&self.keys, &next.keys], 2),
            values: Tensor::cat(&[&self.values, &next.values], 2),
        }
    }

    /// The rows of the batch that `rows` names, in its order.
    fn select(&self, rows: &Tensor) -> Memory {
        Memory { keys: self.keys.index_select(0, rows), values: self.values.index_select(0, rows) }
    }

    /// Laid out head by head, so that no step has to do it again.
    fn contiguous(&self) -> Memory {
        Memory { keys: self.keys.contiguous(), values: self.values.contiguous() }
    }

    fn shallow_clone(&self) -> Memory {
        Memory { keys: self.keys.shallow_clone(), values: self.values.shallow_clone() }
    }
}

impl DecoderCache {
    /// Tokens in the cache.
    pub fn length(&self) -> i64 {
        self.length
    }

    /// Keeps the rows of the batch that `own` names (for the decoded tokens) and `encoder` names
    /// (for the source). The latter is absent if every row keeps its source.
    pub fn select(&mut self, own: &Tensor, encoder: Option<&Tensor>) {
        for layer in &mut self.layers {
            layer.itself = layer.itself.take().map(|memory| memory.select(own));
            if let Some(rows) = encoder {
                layer.encoder = layer.encoder.select(rows);
            }
        }
    }
}
