//! The state from which a trial resumes: which checkpoints are its own, and whether some are gone.

use super::attempts;
use super::run_paths::CHECKPOINTS;
use crate::error::{Error, Result};
use crate::results::index::Index;
use crate::results::record::Record;
use crate::telemetry::METRICS_FILE;
use crate::telemetry::growing_file::Line;
use crate::telemetry::metrics_log::Row;
use crate::train::TrainingConfig;
use crate::train::checkpoint_files;
use crate::train::run_state::Owner;
use std::path::Path;

/// Whether the trial `own` may resume from the state that `other` saved: it is the same trial, or differs in decoding
/// alone.
pub fn trains_the_same(own: &Owner, other: &Owner, results: &Path) -> bool {
    if own.identity == other.identity {
        return true;
    }
    let training = match &other.training_identity {
        Some(training) => Some(training.clone()),
        // Old checkpoints do not state it, but the record of the trial that saved them does.
        None => recorded_training(results, &other.identity),
    };
    training.is_some() && training == own.training_identity
}

/// The training identity of a trial that finished somewhere below `results`.
fn recorded_training(results: &Path, identity: &str) -> Option<String> {
    let index = Index::scan(results);
    Record::readable(index.same(identity)?)?.training_identity
}

/// Refuses a run directory without a training state if its other files show that one was saved: training would start
/// again from the beginning, which the user did not ask for.
pub fn refuse_lost_checkpoints(run_dir: &Path, training: &TrainingConfig) -> Result<()> {
    let folder = run_dir.join(CHECKPOINTS);
    if checkpoint_files::latest_step(&folder)?.is_some() {
        return Ok(());
    }
    match sign_of_a_state(run_dir, training)? {
        None => Ok(()),
        Some(sign) => Err(Error::failed(format!(
            "there is no checkpoint in {} to go on from, but the run had saved one: {sign}; put its checkpoints back, \
             or remove {} to train again from the start",
            folder.display(),
            run_dir.display()
        ))),
    }
}

/// The sign that a training state was saved; `None` if the run may have been stopped before its first one.
fn sign_of_a_state(run_dir: &Path, training: &TrainingConfig) -> Result<Option<String>> {
    let first = (1..=training.steps).find(|&step| training.saves_at(step)).unwrap_or(training.steps);
    let (rows, _) = Row::read_undamaged(&run_dir.join(METRICS_FILE))?;
    // Values of an update are recorded before its checkpoint is saved, and the final scores after the last one.
    let later = rows.iter().filter(|row| row.step > first || row.tag.starts_with("final/"));
    if let Some(step) = later.map(|row| row.step).max() {
        return Ok(Some(format!(
            "{METRICS_FILE} goes to step {step}, and the first checkpoint is saved at step {first}"
        )));
    }
    let attempts = attempts::load(run_dir);
    let saved = attempts.iter().flat_map(|attempt| [Some(attempt.from_step), attempt.saved_step]);
    let saved = saved.flatten().max().filter(|&step| step > 0);
    Ok(saved.map(|step| format!("{} says that it stood at step {step}", attempts::TIMING_JSON)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn owner(identity: &str, training: Option<&str>) -> Owner {
        Owner { identity: identity.into(), training_identity: training.map(String::from) }
    }

    #[test]
    fn a_trial_goes_on_from_its_own_training_alone() {
        let results = tempfile::tempdir().unwrap();
        let own = owner("a", Some("t"));
        let same = |other: Owner| trains_the_same(&own, &other, results.path());
        assert!(same(owner("a", None)) && same(owner("b", Some("t"))));
        assert!(!same(owner("b", Some("u"))) && !same(owner("b", None)));
        // The record of an older trial states its training identity, which its checkpoints do not.
        let run = results.path().join("sweep/row/seed-1");
        fs::create_dir_all(&run).unwrap();
        let recorded = |identity: &str, training: &str| {
            let record = crate::results::examples::record();
            let (identity, training_identity) = (identity.into(), Some(training.into()));
            Record { identity, training_identity, ..record }.save(&run).unwrap();
        };
        recorded("b", "t");
        assert!(same(owner("b", None)));
        recorded("b", "u");
        assert!(!same(owner("b", None)));
        assert!(!trains_the_same(&owner("a", None), &owner("b", None), results.path()));
    }

    #[test]
    fn a_run_without_states_begins_only_where_none_was_ever_saved() {
        let folder = tempfile::tempdir().unwrap();
        let training = TrainingConfig { steps: 40, checkpoint_interval_steps: 7, ..Default::default() };
        let refused =
            || refuse_lost_checkpoints(folder.path(), &training).err().map(|error| error.to_string());
        assert_eq!(refused(), None);
        let metrics = |rows: &str| {
            fs::write(folder.path().join(METRICS_FILE), format!("step,tag,value\n{rows}")).unwrap();
        };
        // Killed during the first save: the updates before it are repeated.
        metrics("6,train/loss,2.0\n7,train/loss,2.0\n");
        assert_eq!(refused(), None);
        metrics("7,train/loss,2.0\n8,train/loss,2.0\n");
        let why = refused().unwrap();
        assert!(why.contains("metrics.csv goes to step 8") && why.contains("saved at step 7"), "{why}");
        assert!(why.contains("put its checkpoints back, or remove"), "{why}");
        metrics("7,final/test_bleu,2.0\n");
        assert!(refused().is_some());

        // A signal saves between the checkpoints of the schedule.
        metrics("3,train/loss,2.0\n");
        assert_eq!(refused(), None);
        let mut attempt = attempts::Attempts::begin(folder.path(), 0, &mut |note| panic!("{note}"));
        assert_eq!(refused(), None);
        attempt.end("stopped", Some(3), attempts::Effort::default(), &mut |note| panic!("{note}"));
        assert!(refused().unwrap().contains("timing.json says that it stood at step 3"));
        fs::create_dir(folder.path().join(CHECKPOINTS)).unwrap();
        fs::write(folder.path().join(CHECKPOINTS).join("step-00000003.state.safetensors"), "").unwrap();
        assert_eq!(refused(), None, "whether the state can be read is seen later");
    }
}
