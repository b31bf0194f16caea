//! What positions mean to all self-attention layers of a stack, computed once a pass.

use super::{Places, bias};
use crate::model::mask::Mask;
use crate::model::weights::Scope;
use crate::model::{ModelConfig, Position, init};
use tch::{Kind, Tensor};

/// Which stack the positions are of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// Every token sees those on both sides.
    Encoder,
    /// A token sees itself and those before it.
    Decoder,
}

/// The positions of one stack.
#[derive(Debug)]
pub struct StackPositions {
    kind: Position,
    stack: Stack,
    heads: i64,
    d_k: i64,
    /// T5's biases, which all layers share: [32, H].
    biases: Option<Tensor>,
}

/// Positions in one pass through a stack. Between two sequences, as in attention to the encoder, positions have no common
/// axis: there the default, which does nothing, stands for them.
#[derive(Debug, Default)]
pub struct PassPositions {
    /// Cosine and sine of the angles by which a token's queries and keys are turned: [1 or B, T, 1, K / 2] each.
    pub(super) turns: Option<[Tensor; 2]>,
    /// Added to the scores of every layer, [1 or B, H, T, S].
    bias: Option<Tensor>,
    /// Which of the vectors for distances belongs to a query and a key, [1 or B, 1, T, S].
    pub(super) vectors: Option<Tensor>,
}

impl StackPositions {
    pub fn build(scope: &Scope, config: &ModelConfig, stack: Stack) -> Self {
        let biases = match config.position {
            Position::T5 => {
                let shape = [bias::BUCKETS, config.heads];
                Some(scope.child("position_bias").variable("weight", &shape, init::embedding(config)))
            }
            Position::Sinusoidal
            | Position::SinusoidalHalves
            | Position::Learned
            | Position::Relative(_)
            | Position::Rotary
            | Position::Alibi
            | Position::None => None,
        };
        StackPositions { kind: config.position, stack, heads: config.heads, d_k: config.d_k(), biases }
    }

    /// For queries, and new keys, at `queries` and all keys at `keys`: their places and their number. Numbers are made for
    /// a stack that computes as `like` does.
    pub fn pass(&self, queries: (Places, i64), keys: (Places, i64), like: &Tensor) -> PassPositions {
        let (kind, device) = (like.kind(), like.device());
        let numbers = |(places, length): (Places, i64)| places.numbers(length, device);
        let distances = || numbers(keys).unsqueeze(1) - numbers(queries).unsqueeze(2); // [1 or B, T, S]
        let mut pass = PassPositions::default();
        match self.kind {
            Position::Sinusoidal | Position::SinusoidalHalves | Position::Learned | Position::None => {}
            Position::Relative(furthest) => {
                let vectors = distances().clamp(-furthest, furthest) + furthest;
                pass.vectors = Some(vectors.unsqueeze(1));
            }
            Position::Rotary => {
                let angles = numbers(queries).to_kind(Kind::Double).view([-1, queries.1, 1, 1])
                    * frequencies(self.d_k).to_device(device);
                pass.turns = Some([angles.cos().to_kind(kind), angles.sin().to_kind(kind)]);
            }
            Position::Alibi => pass.bias = Some(bias::alibi(&distances(), self.heads, kind)),
            Position::T5 => {
                let causal = self.stack == Stack::Decoder;
                pass.bias = self.biases.as_ref().map(|biases| bias::t5(&distances(), biases, causal, kind));
            }
        }
        pass
    }
}

impl PassPositions {
    /// The third hook, as far as all layers share it: what is added to the scores beside `mask`; none if nothing is.
    ///
    /// # Shapes
    /// → [B, H, T, S], or 1 for B or H.
    pub fn on_mask(&self, mask: Mask) -> Option<Tensor> {
        self.bias.as_ref().map(|bias| mask.with(bias.shallow_clone()))
    }
}

/// 10000^(-2i/d_k) for each plane i: [K / 2].
fn frequencies(d_k: i64) -> Tensor {
    let values: Vec<f64> = (0..d_k / 2).map(|i| 10_000f64.powf(-2.0 * i as f64 / d_k as f64)).collect();
    Tensor::from_slice(&values)
}
