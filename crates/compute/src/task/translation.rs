//! Translation: pairs of sentences, decoding by search, BLEU.

use super::output::side_by_side;
use super::pairs;
use super::{Output, Score, Task, Written};
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::Result;
use crate::model::Network;
use crate::results::metric::{ACCURACY, ATAT, BLEU, CHRF, LOSS, PERPLEXITY, WORD_PERPLEXITY};
use crate::signal::StopFlag;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::Likelihood;
use ablate_trial::experiment::translations::{atat_bleu, bleu_config, chrf, score_translations};

/// Word for a hypothesis.
const CALLED: &str = "translation";

/// An experiment that trains a model to translate.
pub struct Translation<'a> {
    pub experiment: &'a Experiment,
}

impl Task for Translation<'_> {
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a> {
        pairs::batches(self.experiment, store)
    }

    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood> {
        pairs::likelihood_of(self.experiment, model, store)
    }

    /// Counts the words of the references, and one end of sentence each.
    fn measures(&self, found: &Likelihood, lines: &[String]) -> Vec<(&'static str, f64)> {
        let words: usize = lines.iter().map(|line| line.split_whitespace().count() + 1).sum();
        vec![
            (LOSS, found.loss()),
            (PERPLEXITY, found.perplexity()),
            (WORD_PERPLEXITY, found.perplexity_per(words)),
            (ACCURACY, found.accuracy()),
        ]
    }

    /// Translates greedily.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String> {
        let text = data.text(Split::Dev)?;
        let tokens = pairs::written_greedily(model, &self.experiment.decoding, data, store, count)?;
        let hypotheses: Vec<String> = tokens.iter().map(|ids| data.decode_target(ids)).collect();
        Ok(side_by_side(CALLED, &text.source, &hypotheses, &text.target))
    }

    fn written(&self) -> Option<&dyn Written> {
        Some(self)
    }
}

impl Written for Translation<'_> {
    fn output(
        &self,
        model: &dyn Network,
        data: &Prepared,
        store: &Store,
        split: Split,
        stop: &StopFlag,
    ) -> Result<Output> {
        let text = data.text(split)?;
        let tokens = pairs::written(model, &self.experiment.decoding, data, store, store.len(), stop)?;
        let hypotheses: Vec<String> = tokens.iter().map(|ids| data.decode_target(ids)).collect();
        let scores = self.scores(&hypotheses, &text.target)?;
        Ok(Output {
            sources: text.source,
            hypotheses,
            tokens,
            references: text.target,
            called: CALLED,
            scores,
        })
    }

    fn scores(&self, hypotheses: &[String], references: &[String]) -> Result<Vec<Score>> {
        let bleu = score_translations(self.experiment, hypotheses, references)?;
        Ok(vec![Score { metric: BLEU, value: bleu.score, text: bleu.to_string() }])
    }

    fn further_scores(
        &self,
        hypotheses: &[String],
        references: &[String],
    ) -> Result<Vec<(&'static str, f64)>> {
        let atat = atat_bleu(self.experiment, hypotheses, references)?;
        let chrf = chrf(self.experiment, hypotheses, references)?;
        Ok(atat.map(|score| (ATAT, score)).into_iter().chain([(CHRF, chrf)]).collect())
    }

    fn signature(&self) -> String {
        bleu_config(self.experiment).signature(1).to_string()
    }
}
