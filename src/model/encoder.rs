//! The encoder stack (§3.1).

use super::ModelConfig;
use super::attention::MultiHeadAttention;
use super::attention::span::Reach;
use super::feed_forward::FeedForward;
use super::init::Attends;
use super::mask::Mask;
use super::mode::Mode;
use super::position::Places;
use super::residual::{Residual, StackEnd};
use super::weights::Scope;
use tch::Tensor;

/// `model.layers` layers of self-attention and feed-forward network.
#[derive(Debug)]
pub struct Encoder {
    layers: Vec<EncoderLayer>,
    end: StackEnd,
}

#[derive(Debug)]
struct EncoderLayer {
    attention: MultiHeadAttention,
    attention_residual: Residual,
    feed_forward: FeedForward,
    feed_forward_residual: Residual,
}

impl Encoder {
    pub fn build(scope: &Scope, config: &ModelConfig) -> Self {
        Encoder {
            layers: (0..config.layers).map(|i| EncoderLayer::build(&scope.child(i), config)).collect(),
            end: StackEnd::build(scope, config),
        }
    }

    /// # Shapes
    /// Embedded source [B, S, D] whose tokens stand at `places`, mask of padding [B, 1, 1, S] or, where
    /// [`takes_masks_of_pairs`](Self::takes_masks_of_pairs), of pairs [B, 1, S, S] → [B, S, D].
    pub fn forward(&self, x: Tensor, places: Places, mask: Mask, mode: &Mode) -> Tensor {
        self.end.forward(self.layers.iter().fold(x, |x, layer| {
            let attend = |x: &Tensor| {
                let attended = layer.attention.keys_and_values(x, places);
                layer.attention.forward(x, places, &attended, places, mask, mode)
            };
            layer.forward(&x, mode, attend)
        }))
    }

    /// Whether the layers take a mask of pairs of positions; see [`Reach::takes_masks_of_pairs`].
    pub fn takes_masks_of_pairs(&self) -> bool {
        self.layers.iter().all(|layer| layer.attention.reach().takes_masks_of_pairs())
    }

    /// The longest source that the layers take; none: any.
    pub fn limit(&self) -> Option<i64> {
        self.layers.iter().filter_map(|layer| layer.attention.reach().limit()).min()
    }

    /// [`forward`](Self::forward) without dropout or a graph, on a CPU in float32; see [`decoding`](crate::shim::decoding).
    ///
    /// # Shapes
    /// Embedded source [B, S, D] with the real length of each row → [B, S, D].
    pub fn read(&self, x: Tensor, lengths: &[i64]) -> Tensor {
        let mode = Mode::evaluation();
        self.end.forward(
            self.layers
                .iter()
                .fold(x, |x, layer| layer.forward(&x, &mode, |x| layer.attention.forward_rows(x, lengths))),
        )
    }
}

impl EncoderLayer {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (attention, feed_forward) = (scope.child("self_attention"), scope.child("feed_forward"));
        EncoderLayer {
            attention: MultiHeadAttention::build(&attention, config, Attends::Itself)
                .reaching(Reach::of_encoder(&attention, config)),
            attention_residual: Residual::build(&attention, config),
            feed_forward: FeedForward::build(&feed_forward, config),
            feed_forward_residual: Residual::build(&feed_forward, config),
        }
    }

    /// `attend` gives what self-attention makes of its (maybe normalised) input.
    fn forward(&self, x: &Tensor, mode: &Mode, attend: impl FnOnce(&Tensor) -> Tensor) -> Tensor {
        let x = self.attention_residual.forward(x, mode, attend);
        self.feed_forward_residual.forward(&x, mode, |x| self.feed_forward.forward(x, mode))
    }
}
