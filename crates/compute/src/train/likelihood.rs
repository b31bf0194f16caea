//! How probable a model finds known translations: perplexity and accuracy.

use super::loss::cross_entropy;
use super::negative_sampling::Scores;
use super::next_sentence;
use crate::data::collate::Batch;
use crate::model::mode::Mode;
use crate::model::network::{Network, Outputs};
use tch::{Kind, Tensor};

/// Sums over every target token of a set, end of sentence counted if there is one, padding not.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Likelihood {
    /// Negative log-likelihood, unsmoothed, in nats.
    pub nats: f64,
    /// Tokens of the vocabulary, with one `</s>` a sentence where there are sentences.
    pub tokens: usize,
    /// Tokens that the model finds the most probable of all, or of those that they are compared with.
    pub correct: usize,
    /// Rows of two texts.
    pub pairs: usize,
    /// Of these, those where the model tells rightly whether the second text follows the first.
    pub told: usize,
}

impl Likelihood {
    /// Nats per token.
    pub fn loss(&self) -> f64 {
        self.nats / self.tokens as f64
    }

    /// Per token: of a model of BPE, per BPE token (paper, Table 3).
    pub fn perplexity(&self) -> f64 {
        self.loss().exp()
    }

    /// Per word, where the text has so many words and one end of sentence each line.
    pub fn perplexity_per(&self, words: usize) -> f64 {
        (self.nats / words as f64).exp()
    }

    /// Bits per character, where the text has so many characters with the ends of lines.
    pub fn bits_per(&self, characters: usize) -> f64 {
        self.nats / characters as f64 / std::f64::consts::LN_2
    }

    /// Counts what the model tells of the second texts of a batch, if it does and there are any.
    pub fn add_second_texts(&mut self, scores: Option<Tensor>, batch: &Batch) {
        if let (Some(scores), Some(texts)) = (scores, &batch.second_texts) {
            self.told += next_sentence::correct(&scores, texts);
            self.pairs += scores.size()[0] as usize;
        }
    }

    /// Share of the second texts of which the model tells rightly whether they follow, 0 to 1; none where there are none.
    pub fn next_sentence_accuracy(&self) -> Option<f64> {
        (self.pairs > 0).then(|| self.told as f64 / self.pairs as f64)
    }

    /// Share of tokens predicted right from the reference before them, 0 to 1.
    pub fn accuracy(&self) -> f64 {
        self.correct as f64 / self.tokens as f64
    }
}

/// The likelihood of every target of `batches`, each given the targets before it, without dropout.
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
