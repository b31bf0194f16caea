//! `ablate bench`: the speed of an experiment's training and decoding, beside the peak speed of its device.
//!
//! The timed code is [`Trainer::run`](crate::train::trainer::Trainer::run) and
//! [`translate`](crate::decode::translate::translate) themselves, not a copy. Rates are measured with the stopwatch
//! off; the split is measured on separate updates and a separate pass, because on a GPU every lap waits for the card.

mod decoding_speed;
mod measure;
mod peak;
mod peer_export;
mod training_speed;

pub use super::measurement::Half;
pub use decoding_speed::Decoding;
pub use measure::{Effort, Split};
pub use peak::Peak;
pub use peer_export::Exported;
pub use training_speed::Training;

use super::finished::{check_data, finished_run};
use super::limits::DataLimits;
use super::memory;
use super::provenance::provenance;
use super::run_paths::CONFIG_FILE;
use super::stand_in;
use super::trained::load_scored;
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::store::Store;
use crate::data::{self, Corpus, open, open_if_prepared};
use crate::decode::DecodingConfig;
use crate::device;
use crate::error::{Error, Result};
use crate::model::cost::Cost;
use crate::model::{self, Kinds, VocabularySizes};
use crate::results::record::{Provenance, Record};
use crate::signal::StopFlag;
use crate::train::Precision;
use serde::Serialize;
use std::path::Path;

/// The results of a bench.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    pub provenance: Provenance,
    pub precision: Precision,
    pub parameters: u64,
    /// True if the corpus is not prepared, so that sentences are random ids of ordinary lengths.
    pub random_text: bool,
    pub peak: Peak,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub training: Option<Training>,
    /// True if the weights come from the few timed updates, so that the lengths of translations mean nothing.
    pub fresh_weights: bool,
    /// Decoding by greedy search, then by the experiment's beam if that is wider.
    pub decoding: Vec<Decoding>,
}

/// Measures `experiment`: the device's peaks, training of fresh weights, and decoding with the scored weights of `run`
/// or, without a run, with the weights that the few updates left.
///
/// # Errors
/// The errors of training; a user error if `run` has another model or other data. Nothing is left on the disk.
pub fn bench(
    experiment: &Experiment,
    data_root: &Path,
    run: Option<&Path>,
    effort: &Effort,
    stop: &StopFlag,
) -> Result<Report> {
    let Experiment { model: model_config, training, decoding, .. } = experiment;
    let record = run.map(|run| same_model(experiment, run)).transpose()?;
    let run = run.zip(record.as_ref());
    let device = device::open(&experiment.run)?;
    let Subject { store, sources, sizes, prepared } = Subject::open(experiment, data_root, effort.sentences)?;
    if let (Some((run, record)), Some(data)) = (run, &prepared) {
        check_data(run, record, data)?;
    }
    if effort.only == Some(Half::Decoding) && experiment.data.recipe.is_running_text() {
        return Err(Error::user(
            "--only decoding measures how fast a model translates, and a model of running text translates nothing; leave \
             the option out",
        ));
    }
    let vocabulary = sizes.target;
    if effort.only != Some(Half::Decoding) {
        memory::check_fits(experiment, sizes, device)?;
    }
    let kinds = Kinds::from(training.precision);
    let peak = Peak::measure(kinds.training, device);
    device::forget_peak_memory(device);
    let model = model::build(model_config, sizes, training.seed, kinds, device);
    let trained = match effort.only {
        Some(Half::Decoding) => None,
        _ => Some(training_speed::measure(
            experiment,
            &store,
            &*model,
            &Cost::of(model_config, sizes),
            &peak,
            effort,
            stop,
        )?),
    };
    if let Some((run, record)) = run {
        load_scored(run, record, model.weights())?;
    }
    let mut found = Vec::new();
    let beams = match effort.only {
        Some(Half::Training) => vec![],
        // Language models translate nothing.
        _ if experiment.data.recipe.is_running_text() => vec![],
        _ if decoding.beam > 1 => vec![1, decoding.beam],
        _ => vec![1],
    };
    for beam in beams {
        let config = DecodingConfig { beam, ..decoding.clone() };
        found.push(decoding_speed::measure(&*model, &config, vocabulary, &sources, effort, stop)?);
    }
    Ok(Report {
        provenance: provenance(device),
        precision: training.precision,
        parameters: model.weights().parameters(),
        random_text: prepared.is_none(),
        peak,
        training: trained,
        fresh_weights: run.is_none(),
        decoding: found,
    })
}

/// Refuses a run with another model or vocabulary, and returns the run's record. [`check_data`] compares the text
/// itself.
fn same_model(experiment: &Experiment, run: &Path) -> Result<Record> {
    let (other, record) = finished_run(run, &[])?;
    let differs = match () {
        _ if other.model != experiment.model => "[model]",
        _ if other.data != experiment.data => "[data]",
        _ if other.training.precision != experiment.training.precision => "training.precision",
        _ => return Ok(record),
    };
    Err(Error::user(format!(
        "{} differs from the experiment in {differs}: its weights cannot decode for it; give the run's own {} as the experiment",
        run.display(),
        CONFIG_FILE
    )))
}

/// Writes the first `count` updates of `experiment` with its fresh weights into `folder`, for another program.
///
/// # Errors
/// The errors of [`bench`], and a user error for a model that the other program does not know.
pub fn export_updates(
    experiment: &Experiment,
    data_root: &Path,
    folder: &Path,
    count: usize,
) -> Result<Exported> {
    peer_export::check_experiment(experiment)?;
    peer_export::check_place(folder)?;
    let device = device::open(&experiment.run)?;
    let Subject { store, sizes, .. } = Subject::open(experiment, data_root, 0)?;
    let Experiment { model, training, .. } = experiment;
    let model = model::build(model, sizes, training.seed, training.precision, device);
    peer_export::export(folder, experiment, sizes, &store, &*model, count)
}

/// The model's data: the input of the measurements.
struct Subject {
    /// Training pairs.
    store: Store,
    /// Sentences to translate.
    sources: Vec<Vec<u32>>,
    sizes: VocabularySizes,
    /// The prepared text; absent if the text is random.
    prepared: Option<Prepared>,
}

impl Subject {
    /// Opens the experiment's text if it is prepared, with at most `count` sources of its test set, spread evenly;
    /// otherwise makes random text.
    fn open(experiment: &Experiment, data_root: &Path, count: usize) -> Result<Self> {
        let prepared = match &experiment.data.recipe.corpus {
            Corpus::Generated(_) => Some(open(&experiment.data, data_root)?),
            _ => open_if_prepared(&experiment.data, data_root)?,
        };
        let limits = DataLimits::of(&experiment.data, prepared.as_ref())?;
        limits.check(experiment)?;
        let sizes = limits.vocabulary(experiment);
        let spread = |store: &Store| -> Vec<Vec<u32>> {
            let count = count.min(store.len());
            (0..count).map(|n| store.source(n * store.len() / count)).collect()
        };
        let (store, sources) = match &prepared {
            Some(text) => (text.split(data::Split::Train)?, spread(&text.split(data::Split::Test)?)),
            None => {
                let store = stand_in::store(experiment, sizes.target)?;
                let sources = spread(&store);
                (store, sources)
            }
        };
        Ok(Subject { store, sources, sizes, prepared })
    }
}
