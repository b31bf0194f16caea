//! Masks: the positions that attention may see (§3.2.3), as numbers added to the scores.
//!
//! A mask holds 0 where attention is allowed and -∞ where it is not. exp(-∞) is exactly 0, so a masked position cannot
//! change an output, not even in the last bit.

use crate::pinned_memory::{pinned, send};
use tch::{Device, Kind, Tensor};

/// A mask in the form that attention takes.
#[derive(Debug, Clone, Copy)]
pub enum Mask<'a> {
    /// Every position may be seen.
    None,
    /// Added to the scores; broadcasts to [B, H, T, S].
    Added(&'a Tensor),
    /// Added to the scores, and made by [`causal`]: a kernel that knows the triangle need not read it.
    Causal(&'a Tensor),
}

/// The visible pairs of a sequence that attends to itself, in the form that the [reach](super::attention::span::Reach)
/// of its layers takes.
#[derive(Debug, Clone, Copy)]
pub enum Visible<'a> {
    /// The pairs that a mask over all pairs shows.
    Masked(Mask<'a>),
    /// The pairs within a sentence and within the layer's reach. The tensor has the number of each position's sentence, from
    /// 1, and 0 for padding, [B or 1, T]. There is no mask over all pairs, because it grows with the square of the length.
    Sentences(&'a Tensor),
}

impl Mask<'_> {
    /// Returns the sum of the mask and `bias` [.., H, T, S].
    pub fn with(self, bias: Tensor) -> Tensor {
        match self {
            Mask::None => bias,
            Mask::Added(added) | Mask::Causal(added) => bias + added,
        }
    }
}

/// Hides padding from every query.
///
/// # Shapes
/// `lengths`: number of real tokens in each sequence, all ≥ 1 → [B, 1, 1, S] with S = `width`.
pub fn padding(lengths: &[i64], width: i64, kind: Kind, device: Device) -> Tensor {
    let (positions, lengths) = positions_and_lengths(lengths, width, device);
    minus_infinity_where(&positions.ge_tensor(&lengths), kind).unsqueeze(1).unsqueeze(1)
}

/// Hides from each position the positions after it.
///
/// # Shapes
/// → [1, 1, T, T].
pub fn causal(length: i64, kind: Kind, device: Device) -> Tensor {
    let positions = Tensor::arange(length, (Kind::Int64, device));
    let later = positions.unsqueeze(0).gt_tensor(&positions.unsqueeze(1));
    minus_infinity_where(&later, kind).unsqueeze(0).unsqueeze(0)
}

/// Shows each query only the keys of its own sentence, in rows of several sentences.
///
/// # Shapes
/// Numbers of the sentences, 0 for padding: of the queries [B, T], of the keys [B, S] → [B, 1, T, S]. A padding query
/// sees everything: its result is never used, but a softmax over nothing would be NaN.
pub fn same_sentence(queries: &Tensor, keys: &Tensor, kind: Kind) -> Tensor {
    let other = queries.unsqueeze(2).ne_tensor(&keys.unsqueeze(1));
    let real = queries.not_equal(0).unsqueeze(2);
    minus_infinity_where(&other.logical_and(&real), kind).unsqueeze(1)
}

/// Does the same as [`padding`], from the numbers of the sentences, which are 0 for padding: [B, S] → [B, 1, 1, S].
pub fn padding_of_sentences(sentences: &Tensor, kind: Kind) -> Tensor {
    minus_infinity_where(&sentences.eq(0), kind).unsqueeze(1).unsqueeze(1)
}

/// Returns the numbers of the sentences if each row is one sentence (1) of `lengths` real tokens.
///
/// # Shapes
/// → [B, S] with S = `width`; 0 is padding.
pub fn single_sentences(lengths: &[i64], width: i64, device: Device) -> Tensor {
    let (positions, lengths) = positions_and_lengths(lengths, width, device);
    positions.lt_tensor(&lengths).to_kind(Kind::Int64)
}

/// Returns the positions 0 to `width` - 1, [1, S], and the lengths, [B, 1], to be compared with each other.
fn positions_and_lengths(lengths: &[i64], width: i64, device: Device) -> (Tensor, Tensor) {
    let positions = Tensor::arange(width, (Kind::Int64, device)).unsqueeze(0);
    (positions, send(&pinned(Tensor::from_slice(lengths), device), device).unsqueeze(1))
}

/// Returns -∞ where `hidden` is true, otherwise 0.
pub(in crate::model) fn minus_infinity_where(hidden: &Tensor, kind: Kind) -> Tensor {
    Tensor::zeros(hidden.size(), (kind, hidden.device())).masked_fill(hidden, f64::NEG_INFINITY)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visible(mask: &Tensor) -> Vec<i64> {
        Vec::try_from(mask.eq(0.0).to_kind(Kind::Int64).flatten(0, -1)).unwrap()
    }

    #[test]
    fn padding_hides_what_follows_the_length() {
        let mask = padding(&[2, 3], 3, Kind::Float, Device::Cpu);
        assert_eq!(mask.size(), [2, 1, 1, 3]);
        assert_eq!(visible(&mask), [1, 1, 0, 1, 1, 1]);
    }

    #[test]
    fn a_sentence_sees_itself_alone() {
        let ids = |numbers: &[i64]| Tensor::from_slice(numbers).unsqueeze(0);
        let mask = same_sentence(&ids(&[1, 2, 0]), &ids(&[1, 1, 2, 0]), Kind::Float);
        assert_eq!(mask.size(), [1, 1, 3, 4]);
        assert_eq!(visible(&mask), [1, 1, 0, 0, 0, 0, 1, 0, 1, 1, 1, 1]);
    }

    #[test]
    fn causal_shows_a_triangle() {
        assert_eq!(visible(&causal(3, Kind::Double, Device::Cpu)), [1, 0, 0, 1, 1, 0, 1, 1, 1]);
    }
}
