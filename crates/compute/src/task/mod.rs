//! The tasks that models learn, as training and evaluation see them: [`Task`]. Only [`of`] chooses one.

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

/// A task: it makes batches from a store, and measures and samples the model of a run.
pub trait Task {
    /// Returns the batches of a training text.
    fn batches<'a>(&self, store: &'a Store) -> Box<dyn BatchSource + 'a>;

    /// Computes the likelihood of a set's targets, from which loss, perplexities and accuracy follow.
    ///
    /// # Errors
    /// A user error if the model cannot take an example.
    fn likelihood(&self, model: &dyn Network, store: &Store) -> Result<Likelihood>;

    /// Returns the recorded measures of a set's likelihood, by name of metric; `lines` are the targets of the set as text.
    fn measures(&self, found: &Likelihood, lines: &[String]) -> Vec<(&'static str, f64)>;

    /// Lets the model write samples for the first `count` sentences or blocks of the dev set, formatted for reading.
    /// Cheap, and independent of the settings of the search.
    ///
    /// # Errors
    /// If text cannot be read, or if the model cannot write.
    fn samples(&self, model: &dyn Network, data: &Prepared, store: &Store, count: usize) -> Result<String>;

    /// Returns the interface for scoring the texts that the model writes for a set; `None` if there is nothing to
    /// compare them with.
    fn written(&self) -> Option<&dyn Written> {
        None
    }
}

/// A task whose models write a text for each example, for which there is a reference.
pub trait Written {
    /// Lets the model write a text for each example of a set, and scores the texts.
    ///
    /// # Errors
    /// If text cannot be read, if the model cannot write, or if `stop` was raised.
    fn output(
        &self,
        model: &dyn Network,
        data: &Prepared,
        store: &Store,
        split: Split,
        stop: &StopFlag,
    ) -> Result<Output>;

    /// Computes the scores of hypotheses against one reference each, which training can measure too.
    ///
    /// # Errors
    /// If the numbers of hypotheses and references differ.
    fn scores(&self, hypotheses: &[String], references: &[String]) -> Result<Vec<Score>>;

    /// Computes the scores that are measured only after training, by name of metric.
    ///
    /// # Errors
    /// The errors of [`scores`](Self::scores).
    fn further_scores(
        &self,
        hypotheses: &[String],
        references: &[String],
    ) -> Result<Vec<(&'static str, f64)>>;

    /// Returns the signature of the [scores](Self::scores) for the record.
    fn signature(&self) -> String;
}

/// Returns the task of an experiment; `vocabulary` is the number of tokens of the target side, special ones included.
pub fn of(experiment: &Experiment, vocabulary: usize) -> Box<dyn Task + '_> {
    match experiment.task() {
        TaskKind::Translation => Box::new(Translation { experiment }),
        TaskKind::Parsing => Box::new(Parsing::of(experiment)),
        TaskKind::LanguageModelling => Box::new(LanguageModelling { experiment }),
        TaskKind::MaskedLanguageModelling => Box::new(MaskedLanguageModelling { experiment, vocabulary }),
        TaskKind::WordVectors => Box::new(WordVectors { experiment, vocabulary }),
    }
}
