//! Translates a text in batches of sentences of similar length, each batch by greedy or beam search.

use super::search::{Hypothesis, NextToken};
use super::{DecodingConfig, beam, greedy};
use crate::data::collate::pad_sources;
use crate::error::{Error, Result};
use crate::model::{Generator, Network};
use crate::signal::StopFlag;
use crate::stopwatch::{Phase, lap};

/// Translates `sources` (ids without `</s>`) in batches of similar length. Returns the best `n_best` hypotheses of
/// each, best first, in the order of the sources. An empty source gives an empty translation.
///
/// `vocabulary` is the number of ids that may be produced. `done` is called with the size of every finished batch.
///
/// # Errors
/// A user error if the model has no decoder or a source is longer than the model takes; [`Error::Stopped`] if the stop
/// flag is raised.
pub fn translate(
    model: &dyn Network,
    config: &DecodingConfig,
    vocabulary: usize,
    sources: &[Vec<u32>],
    n_best: usize,
    stop: &StopFlag,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Vec<Hypothesis>>> {
    check_lengths(model, sources, &|number| format!("sentence {number}"))?;
    let Some(generator) = model.generator() else {
        return Err(Error::user("this model only reads: it has no decoder that could translate"));
    };
    let _rest = model.weights().rest();
    let mut found: Vec<Vec<Hypothesis>> = vec![Vec::new(); sources.len()];
    let empty = Hypothesis { tokens: Vec::new(), log_probability: 0.0, score: 0.0 };
    let mut order: Vec<usize> = (0..sources.len()).filter(|&i| !sources[i].is_empty()).collect();
    for (hypotheses, _) in found.iter_mut().zip(sources).filter(|(_, source)| source.is_empty()) {
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
        let hypotheses = tch::no_grad(|| search(model, generator, config, vocabulary, &ids, n_best));
        for (&index, hypotheses) in batch.iter().zip(hypotheses) {
            found[index] = hypotheses;
        }
        lap(Phase::Search);
        done(batch.len());
    }
    Ok(found)
}

/// Refuses sources that are longer than the model takes. `place` names a source by its number, counted from 1.
///
/// # Errors
/// A user error that names the first such source.
pub fn check_lengths(
    model: &dyn Network,
    sources: &[Vec<u32>],
    place: &dyn Fn(usize) -> String,
) -> Result<()> {
    let too_long = |source: &Vec<u32>| model.room(source.len() + 1) == Some(0);
    if let (Some(limit), Some(at)) = (model.longest(), sources.iter().position(too_long)) {
        // If source and target share a row, the target needs one more position.
        let most = if model.room(limit as usize) == Some(0) { limit - 2 } else { limit - 1 };
        return Err(Error::user(format!(
            "{} has {} tokens, but model.learned_positions = {limit} leaves room for {most}",
            place(at + 1),
            sources[at].len(),
        )));
    }
    Ok(())
}

/// Groups neighbours of `order` while their padded tokens times the beam stay within the budget.
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
    model: &dyn Network,
    generator: &dyn Generator,
    config: &DecodingConfig,
    vocabulary: usize,
    sources: &[Vec<i64>],
    n_best: usize,
) -> Vec<Vec<Hypothesis>> {
    let (ids, lengths) = pad_sources(sources, model.device());
    lap(Phase::Data);
    let stepper = generator.start(&ids, &lengths);
    lap(Phase::Encoder);
    let limit = |source: &Vec<i64>| {
        let room = model.room(source.len() + 1).unwrap_or(usize::MAX);
        (source.len() + config.max_extra_length).clamp(1, room)
    };
    let limits: Vec<usize> = sources.iter().map(limit).collect();
    let next = NextToken { model, vocabulary };
    if config.beam == 1 {
        greedy::search(&next, config, stepper, &limits)
    } else {
        beam::search(&next, config, stepper, &limits, n_best)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
