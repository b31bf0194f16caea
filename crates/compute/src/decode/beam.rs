//! Beam search with a length penalty (§6.1).
//!
//! All bookkeeping is on the host, in one place and in a fixed order, so that ties are broken the
//! same way everywhere: by score, then by the older hypothesis, then by the smaller token.

use super::DecodingConfig;
use super::search::{Hypothesis, NextToken, is_end};
use crate::model::Stepper;
use crate::stopwatch::{Phase, lap};

/// The search of one sentence.
struct Sentence {
    /// Number of the sentence in the batch.
    number: usize,
    /// Unfinished hypotheses, best first; before the first step only the empty one.
    open: Vec<Open>,
    /// Finished hypotheses, best first, at most as many as the beam is wide.
    finished: Vec<Hypothesis>,
}

#[derive(Clone)]
struct Open {
    tokens: Vec<u32>,
    log_probability: f64,
}

/// An extension of an open hypothesis: the row of the hypothesis and the token to append.
struct Candidate {
    row: usize,
    token: u32,
    log_probability: f64,
}

/// Returns the best `n_best` hypotheses for each source of the batch; `limits` are the maximum lengths.
///
/// A hypothesis is dropped when it can no longer beat the `n_best`-th finished one, whatever tokens follow. A
/// sentence's search ends when no hypothesis is left, or at its limit. The result is the best of all hypotheses that a
/// beam of this width finishes, unless `decoding.early_stopping` ends the search sooner.
pub(super) fn search(
    next: &NextToken,
    config: &DecodingConfig,
    mut stepper: Box<dyn Stepper + '_>,
    limits: &[usize],
    n_best: usize,
) -> Vec<Vec<Hypothesis>> {
    let mut results: Vec<Vec<Hypothesis>> = vec![Vec::new(); limits.len()];
    let start = Open { tokens: Vec::new(), log_probability: 0.0 };
    let mut sentences: Vec<Sentence> = (0..limits.len())
        .map(|number| Sentence { number, open: vec![start.clone()], finished: Vec::new() })
        .collect();
    let mut inputs = next.begin(sentences.len());
    loop {
        let hidden = stepper.step(&inputs);
        lap(Phase::Decoder);
        let best = next.best(&hidden, 2 * config.beam);
        lap(Phase::NextToken);
        let owners_before = owners(&sentences);
        let (mut rows, mut tokens) = (Vec::new(), Vec::new());
        let mut going_on = Vec::new();
        let mut first_row = 0;
        for mut sentence in sentences {
            let width = sentence.open.len();
            let mut parents = sentence.advance(&best[first_row..first_row + width], config);
            sentence.drop_hopeless(config, limits[sentence.number], n_best);
            parents.truncate(sentence.open.len());
            if sentence.is_done(config, limits[sentence.number]) {
                let number = sentence.number;
                results[number] = sentence.into_best(config, n_best);
            } else {
                rows.extend(parents.iter().map(|&parent| (first_row + parent) as i64));
                tokens.extend(sentence.open.iter().map(|open| i64::from(open.tokens[open.tokens.len() - 1])));
                going_on.push(sentence);
            }
            first_row += width;
        }
        if going_on.is_empty() {
            return results;
        }
        sentences = going_on;
        lap(Phase::Search);
        // Sources change their rows only when sentences leave or, after the first step, when rows are repeated.
        let same_sources = owners(&sentences) == owners_before;
        let in_place = same_sources && rows.iter().enumerate().all(|(place, &row)| place as i64 == row);
        if !in_place {
            stepper.select(&rows, same_sources);
        }
        inputs = next.inputs(&tokens);
        lap(Phase::Cache);
    }
}

/// Returns the sentence number of each row.
fn owners(sentences: &[Sentence]) -> Vec<usize> {
    sentences.iter().flat_map(|sentence| std::iter::repeat_n(sentence.number, sentence.open.len())).collect()
}

impl Sentence {
    /// Takes one step: extends the open hypotheses by the `best` tokens of their rows. Returns the parent of each
    /// hypothesis that stays open.
    fn advance(&mut self, best: &[Vec<(f64, u32)>], config: &DecodingConfig) -> Vec<usize> {
        let mut candidates: Vec<Candidate> = Vec::new();
        for (row, (open, best)) in self.open.iter().zip(best).enumerate() {
            candidates.extend(best.iter().map(|&(log_probability, token)| Candidate {
                row,
                token,
                log_probability: open.log_probability + log_probability,
            }));
        }
        candidates.sort_by(|a, b| {
            b.log_probability
                .total_cmp(&a.log_probability)
                .then(a.row.cmp(&b.row))
                .then(a.token.cmp(&b.token))
        });
        // Twice the beam: even if half of them end, the beam stays full.
        candidates.truncate(2 * config.beam);
        let (mut open, mut parents) = (Vec::new(), Vec::new());
        // Candidates with `</s>` that may finish: all of them or, with early stopping, those within the beam.
        let finishing = if config.early_stopping { config.beam } else { 2 * config.beam };
        for (rank, candidate) in candidates.into_iter().enumerate() {
            let mut tokens = self.open[candidate.row].tokens.clone();
            if is_end(candidate.token) {
                if rank < finishing {
                    let log_probability = candidate.log_probability;
                    let score = config.score(log_probability, tokens.len() + 1);
                    self.finish(Hypothesis { tokens, log_probability, score }, config.beam);
                }
            } else if open.len() < config.beam {
                tokens.push(candidate.token);
                open.push(Open { tokens, log_probability: candidate.log_probability });
                parents.push(candidate.row);
            }
        }
        self.open = open;
        parents
    }

    /// Keeps the best `beam` finished hypotheses; of equal scores, the earlier one ranks higher.
    fn finish(&mut self, hypothesis: Hypothesis, beam: usize) {
        let place = self.finished.partition_point(|other| other.score >= hypothesis.score);
        self.finished.insert(place, hypothesis);
        self.finished.truncate(beam);
    }

    /// Drops the open hypotheses that cannot beat the `n_best`-th finished one, whatever tokens follow.
    ///
    /// A continuation is never more probable than its beginning. So the continuations of a dropped hypothesis rank
    /// below every continuation that can still win, and dropping the hypothesis takes no place from any of these.
    fn drop_hopeless(&mut self, config: &DecodingConfig, limit: usize, n_best: usize) {
        let Some(worst) = self.finished.get(n_best.min(config.beam) - 1) else { return };
        // Log-probabilities only fall, so the largest penalty still ahead bounds every continuation.
        let can_win = |open: &Open| config.score(open.log_probability, limit + 1) > worst.score;
        let winners = self.open.partition_point(can_win);
        // Early stopping counts the finished hypotheses, so even those that lose must finish.
        if winners == 0 || !config.early_stopping {
            self.open.truncate(winners);
        }
    }

    fn is_done(&self, config: &DecodingConfig, limit: usize) -> bool {
        config.early_stopping && self.finished.len() >= config.beam
            || self.open.first().is_none_or(|best| best.tokens.len() >= limit)
    }

    /// Returns the best finished hypotheses; the open ones if none finished within the limit.
    fn into_best(self, config: &DecodingConfig, n_best: usize) -> Vec<Hypothesis> {
        let mut best = self.finished;
        if best.is_empty() {
            best.extend(self.open.into_iter().map(|Open { tokens, log_probability }| {
                let score = config.score(log_probability, tokens.len());
                Hypothesis { tokens, log_probability, score }
            }));
        }
        best.truncate(n_best);
        best
    }
}
