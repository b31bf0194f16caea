//! The cost of a trial: parameters, operations, memory, disk, time.

use super::history::{History, Key, Rate, RateSource};
use super::probe_process;
use crate::config::{Experiment, shape_hash};
use crate::data::prepared::{text_names, vocabulary_sizes};
use crate::data::{Prepared, Split};
use crate::device::expected_name;
use crate::error::Result;
use crate::json;
use crate::model::VocabularySizes;
use crate::model::cost::Cost;
use crate::sweep::corpora::Corpora;
use crate::sweep::devices::Need;
use crate::telemetry::console::print_message;
use crate::train::TaskKind;
use crate::train::blocks::Blocks;
use crate::train::checkpoint_files::checkpoint_bytes;
use crate::train::masked_blocks::MaskedBlocks;
use crate::train::memory_estimate::MemoryEstimate;
use crate::train::pairs::Pairs;
use crate::train::word_blocks::WordBlocks;
use crate::train::workload::Workload;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::Path;
use std::rc::Rc;

/// The cost of one trial of a row, from its first update to its last.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Price {
    /// Number of rows of the embedding matrices.
    pub embedding_rows: i64,
    /// Whether the vocabulary is unknown because the corpus is not prepared: `embedding_rows` and all numbers that
    /// follow from it are then upper bounds.
    pub bound: bool,
    pub parameters: u64,
    pub updates: u64,
    /// Mean number of target tokens of an update, without padding.
    pub target_tokens: f64,
    /// Whether lengths of sentences are assumed because the corpus is not prepared.
    pub assumed: bool,
    /// Operations of all updates, forward and backward, with padding; see `model/cost`.
    pub training_flops: f64,
    pub memory_estimate: MemoryEstimate,
    /// Peak memory: from earlier runs; or from a probe plus the estimate of what a probe does not measure; else the sum
    /// of the estimate.
    pub memory_bytes: f64,
    pub memory_measured: bool,
    /// Size of the run directory when the trial is finished.
    pub disk_bytes: f64,
    /// Additional bytes while a checkpoint is written.
    pub disk_passing_bytes: f64,
    /// None if no such trial ran here and none was probed.
    pub rate: Option<Rate>,
    /// The reason why the probe found no rate.
    pub probe_failure: Option<String>,
}

impl Price {
    /// Returns the seconds of the work after `step` updates; None without a rate.
    pub fn seconds_after(&self, step: u64) -> Option<f64> {
        let rate = self.rate.as_ref()?;
        Some(rate.seconds(self.updates.saturating_sub(step), self.target_tokens))
    }

    /// Returns the operations of the work after `step` updates.
    pub fn flops_after(&self, step: u64) -> f64 {
        let left = self.updates.saturating_sub(step) as f64 / self.updates as f64;
        self.training_flops * left
    }
}

/// Bytes that each report adds to metrics.csv, timing.csv and TensorBoard's file.
const LOG_BYTES: f64 = 750.0;

/// Estimates the costs of trials. Measures every shape once.
pub struct CostEstimator<'a> {
    pub corpora: Corpora<'a>,
    pub history: History,
    /// Number of threads of a worker if the experiment states none.
    pub threads: usize,
    /// Whether to measure shapes that no earlier run had.
    pub probe: bool,
    workloads: BTreeMap<String, Rc<Workload>>,
    probes: BTreeMap<Key, std::result::Result<Rate, String>>,
}

impl<'a> CostEstimator<'a> {
    pub fn new(data_root: &'a Path, history: History, threads: usize, probe: bool) -> Self {
        CostEstimator {
            corpora: Corpora::new(data_root),
            history,
            threads,
            probe,
            workloads: BTreeMap::new(),
            probes: BTreeMap::new(),
        }
    }

