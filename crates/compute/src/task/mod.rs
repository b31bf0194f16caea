//! What a model learns to do, as training and evaluation see it: [`Task`]. [`of`] is the only place that chooses one.

pub mod blocks;
pub mod language;
pub mod masked;
pub mod output;
pub mod pairs;
pub mod parsing;
pub mod translation;
pub mod words;

pub use output::{Output, Score};

use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::Result;
use crate::model::Network;
use crate::signal::StopFlag;
use crate::train::TaskKind;
use crate::train::batch_source::BatchSource;
use crate::train::likelihood::Likelihood;
use language::LanguageModelling;
use masked::MaskedLanguageModelling;
use parsing::Parsing;
use translation::Translation;
use words::WordVectors;

/// How batches are made from a store, and what a run measures.
pub trait Task {
    /// The examples of a training text.
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a>;

    /// How probable the model finds the targets of a set. Loss, perplexities and accuracy follow from it.
    ///
    /// # Errors
    /// A user error if the model cannot take an example.
    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood>;

    /// What a run records of the likelihood of a set, by the name of the metric; `lines` are the targets of the set as text.
    fn measures(&self, found: &Likelihood, lines: &[String]) -> Vec<(&'static str, f64)>;

    /// What the model writes for the beginning of the dev set, `count` sentences or blocks, laid out to be read. Cheap, and
    /// the same for every setting of the search.
    ///
    /// # Errors
    /// If text cannot be read, or the model does not write.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String>;

    /// What the model writes for each example of a set, so that it is scored; none where there is nothing to compare it
    /// with.
    fn written(&self) -> Option<&dyn Written> {
        None
    }
}

/// A task whose models write an answer to each example, for which there is a reference.
pub trait Written {
    /// Lets the model write what it has to say to a set, and scores that.
    ///
    /// # Errors
    /// If text cannot be read, the model does not write, or `stop` was raised.
    fn output(
        &self,
        model: &dyn Network,
        data: &Prepared,
        store: &Store,
        split: Split,
        stop: &StopFlag,
    ) -> Result<Output>;

    /// The scores of hypotheses against one reference each, which training can measure, too.
    ///
    /// # Errors
    /// If there is not one reference for each hypothesis.
    fn scores(&self, hypotheses: &[String], references: &[String]) -> Result<Vec<Score>>;

    /// The scores that are measured only when training is over, by the name of their metric.
    ///
    /// # Errors
    /// As [`scores`](Self::scores).
    fn further_scores(
        &self,
        hypotheses: &[String],
        references: &[String],
    ) -> Result<Vec<(&'static str, f64)>>;

    /// How the [scores](Self::scores) are computed, for the record.
    fn signature(&self) -> String;
}

/// The task of an experiment; `vocabulary` is the number of tokens of the target side, special ones counted.
pub fn of(experiment: &Experiment, vocabulary: usize) -> Box<dyn Task + '_> {
    match experiment.task() {
        TaskKind::Translation => Box::new(Translation { experiment }),
        TaskKind::Parsing => Box::new(Parsing::of(experiment)),
        TaskKind::LanguageModelling => Box::new(LanguageModelling { experiment }),
        TaskKind::MaskedLanguageModelling => Box::new(MaskedLanguageModelling { experiment, vocabulary }),
        TaskKind::WordVectors => Box::new(WordVectors { experiment, vocabulary }),
    }
}
