//! What a finished run left: its configuration and record, and the model that it scored.

use super::claim::{self, claimed_identity};
use super::limits::DataLimits;
use super::run_paths::{CHECKPOINTS, CONFIG_FILE, SCORED, WEIGHTS};
use crate::config::{Experiment, load_experiment};
use crate::data::prepare;
use crate::data::prepared::Prepared;
use crate::device;
use crate::error::{Error, Result};
use crate::model::weights::Weights;
use crate::model::{self, Network};
use crate::results::record::{RECORD_FILE, Record};
use crate::results::recorded::FileState;
use crate::train::checkpoint::Checkpoints;
use std::path::Path;

/// The configuration of a run, changed by `sets`.
///
/// # Errors
/// A user error if `run_dir` is no run directory or its configuration is not as the program wrote it.
pub fn run_configuration(run_dir: &Path, sets: &[String]) -> Result<Experiment> {
    let config = run_dir.join(CONFIG_FILE);
    if config.exists() && !claim::is_sound(run_dir)? {
        return Err(Error::user(format!(
            "{} is damaged; the command that trained the run writes it anew",
            config.display()
        )));
    }
    if !config.exists() {
        return Err(Error::user(format!(
            "{} is not a run directory: it has no {CONFIG_FILE}",
            run_dir.display()
        )));
    }
    load_experiment(&config, sets)
}

/// The configuration, changed by `sets`, and the record of a finished run.
///
/// # Errors
/// A user error if `run_dir` is no run directory, its trial is not finished, or configuration and record are of
/// different trials.
pub fn finished_run(run_dir: &Path, sets: &[String]) -> Result<(Experiment, Record)> {
    let experiment = run_configuration(run_dir, sets)?;
    let Some(record) = Record::load(run_dir)? else {
        return Err(Error::user(format!("{} is not finished: it has no record.json yet", run_dir.display())));
    };
    if claimed_identity(run_dir)?.is_some_and(|claimed| claimed != record.identity) {
        return Err(Error::user(format!(
            "{0}: {CONFIG_FILE} and {RECORD_FILE} are of different trials; put the run's own files back, or remove {0} \
             and train again",
            run_dir.display()
        )));
    }
    Ok((experiment, record))
}

/// Loads the weights that the scores of a finished run are of, which must be those that its record has the checksum
/// of.
///
/// # Errors
/// A failure if they are not as recorded or do not fit the model.
pub(super) fn load_scored(run_dir: &Path, record: &Record, weights: &Weights) -> Result<()> {
    let path = run_dir.join(SCORED);
    if let FileState::Differs(why) = record.file_state(WEIGHTS, &path)? {
        return Err(Error::failed(format!(
            "{} is not as recorded ({why}); see `ablate verify {}`",
            path.display(),
            run_dir.display()
        )));
    }
    Checkpoints::open(&run_dir.join(CHECKPOINTS))?.load_scored(weights)
}

/// A finished run, ready to translate.
pub struct TrainedModel {
    pub experiment: Experiment,
    pub data: Prepared,
    pub model: Box<dyn Network>,
}

impl TrainedModel {
    /// Loads the scored weights of `run_dir`. `sets` may change how it decodes and where it runs.
    pub fn load(run_dir: &Path, data_root: &Path, sets: &[String]) -> Result<Self> {
        let (experiment, record) = finished_run(run_dir, sets)?;
        let data = prepare::open(&experiment.data, data_root)?;
        // Another text can give a vocabulary of the same size, in which every id means something else.
        if record.data.fingerprint != data.fingerprint() {
            return Err(Error::user(format!(
                "{} was trained on other data than {} holds (fingerprints {:.16} and {:.16}, {} and {} tokens); \
                 prepare the text that it was trained on, or name its place with --data",
                run_dir.display(),
                data.directory().display(),
                record.data.fingerprint,
                data.fingerprint(),
                record.data.vocabulary,
                data.tokenizers.target().len()
            )));
        }
        DataLimits::of(&experiment.data, Some(&data))?.check_vocabulary(&experiment)?;
        let device = device::open(&experiment.run)?;
        let model = model::build(
            &experiment.model,
            data.tokenizers.sizes(),
            experiment.training.seed,
            experiment.training.precision.kinds(),
            device,
        );
        load_scored(run_dir, &record, model.weights())?;
        Ok(TrainedModel { experiment, data, model })
    }
}
