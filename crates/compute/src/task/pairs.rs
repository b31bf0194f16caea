//! Sentence pairs: their tensors, and the likelihood of their targets.

use crate::config::Experiment;
use crate::data::batch::sorted_batches;
use crate::data::collate::{Batch, collate, collate_prefixes, micro_batch};
use crate::data::prepared::Prepared;
use crate::data::store::Store;
use crate::decode::DecodingConfig;
use crate::decode::translate::translate;
use crate::error::{Error, Result};
use crate::model::Network;
use crate::signal::StopFlag;
use crate::train::PrefixLoss;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::{self, Likelihood};
use crate::train::pairs::Pairs;
use tch::Device;

impl BatchSource for Pairs<'_> {
    fn collate(&self, pairs: &[u32], device: Device) -> Batch {
        match self.prefix {
            None => micro_batch(self.batching, self.store, pairs, device),
            Some(loss) => collate_prefixes(self.store, pairs, loss, device),
        }
    }
}

/// Returns the pairs of a training text in the form that an experiment's model reads.
pub fn batches<'a>(experiment: &Experiment, store: &'a Store) -> Box<dyn BatchSource + 'a> {
    let training = &experiment.training;
    Box::new(match experiment.reads_prefixes() {
        false => Pairs::of(store, training),
        true => Pairs::as_prefixes(store, training),
    })
}

/// Lets the model write for the first `count` sources of `store`. Returns the tokens of the best hypothesis for each.
pub fn written(
    model: &dyn Network,
    config: &DecodingConfig,
    data: &Prepared,
    store: &Store,
    count: usize,
    stop: &StopFlag,
) -> Result<Vec<Vec<u32>>> {
    let sources = data.sources_to_translate(store, count);
    let vocabulary = data.tokenizers.target().len();
    let found = translate(model, config, vocabulary, &sources, 1, stop, &mut |_| ())?;
    Ok(found.into_iter().map(|mut best| best.swap_remove(0).tokens).collect())
}

/// Does the same by greedy search, for a few sources. Cannot be stopped, because the work is short and the training
/// loop checks the flag right after it.
pub fn written_greedily(
    model: &dyn Network,
    config: &DecodingConfig,
    data: &Prepared,
    store: &Store,
    count: usize,
) -> Result<Vec<Vec<u32>>> {
    let greedy = DecodingConfig { beam: 1, ..config.clone() };
    written(model, &greedy, data, store, count, &StopFlag::never())
}

/// Computes the teacher-forced likelihood of every target of `store`, without dropout, in the form that the model reads.
///
/// # Errors
/// A user error if a sentence is longer than a learned position table.
pub fn likelihood_of(experiment: &Experiment, model: &dyn Network, store: &Store) -> Result<Likelihood> {
    let tokens = experiment.training.micro_batch_tokens;
    match experiment.reads_prefixes() {
        false => likelihood(model, store, tokens),
        true => prefix_likelihood(model, store, tokens),
    }
}

/// Computes the teacher-forced likelihood of every target of `store`, without dropout, in batches of at most
/// `batch_tokens` padded tokens a side.
///
/// # Errors
/// A user error if a sentence is longer than a learned position table.
pub fn likelihood(model: &dyn Network, store: &Store, batch_tokens: usize) -> Result<Likelihood> {
    let lengths: Vec<(usize, usize)> = (0..store.len() as u32).map(|pair| store.lengths(pair)).collect();
    // Training drops long pairs, but the dev and test sets are always complete.
    let longest = lengths.iter().map(|&(source, target)| source.max(target)).max().unwrap_or(0);
    if let Some(limit) = model.longest()
        && longest as i64 + 1 > limit
    {
        return Err(Error::user(format!(
            "the longest sentence has {longest} tokens, but model.learned_positions = {limit} leaves room for {}; use {} or more",
            limit - 1,
            longest + 1
        )));
    }
    let batches = sorted_batches(&lengths, batch_tokens).into_iter();
    Ok(likelihood::likelihood(model, batches.map(|pairs| collate(store, &pairs, model.device()))))
}

/// Does the same for a model without an encoder, which reads each source in the row of its target.
///
/// # Errors
/// A user error if a pair is longer than a learned position table.
pub fn prefix_likelihood(model: &dyn Network, store: &Store, batch_tokens: usize) -> Result<Likelihood> {
    // The longer side of a pair here is the whole row.
    let lengths: Vec<(usize, usize)> = (0..store.len() as u32)
        .map(|pair| store.lengths(pair))
        .map(|(source, target)| (source, source + target + 1))
        .collect();
    let longest = lengths.iter().map(|&(_, row)| row + 1).max().unwrap_or(0);
    if let Some(limit) = model.longest()
        && longest as i64 > limit
    {
        return Err(Error::user(format!(
            "source and target of the longest pair have {longest} tokens with their ends, but model.learned_positions = \
             {limit}; use {longest} or more"
        )));
    }
    let batches = sorted_batches(&lengths, batch_tokens).into_iter();
    let collate = |pairs: Vec<u32>| collate_prefixes(store, &pairs, PrefixLoss::Target, model.device());
    Ok(likelihood::likelihood(model, batches.map(collate)))
}
