//! The state of a sweep before anything starts: finished and pending trials.

use super::committed::CommittedRecords;
use super::corpora::Corpora;
use super::ladder::Climb;
use super::policy::Policy;
use super::trial::{Trial, run_dir};
use super::trial_queue::PendingTrial;
use crate::error::Result;
use crate::experiment::latest_failure;
use crate::results::record::{Failure, Record};
use std::collections::BTreeMap;
use std::path::Path;

/// The state of a sweep's trials before anything starts.
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
    /// With halving, the progress of each trial, by number.
    pub climbs: BTreeMap<usize, Climb>,
}

/// Surveys these trials, the first of which has the number `first`. Prepares generated corpora that do not exist.
/// The `pending` trials include those that `committed` records stand for.
///
/// # Errors
/// A corpus of files is not prepared, and a trial without a committed record needs it: nothing was started.
pub fn survey(
    trials: &[Trial],
    first: usize,
    sweep_dir: &Path,
    corpora: &mut Corpora,
    committed: &CommittedRecords,
    policy: &Policy,
) -> Result<Survey> {
    corpora.prepare(trials, committed)?;
    let mut survey = Survey {
        identities: Vec::new(),
        finished: BTreeMap::new(),
        failures: BTreeMap::new(),
        pending: Vec::new(),
        climbs: BTreeMap::new(),
    };
    for (number, trial) in (first..).zip(trials) {
        let experiment = &trial.experiment;
        let identities = corpora.identities_with(experiment, committed)?;
        let (identity, training) = identities.expect("its corpus was just opened, or it has a record");
        let run_dir = run_dir(sweep_dir, trial);
        // The process of a trial with a damaged record sets the record aside, or states why it cannot.
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
                training,
                failures: 0,
            });
        }
        survey.identities.push(identity);
    }
    Ok(survey)
}
