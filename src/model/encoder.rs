//! The encoder stack (§3.1).

use super::ModelConfig;
use super::attention::MultiHeadAttention;
use super::feed_forward::FeedForward;
use super::init::Attends;
use super::mask::Mask;
use super::mode::Mode;
use super::position::{Places, Stack, StackPositions};
use super::residual::{Residual, StackEnd};
use super::weights::Scope;
use tch::Tensor;

/// `model.layers` layers of self-attention and feed-forward network.
#[derive(Debug)]
pub struct Encoder {
    positions: StackPositions,
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
            positions: StackPositions::build(scope, config, Stack::Encoder),
            layers: (0..config.layers).map(|i| EncoderLayer::build(&scope.child(i), config)).collect(),
            end: StackEnd::build(scope, config),
        }
    }

    /// # Shapes
    /// Embedded source [B, S, D] whose tokens stand at `places`, padding mask [B, 1, 1, S] → [B, S, D].
    pub fn forward(&self, x: Tensor, places: Places, mask: &Tensor, mode: &Mode) -> Tensor {
        let all = (places, x.size()[1]);
        let positions = self.positions.pass(all, all, &x);
        let biased = positions.on_mask(Mask::Added(mask));
        let mask = Mask::Added(biased.as_ref().unwrap_or(mask));
        let last = self.layers.iter().fold(x, |x, layer| {
            let attend = |x: &Tensor| {
                let attended = layer.attention.keys_and_values(x, &positions);
                layer.attention.forward(x, &attended, mask, &positions, mode)
            };
            layer.forward(&x, mode, attend)
        });
        self.end.forward(last, mode)
    }

    /// The same without dropout or a graph, on a CPU in float32; see [`decoding`](crate::shim::decoding).
    ///
    /// # Shapes
    /// Embedded source [B, S, D] with the real length of each row → [B, S, D].
    pub fn read(&self, x: Tensor, lengths: &[i64]) -> Tensor {
        let mode = Mode::evaluation();
        let all = (Places::From(0), x.size()[1]);
        let positions = self.positions.pass(all, all, &x);
        let attend = |layer: &EncoderLayer, x: &Tensor| layer.attention.forward_rows(x, &positions, lengths);
        let last = self.layers.iter().fold(x, |x, layer| layer.forward(&x, &mode, |x| attend(layer, x)));
        self.end.forward(last, &mode)
    }
}

impl EncoderLayer {
    fn build(scope: &Scope, config: &ModelConfig) -> Self {
        let (attention, feed_forward) = (scope.child("self_attention"), scope.child("feed_forward"));
        EncoderLayer {
            attention: MultiHeadAttention::build(&attention, config, Attends::Itself),
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