    /// Returns the cost of a trial.
    pub fn price(&mut self, experiment: &Experiment) -> Result<Price> {
        let Experiment { model, training, .. } = experiment;
        let corpus = self.corpora.of(experiment)?;
        let vocabulary = VocabularySizes::from(vocabulary_sizes(&experiment.data, corpus.as_deref()));
        let cost = Cost::of(model, vocabulary);
        let (embedding_rows, parameters) = (cost.softmax_rows(), cost.parameters());
        let workload = self.workload(experiment, corpus.as_deref())?;
        let memory_estimate = MemoryEstimate::of_training(&cost, training, &workload);
        let found = self.rate(experiment, corpus.as_deref())?;
        let (rate, probe_failure) = match found {
            Some(Ok(rate)) => (Some(rate), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        let checkpoints = checkpoint_bytes(training, parameters);
        let logs = LOG_BYTES * (training.steps / experiment.run.log_interval_steps.max(1)) as f64;
        // Translations are about as long as the references; a language model makes none.
        let references = [Split::Dev, Split::Test].map(|split| text_names(split)[1].clone());
        let translating = corpus.iter().filter(|_| experiment.task().has_pairs());
        let files = translating.flat_map(|corpus| &corpus.manifest().files);
        let translations: u64 =
            files.filter(|file| references.contains(&file.name)).map(|file| file.bytes).sum();
        // A probe trains on a few batches and does not evaluate.
        let unseen = |rate: &Rate| match rate.source {
            RateSource::EarlierRuns => 0.0,
            RateSource::Probe => memory_estimate.unseen_by_probes(),
        };
        let measured = rate.as_ref().and_then(|rate| Some(rate.peak_memory_bytes? as f64 + unseen(rate)));
        Ok(Price {
            embedding_rows,
            bound: corpus.is_none() && model.embedding_rows.is_none(),
            parameters,
            updates: training.steps,
            target_tokens: workload.target_tokens(),
            assumed: corpus.is_none(),
            training_flops: training.steps as f64 * workload.flops(&cost),
            memory_estimate,
            memory_bytes: measured.unwrap_or(memory_estimate.total()),
            memory_measured: measured.is_some(),
            disk_bytes: checkpoints.kept + logs + translations as f64,
            disk_passing_bytes: checkpoints.passing,
            rate,
            probe_failure,
        })
    }

    /// Returns the need of a trial for a card's memory.
    pub fn need(&mut self, experiment: &Experiment) -> Result<Need> {
        let corpus = self.corpora.of(experiment)?;
        let text = text_key(experiment, corpus.as_deref())?;
        match self.history.peak_on_card(&shape_hash(experiment, &text)) {
            Some(bytes) => Ok(Need::Measured(bytes)),
            None => Ok(Need::Estimated(self.price(experiment)?.memory_estimate.total())),
        }
    }

    /// Returns the workload, which is computed once for all trials on one corpus with batches of the same sizes.
    fn workload(&mut self, experiment: &Experiment, corpus: Option<&Prepared>) -> Result<Rc<Workload>> {
        let Experiment { model, training, .. } = experiment;
        let prefix = experiment.reads_prefixes().then_some(training.prefix_loss);
        let masked = model.is_masked().then_some((training.masking.rate, model.masked.next_sentence));
        let words = model.is_word_vectors().then_some(training.words);
        let sizes = (
            training.micro_batch_tokens,
            training.packed_length,
            training.batch_tokens,
            training.steps,
            training.passes(),
            prefix,
            masked,
            words,
        );
        let key = json::line(&(&experiment.data, sizes))?;
        if let Some(known) = self.workloads.get(&key) {
            return Ok(known.clone());
        }
        let workload = match corpus {
            Some(corpus) => workload_of_text(experiment, corpus)?,
            None => assumed_workload(experiment),
        };
        Ok(self.workloads.entry(key).or_insert(Rc::new(workload)).clone())
    }

    fn rate(
        &mut self,
        experiment: &Experiment,
        corpus: Option<&Prepared>,
    ) -> Result<Option<std::result::Result<Rate, String>>> {
        let text = text_key(experiment, corpus)?;
        let threads = match experiment.run.threads {
            0 => self.threads,
            threads => threads,
        };
        let device = expected_name(experiment.run.device);
        let key = Key { shape: shape_hash(experiment, &text), device, threads };
        let known = self.history.rate(&key).map(Ok).or_else(|| self.probes.get(&key).cloned());
        if known.is_some() || !self.probe {
            return Ok(known);
        }
        let name = experiment.label.as_deref().unwrap_or_default();
        print_message(&format!("measuring {name} …"));
        let mut experiment = experiment.clone();
        experiment.run.threads = threads;
        let found = probe_process::measure(&experiment, self.corpora.root())?;
        Ok(Some(self.probes.entry(key).or_insert(found).clone()))
    }
}

/// Returns the workload of an experiment on its prepared corpus.
fn workload_of_text(experiment: &Experiment, corpus: &Prepared) -> Result<Workload> {
    let Experiment { model, training, .. } = experiment;
    let store = corpus.split_unverified(Split::Train)?;
    match experiment.task() {
        TaskKind::Translation | TaskKind::Parsing => {
            let pairs = match experiment.reads_prefixes() {
                true => Pairs::as_prefixes(&store, training),
                false => Pairs::of(&store, training),
            };
            Workload::of(&pairs, training)
        }
        TaskKind::LanguageModelling => Workload::of(&Blocks::of(&store, training), training),
        TaskKind::MaskedLanguageModelling => {
            // Shapes depend neither on which tokens are hidden nor on the vocabulary.
            Workload::of(&MaskedBlocks::of(&store, training, model, 0), training)
        }
        TaskKind::WordVectors => {
            let (_, vocabulary) = vocabulary_sizes(&experiment.data, Some(corpus));
            Workload::of(&WordBlocks::of(&store, training, vocabulary), training)
        }
    }
}

/// Returns the workload of an experiment whose corpus is not prepared.
fn assumed_workload(experiment: &Experiment) -> Workload {
    let Experiment { data, model, training, .. } = experiment;
    match experiment.task() {
        TaskKind::Translation | TaskKind::Parsing => {
            let of_pairs = Workload::assumed(training, data.longest_trained());
            match experiment.reads_prefixes() {
                true => of_pairs.as_prefixes(training.prefix_loss),
                false => of_pairs,
            }
        }
        TaskKind::LanguageModelling => Workload::assumed_blocks(training, data.max_length),
        TaskKind::MaskedLanguageModelling => {
            Workload::assumed_masked_blocks(training, model, data.max_length)
        }
        TaskKind::WordVectors => Workload::assumed_word_blocks(training, data.max_length),
    }
}

/// Returns the key of a text: the fingerprint of its corpus, or its settings while it is not prepared.
fn text_key(experiment: &Experiment, corpus: Option<&Prepared>) -> Result<String> {
    match corpus {
        Some(corpus) => Ok(corpus.fingerprint().to_string()),
        None => json::line(&experiment.data),
    }
}

/// Returns the seconds until the last of `trials` is done, if each of `workers` takes the next one when it is free.
pub fn makespan(trials: &[f64], workers: usize) -> f64 {
    let mut free = vec![0.0f64; workers.clamp(1, trials.len().max(1))];
    for seconds in trials {
        if let Some(first) = free.iter_mut().min_by(|a, b| a.total_cmp(b)) {
            *first += seconds;
        }
    }
    free.into_iter().fold(0.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_take_the_next_trial_as_they_get_free() {
        assert_eq!(makespan(&[], 3), 0.0);
        assert_eq!(makespan(&[5.0, 1.0, 1.0, 1.0], 2), 5.0);
        // In order, not sorted: the long one comes last.
        assert_eq!(makespan(&[1.0, 1.0, 1.0, 5.0], 2), 6.0);
        assert_eq!(makespan(&[2.0, 3.0], 1), 5.0);
        assert_eq!(makespan(&[2.0, 3.0], 100), 3.0);
    }
}
