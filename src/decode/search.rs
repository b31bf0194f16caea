//! What greedy and beam search share: hypotheses, their scores, the next token's probabilities.

use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::model::{Encoded, Transformer};
use tch::Tensor;

/// A finished translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Token ids without `<s>` and `</s>`.
    pub tokens: Vec<u32>,
    /// Sum of the tokens' log-probabilities, `</s>` included if it was produced, in nats.
    pub log_probability: f64,
    /// What hypotheses are ranked by: the log-probability over the length penalty.
    pub score: f64,
}

/// The GNMT length penalty ((5 + length) / 6)^alpha, where `</s>` counts as a token.
///
/// # Source
/// Wu et al. 2016, eq. 14; alpha 0.6 in Vaswani et al. 2017, §6.1.
pub fn length_penalty(length: usize, alpha: f64) -> f64 {
    ((5.0 + length as f64) / 6.0).powf(alpha)
}

/// The model as a search sees it: hidden state to log-probabilities of allowed tokens.
pub(super) struct NextToken<'a> {
    pub model: &'a Transformer,
    pub vocabulary: usize,
}

impl NextToken<'_> {
    /// The first input of every row: `<s>`.
    pub fn begin(&self, rows: usize) -> Tensor {
        Tensor::full([rows as i64, 1], i64::from(BOS), (tch::Kind::Int64, self.model.device()))
    }

    /// The `count` most probable allowed tokens of each row, best first: log-probabilities and ids.
    ///
    /// The softmax runs over all rows of the embedding matrix; padding, `<s>` and rows beyond the
    /// vocabulary are left out only afterwards.
    ///
    /// # Shapes
    /// Hidden [R, D] → R vectors of at most `count`.
    pub fn best(&self, hidden: &Tensor, count: usize) -> Vec<Vec<(f64, u32)>> {
        let logits = self.model.logits(hidden);
        let normaliser = logits.logsumexp(-1, true);
        let allowed = logits.narrow(1, 0, self.vocabulary as i64);
        for forbidden in [PAD, BOS] {
            let _ = allowed.select(1, i64::from(forbidden)).fill_(f64::NEG_INFINITY);
        }
        let count = count.min(self.vocabulary - 2);
        let (values, ids) = allowed.topk(count as i64, -1, true, true);
        let values: Vec<f64> = flat(&(values - normaliser).to_kind(tch::Kind::Double));
        let ids: Vec<i64> = flat(&ids);
        let pairs: Vec<(f64, u32)> = values.into_iter().zip(ids.into_iter().map(|id| id as u32)).collect();
        pairs.chunks(count).map(<[_]>::to_vec).collect()
    }
}

fn flat<T: tch::kind::Element + Copy + Default>(tensor: &Tensor) -> Vec<T> {
    let mut numbers = vec![T::default(); tensor.numel()];
    let count = numbers.len();
    tensor.to_device(tch::Device::Cpu).contiguous().copy_data(&mut numbers, count);
    numbers
}

/// Ids that name rows of a batch, on the model's device.
pub(super) fn row_index(rows: &[i64], encoded: &Encoded) -> Tensor {
    Tensor::from_slice(rows).to_device(encoded.output.device())
}

pub(super) fn is_end(token: u32) -> bool {
    token == EOS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_penalty_has_gnmts_form() {
        assert_eq!(length_penalty(1, 0.6), 1.0);
        assert!((length_penalty(7, 0.6) - 2f64.powf(0.6)).abs() < 1e-15);
        assert_eq!(length_penalty(30, 0.0), 1.0);
    }
}
