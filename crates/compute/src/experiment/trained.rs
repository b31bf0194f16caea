//! The scored model of a finished run.

use super::finished::{finished_run, open_data};
use super::limits::DataLimits;
use super::run_paths::{CHECKPOINTS, SCORED_PATH, WEIGHTS_CHECKSUM};
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::device;
use crate::error::{Error, Result};
use crate::model::weights::Weights;
use crate::model::{self, Network};
use crate::results::record::Record;
use crate::results::recorded::FileState;
use crate::train::checkpoint::Checkpoints;
use std::path::Path;

/// Loads the weights that a finished run scored. Their checksum must be the one in the run's record.
///
/// # Errors
/// A failure if the weights differ from the record or do not fit the model.
pub(super) fn load_scored(run_dir: &Path, record: &Record, weights: &Weights) -> Result<()> {
    let path = run_dir.join(SCORED_PATH);
    if let FileState::Differs(why) = record.file_state(WEIGHTS_CHECKSUM, &path)? {
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
    /// Loads the scored weights of `run_dir`. `sets` may change settings of decoding and of the device.
    pub fn load(run_dir: &Path, data_root: &Path, sets: &[String]) -> Result<Self> {
        let (experiment, record) = finished_run(run_dir, sets)?;
        let data = open_data(run_dir, (&experiment, &record), data_root)?;
        DataLimits::of(&experiment.data, Some(&data))?.check_vocabulary(&experiment)?;
        let device = device::open(&experiment.run)?;
        let model = model::build(
            &experiment.model,
            data.tokenizers.sizes(),
            experiment.training.seed,
            experiment.training.precision,
            device,
        );
        load_scored(run_dir, &record, model.weights())?;
        Ok(TrainedModel { experiment, data, model })
    }
}
