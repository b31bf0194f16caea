//! Shared parts of greedy and beam search: hypotheses, their scores, the next token's probabilities.

use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::model::Network;
use crate::shim::decoding;
use tch::Tensor;

/// A finished translation.
#[derive(Debug, Clone, PartialEq)]
pub struct Hypothesis {
    /// Token ids without `<s>` and `</s>`.
    pub tokens: Vec<u32>,
    /// Sum of the tokens' log-probabilities, `</s>` included if it was produced, in nats.
    pub log_probability: f64,
    /// The ranking score: the log-probability over the length penalty.
    pub score: f64,
}

/// The model's interface for a search: from a hidden state to log-probabilities of allowed tokens.
pub(super) struct NextToken<'a> {
    pub model: &'a dyn Network,
    pub vocabulary: usize,
}

impl NextToken<'_> {
    /// Returns the first input of every row: `<s>`, [R, 1].
    pub fn begin(&self, rows: usize) -> Tensor {
        Tensor::full([rows as i64, 1], i64::from(BOS), (tch::Kind::Int64, self.model.device()))
    }

    /// Returns the next input of every row: its last token, [R, 1].
    pub fn inputs(&self, tokens: &[i64]) -> Tensor {
        Tensor::from_slice(tokens).to_device(self.model.device()).unsqueeze(1)
    }

    /// Returns the `count` most probable allowed tokens of each row, best first: log-probabilities and ids. Of equally
    /// probable tokens, those with smaller ids come first.
    ///
    /// The softmax runs over all rows of the embedding matrix. Padding, `<s>` and rows beyond the vocabulary are
    /// removed only afterwards.
    ///
    /// # Shapes
    /// Hidden [R, W] → R vectors of at most `count` tokens.
    pub fn best(&self, hidden: &Tensor, count: usize) -> Vec<Vec<(f64, u32)>> {
        let logits = self.model.logits(hidden);
        // Padding and `<s>` are the first two ids.
        let (count, first) = (count.min(self.vocabulary - 2), BOS as usize + 1);
        if decoding::takes(logits.kind(), logits.device()) {
            let found = decoding::most_probable(&logits, first..self.vocabulary, count);
            let pairs: Vec<(f64, u32)> = found.log_probabilities.into_iter().zip(found.ids).collect();
            return pairs.chunks(count).map(<[_]>::to_vec).collect();
        }
        let normaliser = logits.logsumexp(-1, true);
        let allowed = logits.narrow(1, 0, self.vocabulary as i64);
        for forbidden in [PAD, BOS] {
            let _ = allowed.select(1, i64::from(forbidden)).fill_(f64::NEG_INFINITY);
        }
        // One more, because `topk` takes any of several equal values: the extra one shows whether a tie was cut.
        let looked_at = (count + 1).min(self.vocabulary - 2);
        let (values, ids) = allowed.topk(looked_at as i64, -1, true, true);
        let log_probabilities: Vec<f64> = flat(&(&values - normaliser).to_kind(tch::Kind::Double));
        let values: Vec<f64> = flat(&values.to_kind(tch::Kind::Double));
        let ids: Vec<i64> = flat(&ids);
        let best_of_row = |row: usize| {
            let columns = row * looked_at..(row + 1) * looked_at;
            let (values, log_probabilities) = (&values[columns.clone()], &log_probabilities[columns.clone()]);
            let mut ids = ids[columns].to_vec();
            let last = values[count - 1];
            if values.get(count) == Some(&last) {
                ids.truncate(values.iter().filter(|&&value| value > last).count());
                // In the order of their ids.
                ids.extend(flat::<i64>(&allowed.get(row as i64).eq(last).nonzero().flatten(0, -1)));
            }
            let pairs = log_probabilities.iter().zip(ids).take(count);
            let mut best: Vec<(f64, u32)> =
                pairs.map(|(&log_probability, id)| (log_probability, id as u32)).collect();
            best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
            best
        };
        (0..values.len() / looked_at).map(best_of_row).collect()
    }
}

fn flat<T: tch::kind::Element + Copy + Default>(tensor: &Tensor) -> Vec<T> {
    let mut numbers = vec![T::default(); tensor.numel()];
    let count = numbers.len();
    tensor.to_device(tch::Device::Cpu).contiguous().copy_data(&mut numbers, count);
    numbers
}

pub(super) fn is_end(token: u32) -> bool {
    token == EOS
}
