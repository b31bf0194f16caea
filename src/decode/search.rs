//! What greedy and beam search share: batches of sources, the next token's probabilities, scores.

use super::{DecodingConfig, beam, greedy};
use crate::data::collate::pad_sources;
use crate::data::tokenizer::{BOS, EOS, PAD};
use crate::error::{Error, Result};
use crate::model::dropout::Mode;
use crate::model::{Encoded, Transformer};
use crate::signal::StopFlag;
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

/// Translates `sources` (ids without `</s>`) in batches of like lengths; the best `n_best`
/// hypotheses of each, best first, in the order of the sources. An empty source gives an empty translation.
///
/// `vocabulary` is the number of ids that may be produced. `done` hears of every finished batch's size.
///
/// # Errors
/// A user error if a source is longer than a learned position table; [`Error::Stopped`] if the stop flag is raised.
pub fn translate(
    model: &Transformer,
    config: &DecodingConfig,
    vocabulary: usize,
    sources: &[Vec<u32>],
    n_best: usize,
    stop: &StopFlag,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Hypothesis>>> {
    if let Some(limit) = model.position_limit()
        && let Some(at) = sources.iter().position(|s| s.len() as i64 + 1 > limit)
    {
        return Err(Error::user(format!(
            "sentence {} has {} tokens, but model.learned_positions = {limit} leaves room for {}",
            at + 1,
            sources[at].len(),
            limit - 1
        )));
    }
    let mut found: Vec<Vec<Hypothesis>> = vec![Vec::new(); sources.len()];
    let empty = Hypothesis { tokens: Vec::new(), log_probability: 0.0, score: 0.0 };
    let mut order: Vec<usize> = (0..sources.len()).filter(|&i| !sources[i].is_empty()).collect();
    for (index, hypotheses) in found.iter_mut().enumerate().filter(|(i, _)| sources[*i].is_empty()) {
        debug_assert!(sources[index].is_empty());
        hypotheses.push(empty.clone());
    }
    done(sources.len() - order.len());
    order.sort_by_key(|&i| sources[i].len());
    for batch in batches(&order, sources, config) {
        if stop.is_raised() {
            return Err(Error::Stopped("while translating".into()));
        }
        let ids: Vec<Vec<i64>> =
            batch.iter().map(|&i| sources[i].iter().map(|&t| i64::from(t)).collect()).collect();
        let hypotheses = tch::no_grad(|| search(model, config, vocabulary, &ids, n_best));
        for (&index, hypotheses) in batch.iter().zip(hypotheses) {
            found[index] = hypotheses;
        }
        done(batch.len());
    }
    Ok(found)
}

/// Neighbours in `order` as long as padded tokens times beam stay within the budget.
fn batches<'a>(order: &'a [usize], sources: &[Vec<u32>], config: &DecodingConfig) -> Vec<&'a [usize]> {
    let mut batches = Vec::new();
    let mut first = 0;
    for end in 1..=order.len() {
        let longest = |end: usize| sources[order[end]].len() + 1;
        if end == order.len() || (end + 1 - first) * longest(end) * config.beam > config.batch_tokens {
            batches.push(&order[first..end]);
            first = end;
        }
    }
    batches
}

fn search(
    model: &Transformer,
    config: &DecodingConfig,
    vocabulary: usize,
    sources: &[Vec<i64>],
    n_best: usize,
) -> Vec<Vec<Hypothesis>> {
    let (ids, lengths) = pad_sources(sources, model.device());
    let encoded = model.encode(&ids, &lengths, &Mode::evaluation());
    let limit = model.position_limit().unwrap_or(i64::MAX) as usize;
    let limits: Vec<usize> =
        sources.iter().map(|s| (s.len() + config.max_extra_length).clamp(1, limit)).collect();
    let next = NextToken { model, vocabulary };
    if config.beam == 1 {
        greedy::search(&next, config.length_penalty, &encoded, &limits)
    } else {
        beam::search(&next, config, &encoded, &limits, n_best)
    }
}

/// The model as a search sees it: hidden state to log-probabilities of allowed tokens.
pub(super) struct NextToken<'a> {
    pub model: &'a Transformer,
    vocabulary: usize,
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

    #[test]
    fn batches_respect_the_budget_and_hold_every_sentence_once() {
        let sources: Vec<Vec<u32>> = (0..40).map(|n| vec![5; n]).collect();
        let order: Vec<usize> = (0..40).collect();
        let config = DecodingConfig { beam: 2, batch_tokens: 100, ..Default::default() };
        let batches = batches(&order, &sources, &config);
        assert_eq!(batches.concat(), order);
        for batch in batches {
            let longest = batch.iter().map(|&i| sources[i].len() + 1).max().unwrap();
            assert!(batch.len() == 1 || batch.len() * longest * 2 <= 100, "{batch:?}");
        }
    }
}
