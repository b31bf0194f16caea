//! Greedy search: the most probable token at every step (`decoding.beam = 1`).

use super::DecodingConfig;
use super::search::{Hypothesis, NextToken, is_end};
use crate::model::Stepper;
use crate::stopwatch::{Phase, lap};
use tch::Tensor;

/// A sentence whose translation is not finished.
struct Open {
    /// Number of the sentence in the batch.
    sentence: usize,
    tokens: Vec<u32>,
    log_probability: f64,
}

/// Returns one hypothesis for each source of the batch. `limits` are the maximum lengths of the translations, `</s>`
/// included. A hypothesis that reaches its limit without `</s>` is returned as it is.
pub(super) fn search(
    next: &NextToken,
    config: &DecodingConfig,
    mut stepper: Box<dyn Stepper + '_>,
    limits: &[usize],
) -> Vec<Vec<Hypothesis>> {
    let mut found: Vec<Vec<Hypothesis>> = vec![Vec::new(); limits.len()];
    let mut open: Vec<Open> = (0..limits.len())
        .map(|sentence| Open { sentence, tokens: Vec::new(), log_probability: 0.0 })
        .collect();
    let mut inputs = next.begin(open.len());
    while !open.is_empty() {
        let hidden = stepper.step(&inputs);
        lap(Phase::Decoder);
        let best = next.best(&hidden, 1);
        lap(Phase::NextToken);
        let mut kept_rows = Vec::new();
        let mut kept = Vec::new();
        for (row, (mut sentence, best)) in open.into_iter().zip(best).enumerate() {
            let (log_probability, token) = best[0];
            sentence.log_probability += log_probability;
            let length = sentence.tokens.len() + 1;
            if !is_end(token) {
                sentence.tokens.push(token);
            }
            if is_end(token) || length == limits[sentence.sentence] {
                let score = config.score(sentence.log_probability, length);
                let Open { sentence, tokens, log_probability } = sentence;
                found[sentence].push(Hypothesis { tokens, log_probability, score });
            } else {
                kept_rows.push(row as i64);
                kept.push(sentence);
            }
        }
        lap(Phase::Search);
        if kept.len() < rows_of(&inputs) && !kept.is_empty() {
            stepper.select(&kept_rows, false);
        }
        open = kept;
        let last: Vec<i64> =
            open.iter().map(|s| i64::from(*s.tokens.last().expect("an open sentence has tokens"))).collect();
        inputs = next.inputs(&last);
        lap(Phase::Cache);
    }
    found
}

fn rows_of(inputs: &Tensor) -> usize {
    inputs.size()[0] as usize
}
