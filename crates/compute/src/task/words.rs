//! Word vectors: words near each other in running text are distinguished from noise words (Mikolov et al. 2013a, b).
//!
//! The two models, skip-gram and CBOW, differ in the words that are drawn ([`WordBlocks`]). They share the network and
//! the loss.

use super::Task;
use crate::config::Experiment;
use crate::data::collate::{Batch, collate_words};
use crate::data::prepared::Prepared;
use crate::data::store::Store;
use crate::data::tokenizer::FIRST_OF_TEXT;
use crate::data::words::{by_frequency, count_words};
use crate::error::{Error, Result};
use crate::model::Network;
use crate::results::metric::{LOSS, PREDICTION_ACCURACY};
use crate::results::render::markdown;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::{self, Likelihood};
use crate::train::word_blocks::WordBlocks;
use tch::{Device, Tensor};

/// Number of nearest words in a sample.
const NEAREST: usize = 8;

/// An experiment that trains word vectors.
pub struct WordVectors<'a> {
    pub experiment: &'a Experiment,
    /// Number of tokens in the vocabulary, special ones included.
    pub vocabulary: usize,
}

impl BatchSource for WordBlocks<'_> {
    fn collate(&self, examples: &[u32], device: Device) -> Batch {
        let examples: Vec<_> = examples.iter().map(|&example| self.example(example)).collect();
        collate_words(&examples, self.config(), device)
    }
}

impl Task for WordVectors<'_> {
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a> {
        Box::new(WordBlocks::of(store, &self.experiment.training, self.vocabulary))
    }

    /// Computes the likelihood of the predicted words against noise words, which are the same for every training.
    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood> {
        let training = &self.experiment.training;
        let (kind, tokens) = (training.words.model, training.micro_batch_tokens);
        likelihood(model, &WordBlocks::of_evaluation(store, kind, tokens, self.vocabulary))
    }

    fn measures(&self, found: &Likelihood, _lines: &[String]) -> Vec<(&'static str, f64)> {
        vec![(LOSS, found.loss()), (PREDICTION_ACCURACY, found.accuracy())]
    }

    /// Shows words of the set, frequent and rare ones, and the words with the nearest vectors.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String> {
        let mut table =
            String::from("| word | nearest words, by the cosine of the vectors |\n| --- | --- |\n");
        let label = |id: u32| markdown::escape(&data.tokenizers.target().label(id));
        for word in chosen(&count_words(store, self.vocabulary), count) {
            let near = nearest(model.source_embedding(), word, self.vocabulary, NEAREST);
            let near = near.into_iter().map(|(id, cosine)| format!("{} {cosine:.2}", label(id)));
            table += &format!("| {} | {} |\n", label(word), near.collect::<Vec<_>>().join(", "));
        }
        Ok(table)
    }
}

/// Computes the likelihood of the predicted words against noise.
///
/// # Errors
/// A user error if the text has no two words in a block.
pub fn likelihood(model: &dyn Network, blocks: &WordBlocks) -> Result<Likelihood> {
    let batches = blocks.numbered.in_order().into_iter();
    let found =
        likelihood::likelihood(model, batches.map(|examples| blocks.collate(&examples, model.device())));
    match found.tokens {
        0 => Err(Error::user(
            "the text to measure by has no two words in a block, and so none with a context; use a longer text",
        )),
        _ => Ok(found),
    }
}

/// Chooses at most `count` words, from frequent to rare; their ranks by frequency grow by a constant factor.
fn chosen(counts: &[u64], count: usize) -> Vec<u32> {
    let order = by_frequency(counts);
    let rank = |number: usize| (order.len() as f64).powf(number as f64 / (count + 1) as f64) as usize;
    let mut ranks: Vec<usize> = (1..=count).map(rank).filter(|&rank| rank < order.len()).collect();
    ranks.dedup();
    ranks.into_iter().map(|rank| order[rank]).collect()
}

/// Returns the words whose vectors have the largest cosines with that of `word`, and the cosines. Ignores special tokens.
fn nearest(matrix: &Tensor, word: u32, vocabulary: usize, count: usize) -> Vec<(u32, f64)> {
    let first = i64::from(FIRST_OF_TEXT);
    let cosines = tch::no_grad(|| {
        let vectors = matrix.narrow(0, first, vocabulary as i64 - first);
        let own = matrix.get(i64::from(word)).unsqueeze(0);
        Tensor::cosine_similarity(&vectors, &own, 1, 1e-8).to_device(Device::Cpu).to_kind(tch::Kind::Double)
    });
    let cosines: Vec<f64> = Vec::try_from(cosines).expect("a number for each word");
    let others = (FIRST_OF_TEXT..).zip(cosines).filter(|(id, cosine)| *id != word && cosine.is_finite());
    let mut others: Vec<(u32, f64)> = others.collect();
    others.sort_by(|one, other| other.1.total_cmp(&one.1));
    others.truncate(count);
    others
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nearest_words_have_the_largest_cosines_and_are_no_special_tokens() {
        let rows = [[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [0.0, 2.0], [1.0, 1.0], [0.1, 5.0], [0.0, -1.0]];
        let found = nearest(&Tensor::from_slice2(&rows), 3, 6, 2);
        assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [5, 4]);
        assert!((found[1].1 - 0.5f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn frequent_and_rare_words_are_chosen() {
        let counts: Vec<u64> = (0..1_000).map(|id| if id < 3 { 0 } else { 1_000 - id }).collect();
        assert_eq!(chosen(&counts, 2), [3 + 9, 3 + 99]);
        assert!(chosen(&counts[..3], 2).is_empty());
        assert_eq!(chosen(&[5, 4], 4), [4 - 3]);
    }
}
