//! Positions for all self-attention layers of a stack, computed once per pass.

use super::Places;
use super::bias::{self, Biases};
use crate::model::mask::{Mask, Visible};
use crate::model::weights::Scope;
use crate::model::{ModelConfig, Position, init};
use tch::{Kind, Tensor};

/// The stack to which positions belong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stack {
    /// Every token sees the tokens on both sides.
    Encoder,
    /// A token sees itself and the tokens before it.
    Decoder,
}

/// The positions of one stack.
#[derive(Debug)]
pub struct StackPositions {
    kind: Position,
    d_k: i64,
    /// Biases of all layers; absent if scores get none.
    biases: Option<Biases>,
}

/// Positions in one pass through a stack. The positions of two different sequences, as in attention to the encoder, are
/// not related: for these the default is used, which does nothing.
#[derive(Debug, Default)]
pub struct PassPositions<'a> {
    /// Cosine and sine of the angles by which a token's queries and keys are rotated: [1 or B, T, 1, K / 2] each.
    pub(super) turns: Option<[Tensor; 2]>,
    /// Biases for pairs that a layer computes in blocks.
    biases: Option<&'a Biases>,
    /// Numbers added to the scores of every layer, [1 or B, H, T, S].
    bias: Option<Tensor>,
    /// Index of the distance vector for each query and key, [1 or B, 1, T, S].
    pub(super) vectors: Option<Tensor>,
}

impl StackPositions {
    pub fn build(scope: &Scope, config: &ModelConfig, stack: Stack) -> Self {
        let biases = match config.position {
            Position::Alibi => Some(Biases::Alibi { heads: config.heads }),
            Position::T5 => {
                let shape = [bias::BUCKETS, config.heads];
                let table = scope.child("position_bias").variable("weight", &shape, init::embedding(config));
                Some(Biases::T5 { table, causal: stack == Stack::Decoder })
            }
            Position::Sinusoidal
            | Position::SinusoidalHalves
            | Position::Learned
            | Position::Relative(_)
            | Position::Rotary
            | Position::None => None,
        };
        StackPositions { kind: config.position, d_k: config.d_k(), biases }
    }

    /// Computes positions for queries and new keys at `queries` and all keys at `keys` (places and number), in the
    /// number format and on the device of `like`.
    pub fn pass(&self, queries: (Places, i64), keys: (Places, i64), like: &Tensor) -> PassPositions<'_> {
        let numbers = |(places, length): (Places, i64)| places.numbers(length, like.device());
        let distances = || numbers(keys).unsqueeze(1) - numbers(queries).unsqueeze(2); // [1 or B, T, S]
        let vectors = match self.kind {
            Position::Relative(furthest) => Some(distances().clamp(-furthest, furthest) + furthest),
            _ => None,
        };
        PassPositions {
            bias: self.biases.as_ref().map(|biases| biases.of(&distances(), like.kind())),
            vectors: vectors.map(|vectors| vectors.unsqueeze(1)),
            ..self.pass_in_blocks(queries, like)
        }
    }

    /// Computes positions for a sequence at `places` whose layers compute pairs in blocks: nothing is made for all pairs.
    pub fn pass_in_blocks(&self, places: (Places, i64), like: &Tensor) -> PassPositions<'_> {
        let (kind, device) = (like.kind(), like.device());
        let turns = (self.kind == Position::Rotary).then(|| {
            let numbers = places.0.numbers(places.1, device).to_kind(Kind::Double);
            let angles = numbers.view([-1, places.1, 1, 1]) * frequencies(self.d_k).to_device(device);
            [angles.cos().to_kind(kind), angles.sin().to_kind(kind)]
        });
        PassPositions { turns, biases: self.biases.as_ref(), ..Default::default() }
    }

    /// Computes positions for a sequence that attends to itself, and the mask in `visible` plus their addition; no mask
    /// if they add nothing or if layers compute in blocks.
    pub fn pass_to_itself(
        &self,
        all: (Places, i64),
        visible: Visible,
        like: &Tensor,
    ) -> (PassPositions<'_>, Option<Tensor>) {
        match visible {
            Visible::Masked(mask) => {
                let positions = self.pass(all, all, like);
                let biased = positions.on_mask(mask);
                (positions, biased)
            }
            Visible::Sentences(_) => (self.pass_in_blocks(all, like), None),
        }
    }
}

impl PassPositions<'_> {
    /// The third hook, the part that all layers share: returns the sum of `mask` and biases; `None` if there are no biases.
    ///
    /// # Shapes
    /// → [B, H, T, S], or 1 for B or H.
    pub fn on_mask(&self, mask: Mask) -> Option<Tensor> {
        self.bias.as_ref().map(|bias| mask.with(bias.shallow_clone()))
    }

    /// Returns the biases for pairs of one sentence, given by their positions in the row, in the number format of
    /// `like`.
    ///
    /// # Shapes
    /// Positions of queries [N, T] and of keys [N, S] → [N, H, T, S].
    pub fn on_pairs(&self, queries: &Tensor, keys: &Tensor, like: &Tensor) -> Option<Tensor> {
        self.biases.map(|biases| biases.of(&(keys.unsqueeze(1) - queries.unsqueeze(2)), like.kind()))
    }
}

/// Returns 10000^(-2i/d_k) for each plane i: [K / 2].
fn frequencies(d_k: i64) -> Tensor {
    let values: Vec<f64> = (0..d_k / 2).map(|i| 10_000f64.powf(-2.0 * i as f64 / d_k as f64)).collect();
    Tensor::from_slice(&values)
}
