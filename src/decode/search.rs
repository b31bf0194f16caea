//! What greedy and beam search share: hypotheses, their scores, the next token's probabilities.

use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::model::{Encoded, Transformer};
use crate::shim::decoding;
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

    /// The `count` most probable allowed tokens of each row, best first: log-probabilities and ids. Of equally
    /// probable tokens the smaller ids.
    ///
    /// The softmax runs over all rows of the embedding matrix; padding, `<s>` and rows beyond the
    /// vocabulary are left out only afterwards.
    ///
    /// # Shapes
    /// Hidden [R, D] → R vectors of at most `count`.
    pub fn best(&self, hidden: &Tensor, count: usize) -> Vec<Vec<(f64, u32)>> {
        let logits = self.model.logits(hidden);
        // Padding and `<s>` are the first two ids.
        let (count, first) = (count.min(self.vocabulary - 2), BOS as usize + 1);
        if decoding::takes(logits.kind(), logits.device()) {
            let found = decoding::most_probable(&logits, first..self.vocabulary, count);
            let pairs: Vec<(f64, u32)> = found.log_probabilities.into_iter().zip(found.ids).collect();
            return pairs.chunks(count).map(<[_]>::to_vec).collect();
        }
        let normaliser = log_sum_exp(&logits);
        let allowed = logits.narrow(1, 0, self.vocabulary as i64);
        for forbidden in [PAD, BOS] {
            let _ = allowed.select(1, i64::from(forbidden)).fill_(f64::NEG_INFINITY);
        }
        // One more, because `topk` takes any of equals: it shows whether a tie was cut.
        let looked_at = (count + 1).min(self.vocabulary - 2);
        let (values, ids) = largest(&allowed, looked_at as i64);
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

/// Rows whose exponentials are made at once: on a CPU they stay in the processor's cache.
const CHUNK_ROWS: usize = 64;

/// ln Σ exp of each row.
///
/// # Shapes
/// [R, V] → [R, 1].
fn log_sum_exp(logits: &Tensor) -> Tensor {
    let rows = logits.size()[0];
    let of_chunk = |first: i64| {
        let chunk = logits.narrow(0, first, rows.min(first + CHUNK_ROWS as i64) - first);
        let largest = chunk.amax([-1], true);
        (chunk - &largest).exp_().sum_dim_intlist(-1, true, None).log_() + largest
    };
    Tensor::cat(&(0..rows).step_by(CHUNK_ROWS).map(of_chunk).collect::<Vec<_>>(), 0)
}

/// Columns of which one number, the largest, is compared first.
const BLOCK: i64 = 64;

/// The `count` largest numbers of each row, largest first, and their columns; what `topk` gives, several times faster.
///
/// They are all in the `count` blocks of columns whose own largest numbers are the largest: whatever is in another
/// block has a larger or equal one in each of these.
///
/// # Shapes
/// [R, V] → [R, count] twice.
fn largest(numbers: &Tensor, count: i64) -> (Tensor, Tensor) {
    let (rows, columns) = (numbers.size()[0], numbers.size()[1]);
    let blocks = columns / BLOCK;
    if blocks < 4 * count {
        return numbers.topk(count, -1, true, true);
    }
    let blocked = numbers.narrow(1, 0, blocks * BLOCK).view([rows, blocks, BLOCK]);
    let (_, chosen) = blocked.amax([-1], false).topk(count, -1, true, false);
    let columns_from =
        |first: i64, end: i64| Tensor::arange_start(first, end, (tch::Kind::Int64, numbers.device()));
    let inside = (chosen.unsqueeze(-1) * BLOCK + columns_from(0, BLOCK)).view([rows, count * BLOCK]);
    // What no whole block holds is looked at always.
    let rest = columns_from(blocks * BLOCK, columns).unsqueeze(0).expand([rows, -1], false);
    let ids = Tensor::cat(&[inside, rest], 1);
    let (values, places) = numbers.gather(1, &ids, false).topk(count, -1, true, true);
    (values, ids.gather(1, &places, false))
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
    use tch::{Device, Kind};

    /// Numbers in a fixed disorder, of which many are equal.
    fn numbers(rows: i64, columns: i64) -> Tensor {
        let places = Tensor::arange(rows * columns, (Kind::Int64, Device::Cpu)) * 7_919;
        (places.remainder(1_009).to_kind(Kind::Float) / 50.0 - 9.0).view([rows, columns])
    }

    #[test]
    fn the_largest_numbers_are_topks() {
        for (columns, count) in [(40, 5), (BLOCK * 8, 2), (BLOCK * 40 + 17, 9), (10_515, 9), (10_515, 1)] {
            // Scores are a part of wider rows.
            let numbers = numbers(70, columns + 3).narrow(1, 0, columns);
            let (values, ids) = largest(&numbers, count);
            assert_eq!(values, numbers.topk(count, -1, true, true).0, "{columns} columns");
            assert_eq!(values, numbers.gather(1, &ids, false));
            let (sorted, _) = ids.sort(-1, false);
            let repeated = sorted.narrow(1, 1, count - 1).eq_tensor(&sorted.narrow(1, 0, count - 1));
            assert_eq!(repeated.any().int64_value(&[]), 0);
        }
    }

    #[test]
    fn the_last_columns_and_infinity_are_seen() {
        let numbers = numbers(3, BLOCK * 20 + 5);
        let _ = numbers.select(1, BLOCK * 20 + 4).fill_(100.0);
        let _ = numbers.select(1, 0).fill_(f64::NEG_INFINITY);
        assert_eq!(flat::<i64>(&largest(&numbers, 1).1), [BLOCK * 20 + 4; 3]);
    }

    #[test]
    fn exponentials_are_summed_row_by_row_without_overflow() {
        let numbers = numbers(150, 90) * 40.0;
        let gap = (log_sum_exp(&numbers) - numbers.logsumexp(-1, true)).abs().max();
        assert!(gap.double_value(&[]) < 1e-4, "{gap}");
    }
}
