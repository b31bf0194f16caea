//! The likelihood of known targets under a model: perplexity and accuracy.

use super::loss::cross_entropy;
use super::negative_sampling::Scores;
use super::next_sentence;
use crate::data::collate::Batch;
use crate::model::mode::Mode;
use crate::model::network::{Network, Outputs};
use tch::{Kind, Tensor};

/// Sums over every target token of a set, without padding, with the end of sentence if there is one.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likelihood {
    /// Negative log-likelihood, unsmoothed, in nats.
    pub nats: f64,
    /// Number of target tokens, with one `</s>` for each sentence if there are sentences.
    pub tokens: usize,
    /// Number of tokens that the model finds more probable than all others, or than those with which they are compared.
    pub correct: usize,
    /// Number of rows of two texts.
    pub pairs: usize,
    /// Number of these rows in which the model judges rightly whether the second text follows the first.
    pub told: usize,
}

impl Likelihood {
    /// Returns the loss in nats per token.
    pub fn loss(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    /// Returns the perplexity per token: with BPE, per BPE token (paper, Table 3).
    pub fn perplexity(&self) -> f64 {
        self.loss().exp()
    }

    /// Returns the perplexity per word, if the text has `words` words, with one end of sentence for each line.
    pub fn perplexity_per(&self, words: usize) -> f64 {
        (self.nats / words as f64).exp()
    }

    /// Returns the bits per character, if the text has `characters` characters, with the ends of lines.
    pub fn bits_per(&self, characters: usize) -> f64 {
        self.nats / characters as f64 / std::f64::consts::LN_2
    }

    /// Counts the model's judgements of the second texts of a batch, if there are any.
    pub fn add_second_texts(&mut self, scores: Option<Tensor>, batch: &Batch) {
        if let (Some(scores), Some(texts)) = (scores, &batch.second_texts) {
            self.told += next_sentence::correct(&scores, texts);
            self.pairs += scores.size()[0] as usize;
        }
    }

    /// Returns the share of second texts that the model judges rightly, 0 to 1; `None` if there are none.
    pub fn next_sentence_accuracy(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.told as f64 / self.pairs as f64)
    }

    /// Returns the share of tokens that are predicted right from the reference before them, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.tokens as f64
    }
}

/// Computes the likelihood of every target of `batches`, each given the targets before it, without dropout.
pub fn likelihood(model: &dyn Network, batches: impl IntoIterator<Item = Batch>) -> Likelihood {
    let mut total = Likelihood::default();
    for batch in batches {
        tch::no_grad(|| {
            let Outputs { hidden, second_texts } = model.outputs(&batch, &Mode::evaluation());
            total.add_second_texts(second_texts, &batch);
            if let Some(negatives) = &batch.negatives {
                let scores = Scores::of(&hidden, model.softmax_matrix(), &batch.targets, negatives);
                total.nats += scores.loss().double_value(&[]);
                total.correct += scores.correct();
                return;
            }
            let logits = model.logits(&hidden);
            let loss = cross_entropy(&logits, &batch.targets, 0.0);
            total.nats += loss.unsmoothed.double_value(&[]);
            let right = logits.argmax(-1, false).eq_tensor(&batch.targets).sum(Kind::Int64);
            total.correct += right.int64_value(&[]) as usize;
        });
        total.tokens += batch.target_tokens;
    }
    total
}
