//! What is finished and what is to be done, before anything starts.

use super::ladder::Climb;
use super::policy::Policy;
use super::trial::{Trial, run_dir};
use super::trial_queue::PendingTrial;
use crate::config::{identity, training_identity};
use crate::data;
use crate::error::{Error, Result};
use crate::experiment::latest_failure;
use crate::results::record::{Failure, Record};
use std::collections::BTreeMap;
use std::path::Path;

/// What is there before anything starts.
#[derive(Debug)]
pub struct Survey {
    /// Identity of every trial, in order.
    pub identities: Vec<String>,
    /// The records of the trials that are finished, by number.
    pub finished: BTreeMap<usize, Record>,
    /// The last failure of unfinished trials that have one with the present settings, by number.
    pub failures: BTreeMap<usize, Failure>,
    /// The unfinished trials.
    pub pending: Vec<PendingTrial>,
    /// With halving, how far each trial got, by number.
    pub climbs: BTreeMap<usize, Climb>,
}

/// Opens the corpora of these trials, the first of which has the number `first`, which for a generated one means preparing
/// it, and sees what is finished.
///
/// # Errors
/// A corpus that is not prepared: nothing was started.
pub fn survey(
    trials: &[Trial],
    first: usize,
    sweep_dir: &Path,
    data_root: &Path,
    policy: &Policy,
) -> Result<Survey> {
    let mut fingerprints: BTreeMap<String, String> = BTreeMap::new();
    let mut survey = Survey {
        identities: Vec::new(),
        finished: BTreeMap::new(),
        failures: BTreeMap::new(),
        pending: Vec::new(),
        climbs: BTreeMap::new(),
    };
    for (number, trial) in (first..).zip(trials) {
        let experiment = &trial.experiment;
        let key = serde_json::to_string(&experiment.data).map_err(|e| Error::failed(e.to_string()))?;
        let fingerprint = match fingerprints.get(&key) {
            Some(known) => known.clone(),
            None => {
                let data = data::open(&experiment.data, data_root)?;
                fingerprints.entry(key).or_insert(data.fingerprint().to_string()).clone()
            }
        };
        let identity = identity(experiment, &fingerprint);
        let run_dir = run_dir(sweep_dir, trial);
        // The process of a trial whose record is damaged sets it aside, or says why it cannot.
        let record = Record::readable(&run_dir).filter(|record| record.identity == identity);
        if let Some(halving) = &policy.halving {
            let rungs = halving.rungs(experiment.training.steps);
            survey.climbs.insert(number, Climb::of(&run_dir, &identity, rungs, record.is_some()));
        }
        if let Some(record) = record {
            survey.finished.insert(number, record);
        } else {
            let failure = latest_failure(&run_dir).filter(|failure| failure.identity == identity);
            survey.failures.extend(failure.map(|failure| (number, failure)));
            survey.pending.push(PendingTrial {
                trial: number,
                identity: identity.clone(),
                training: training_identity(experiment, &fingerprint),
                failures: 0,
            });
        }
        survey.identities.push(identity);
    }
    Ok(survey)
}
