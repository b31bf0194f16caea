//! Position information (§3.5), chosen by `model.position`: every sequence passes these hooks, of which a variant uses
//! one or two.
//!
//! - on the embeddings: [`PositionEncoding::on_embeddings`];
//! - on the queries and keys of self-attention: [`AttentionPositions::on_queries_and_keys`];
//! - on its scores: [`PassPositions::on_mask`] for the part that is the same in all layers ([`PassPositions::on_pairs`] if
//!   these compute blocks of pairs), [`AttentionPositions::on_scores`] for the part that depends on the queries;
//! - on its mixed values: [`AttentionPositions::on_values`].
//!
//! The part that depends only on the positions is computed once per pass and stack, in [`StackPositions::pass`].

mod bias;
mod encoding;
mod layer;
mod pass;

pub use bias::{alibi_slopes, t5_bucket};
pub use encoding::PositionEncoding;
pub use layer::AttentionPositions;
pub use pass::{PassPositions, Stack, StackPositions};

use tch::{Device, Kind, Tensor};

/// Positions of the tokens of a sequence.
#[derive(Debug, Clone, Copy)]
pub enum Places<'a> {
    /// Positions `first`, `first + 1`, … in every row.
    From(i64),
    /// Positions counted within each sentence, in rows of several: the numbers of the sentences [B, T], 0 for padding.
    Within(&'a Tensor),
}

impl Places<'_> {
    /// Returns the position of each of `length` tokens: [1, T], or [B, T] if counted within sentences.
    fn numbers(self, length: i64, device: Device) -> Tensor {
        match self {
            Places::From(first) => {
                Tensor::arange_start(first, first + length, (Kind::Int64, device)).unsqueeze(0)
            }
            Places::Within(sentences) => positions_within(sentences),
        }
    }
}

/// Returns the distance of each position from the beginning of its sentence; 0 for padding.
///
/// # Shapes
/// Numbers of the sentences [B, T] → [B, T].
fn positions_within(sentences: &Tensor) -> Tensor {
    let (rows, length) = sentences.size2().expect("rows of positions");
    let places = Tensor::arange(length, (Kind::Int64, sentences.device())).expand([rows, length], false);
    let before = sentences.narrow(1, 0, length - 1);
    let begins = sentences.narrow(1, 1, length - 1).ne_tensor(&before).constant_pad_nd([1, 0]);
    let (beginnings, _) = (&places * begins).cummax(1);
    (places - beginnings) * sentences.not_equal(0)
}
