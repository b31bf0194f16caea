//! What a finished run left: its configuration and record, and the model that it scored.

use super::limits::DataLimits;
use super::{CHECKPOINTS, CONFIG_FILE, claim};
use crate::config::{Experiment, load_experiment};
use crate::data::prepare;
use crate::data::prepared::Prepared;
use crate::device;
use crate::error::{Error, Result};
use crate::model::Transformer;
use crate::results::record::Record;
use crate::train::checkpoint::Checkpoints;
use std::path::Path;

/// The configuration, changed by `sets`, and the record of a finished run.
///
/// # Errors
/// A user error if `run_dir` is no run directory or its trial is not finished.
pub fn finished_run(run_dir: &Path, sets: &[String]) -> Result<(Experiment, Record)> {
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
    let Some(record) = Record::load(run_dir)? else {
        return Err(Error::user(format!("{} is not finished: it has no record.json yet", run_dir.display())));
    };
    Ok((load_experiment(&config, sets)?, record))
}

/// A finished run, ready to translate.
pub struct TrainedModel {
    pub experiment: Experiment,
    pub data: Prepared,
    pub model: Transformer,
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
        let model = Transformer::build(
            &experiment.model,
            data.tokenizers.sizes(),
            experiment.training.seed,
            experiment.training.precision.kinds(),
            device,
        );
        Checkpoints::open(&run_dir.join(CHECKPOINTS))?.load_scored(model.weights())?;
        Ok(TrainedModel { experiment, data, model })
    }
}
