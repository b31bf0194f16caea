//! Patterns of visible pairs: their definition as a mask, and the computation of their blocks.

use crate::model::attention::score::ScoreFunction;
use crate::model::dropout::Dropout;
use crate::model::keys_and_values::KeysAndValues;
use crate::model::mask::minus_infinity_where;
use crate::model::mode::Mode;
use crate::model::position::PassPositions;
use tch::{Device, Kind, Tensor};

/// The parts of a layer that turn scores into outputs, for any set of pairs.
pub struct Mixing<'a> {
    pub score: &'a ScoreFunction,
    pub positions: &'a PassPositions<'a>,
    pub dropout: &'a Dropout,
    pub mode: &'a Mode,
}

impl Mixing<'_> {
    /// Computes the weighted means of the values. The weights are not recorded.
    ///
    /// # Shapes
    /// Queries [.., T, K], keys [.., S, K], values [.., S, d_v], numbers to add to the scores → [.., T, d_v].
    pub(super) fn mix(&self, queries: &Tensor, keys: &Tensor, values: &Tensor, added: &Tensor) -> Tensor {
        let weights = (self.score.of(queries, keys) + added).softmax(-1, None);
        self.dropout.forward(weights, self.mode).matmul(values)
    }

    /// Returns the numbers to add to scores: minus infinity for pairs in `hidden`, the positions' biases for others.
    ///
    /// # Shapes
    /// `hidden` [B or 1, N, T, S], positions of queries [B or 1, N, T] and keys [B or 1, N, S] → [B or 1, 1 or H, N, T, S].
    pub(super) fn added(&self, hidden: &Tensor, queries: &Tensor, keys: &Tensor, like: &Tensor) -> Tensor {
        let mask = minus_infinity_where(hidden, like.kind()).unsqueeze(1);
        let (rows, blocks) = (queries.size()[0], queries.size()[1]);
        let bias = self.positions.on_pairs(&queries.flatten(0, 1), &keys.flatten(0, 1), like);
        plus(mask, bias.map(|bias| bias.unflatten(0, [rows, blocks]).transpose(1, 2)))
    }
}

/// Returns the sum of a mask and a bias, if there is one.
pub(super) fn plus(mask: Tensor, bias: Option<Tensor>) -> Tensor {
    match bias {
        Some(bias) => mask + bias,
        None => mask,
    }
}

/// Marks keys of other sentences than the query's. Padding counts as a sentence of its own.
///
/// # Shapes
/// Sentences of queries [.., T] and keys [.., S] → [.., T, S].
pub(super) fn of_other_sentences(queries: &Tensor, keys: &Tensor) -> Tensor {
    queries.unsqueeze(-1).ne_tensor(&keys.unsqueeze(-2))
}

/// Returns the numbers from 0 to `count` - 1.
pub(super) fn numbers(count: i64, device: Device) -> Tensor {
    Tensor::arange(count, (Kind::Int64, device))
}

/// A pattern of visible pairs.
pub trait Pattern {
    /// Whether blocks for a sequence of this length would hold as many scores as all its pairs.
    fn is_short(&self, length: i64) -> bool;

    /// Returns the definition: true for hidden pairs of positions. Every position sees itself, so that no softmax is
    /// over nothing, not even for padding.
    ///
    /// # Shapes
    /// Numbers of the sentences [B or 1, T] → [B or 1, T, T].
    fn hidden(&self, sentences: &Tensor) -> Tensor;

    /// Computes the same attention in blocks.
    ///
    /// # Shapes
    /// `queries` [B, H, T, K] → [B, H, T, d_v].
    fn attend_in_blocks(
        &self,
        mixing: &Mixing,
        queries: &Tensor,
        attended: &KeysAndValues,
        sentences: &Tensor,
    ) -> Tensor;
}

/// Returns the mask of a pattern's definition plus the addition of positions to the scores, in the number format of `like`.
///
/// # Shapes
/// Numbers of the sentences [B or 1, T] → [B or 1, 1 or H, T, T].
pub fn mask_of(
    pattern: &dyn Pattern,
    sentences: &Tensor,
    positions: &PassPositions,
    like: &Tensor,
) -> Tensor {
    let mask = minus_infinity_where(&pattern.hidden(sentences), like.kind()).unsqueeze(1);
    let places = numbers(sentences.size()[1], sentences.device()).unsqueeze(0);
    plus(mask, positions.on_pairs(&places, &places, like))
}
