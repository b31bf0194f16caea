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
    /// Its number in the batch.
    number: usize,
    /// Unfinished hypotheses, best first; at the first step one, the empty one.
    open: Vec<Open>,
    /// Finished ones, best first, at most as many as the beam is wide.
    finished: Vec<Hypothesis>,
}

#[derive(Clone)]
struct Open {
    tokens: Vec<u32>,
    log_probability: f64,
}

/// A hypothesis of the last step, by its row, and the token to put behind it.
struct Candidate {
    row: usize,
    token: u32,
    log_probability: f64,
}

/// The best `n_best` hypotheses for each source of the batch; `limits` are the greatest lengths.
///
/// A hypothesis is given up when it can no longer beat the `n_best`-th finished one, whatever tokens follow, and a
/// sentence's search ends when none is left, or at its limit. What it returns is the best of all hypotheses that a
/// beam of this width finishes, unless `decoding.early_stopping` ends it sooner.
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
        // A row's source changes only when sentences leave or, after the first step, rows are multiplied.
        let same_sources = owners(&sentences) == owners_before;
        let in_place = same_sources && rows.iter().enumerate().all(|(place, &row)| place as i64 == row);
        if !in_place {
            stepper.select(&rows, same_sources);
        }
        inputs = next.inputs(&tokens);
        lap(Phase::Cache);
    }
}

/// The number of the sentence that each row belongs to.
fn owners(sentences: &[Sentence]) -> Vec<usize> {
    sentences.iter().flat_map(|sentence| std::iter::repeat_n(sentence.number, sentence.open.len())).collect()
}

impl Sentence {
    /// One step: extends the open hypotheses by the `best` tokens of their rows. Gives the parent
    /// of each hypothesis that stays open.
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
        // Which of those that end may finish: all of them, or those that are within the beam.
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

    /// Keeps the best `beam` finished hypotheses; among equals the earlier.
    fn finish(&mut self, hypothesis: Hypothesis, beam: usize) {
        let place = self.finished.partition_point(|other| other.score >= hypothesis.score);
        self.finished.insert(place, hypothesis);
        self.finished.truncate(beam);
    }

    /// Drops the open hypotheses that cannot beat the `n_best`-th finished one, whatever tokens follow.
    ///
    /// A continuation is never more probable than its beginning. So the continuations of a dropped hypothesis rank below
    /// every continuation that can still win, and dropping it takes no place from one of those.
    fn drop_hopeless(&mut self, config: &DecodingConfig, limit: usize, n_best: usize) {
        let Some(worst) = self.finished.get(n_best.min(config.beam) - 1) else { return };
        // Log-probabilities only fall, and what finishes has `limit` tokens at most, `</s>` counted: the largest penalty still
        // ahead bounds every continuation.
        let can_win = |open: &Open| config.score(open.log_probability, limit) > worst.score;
        let winners = self.open.partition_point(can_win);
        // Where finished ones are counted, those that lose count as well.
        if winners == 0 || !config.early_stopping {
            self.open.truncate(winners);
        }
    }

    fn is_done(&self, config: &DecodingConfig, limit: usize) -> bool {
        config.early_stopping && self.finished.len() >= config.beam
            || self.open.first().is_none_or(|best| best.tokens.len() >= limit)
    }

    /// The best finished hypotheses; if none finished within the limit, the open ones as they are.
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
