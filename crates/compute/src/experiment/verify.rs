//! Whether a record still holds: its files are what it says, and its scores come out again.

use super::by_length::ScoresByLength;
use super::run_paths::{CHECKPOINTS, SCORED, WEIGHTS, hypotheses_file};
use super::translations::stored_hypotheses;
use super::{TrainedModel, attempts, finished_run, scored_weights_hold};
use crate::config::identity;
use crate::data::{Split, prepare};
use crate::error::Result;
use crate::results::metric::{of_likelihood, tag};
use crate::results::record::Record;
use crate::results::recorded::{FileState, SHOWN_FILES};
use crate::signal::StopFlag;
use crate::task;
use crate::train::checkpoint_files;
use crate::train::run_state::Owner;
use std::path::Path;

/// One thing that a record says, and whether it is so.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was looked at: `test/bleu`, `hypotheses/dev.txt`.
    pub what: String,
    pub outcome: Outcome,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    /// What was found instead.
    Differs(String),
    /// Why nothing says whether it holds.
    Unknown(String),
}

impl Outcome {
    /// Differs as `found` tells; holds if nothing was found.
    fn of(found: Option<String>) -> Outcome {
        found.map_or(Outcome::Holds, Outcome::Differs)
    }
}

/// Perplexities computed again may differ by so much, relatively: matrix kernels vary with the
/// number of threads and the processor.
const PERPLEXITY_TOLERANCE: f64 = 1e-5;

/// Checks the record of a finished run against its files and its data; with `decode` also against its
/// weights, which are used to translate and to predict both sets again.
///
/// # Errors
/// If there is nothing to check: no run, no record, or data that is not prepared.
pub fn verify(run_dir: &Path, data_root: &Path, decode: bool) -> Result<Vec<Check>> {
    let (experiment, record) = finished_run(run_dir, &[])?;
    let data = prepare::open(&experiment.data, data_root)?;
    let task = task::of(&experiment, data.tokenizers.target().len());
    let mut checks = Checks { run_dir, record: &record, done: Vec::new() };
    checks.add("data", Outcome::of(data.verify().err().map(|error| error.to_string())));
    checks.same("fingerprint", &record.data.fingerprint, data.fingerprint());
    checks.same("identity", &record.identity, &identity(&experiment, data.fingerprint()));
    checks.file(WEIGHTS, SCORED)?;
    SHOWN_FILES.iter().try_for_each(|file| checks.file(file, file))?;
    checks.times();
    checks.checkpoints()?;
    for split in [Split::Dev, Split::Test] {
        let Some(written) = task.written() else { break };
        let name = split.name();
        let file = hypotheses_file(split);
        checks.file(&file, &file)?;
        let (hypotheses, references) = (stored_hypotheses(run_dir, split)?, data.text(split)?.target);
        for score in written.scores(&hypotheses, &references)? {
            checks.metric(&tag(name, score.metric), score.value, 0.0);
        }
        // Records of before 2026-11-26 have none.
        for (metric, value) in written.further_scores(&hypotheses, &references)? {
            let tag = tag(name, metric);
            if record.metrics.contains_key(&tag) {
                checks.metric(&tag, value, 0.0);
            }
        }
        let store = data.split_unverified(split)?;
        let by_length = ScoresByLength::of(&experiment, split, &store, &hypotheses, &references)?;
        for (tag, score) in by_length.iter().flat_map(ScoresByLength::metrics) {
            checks.metric(&tag, score, 0.0);
        }
    }
    if decode && !scored_weights_hold(run_dir)? {
        checks.add("decoded again", Outcome::Unknown("not done: the weights are not as recorded".into()));
    } else if decode {
        let TrainedModel { data, model, .. } = TrainedModel::load(run_dir, data_root, &[])?;
        for split in [Split::Dev, Split::Test] {
            let (name, store) = (split.name(), data.split(split)?);
            let found = task.likelihood(&*model, &store)?;
            let [perplexity, _] = of_likelihood(experiment.task());
            checks.metric(&tag(name, perplexity), found.perplexity(), PERPLEXITY_TOLERANCE);
            let Some(written) = task.written() else { continue };
            let output = written.output(&*model, &data, &store, split, &StopFlag::never())?;
            let stored = stored_hypotheses(run_dir, split)?;
            let other =
                output.hypotheses.iter().zip(&stored).filter(|(new, old)| new.trim_end() != old.as_str());
            let other = other.count();
            let found =
                (other > 0).then(|| format!("{other} of {} lines decode to something else", stored.len()));
            checks.add(&format!("{name} decoded again"), Outcome::of(found));
        }
    }
    Ok(checks.done)
}

struct Checks<'a> {
    run_dir: &'a Path,
    record: &'a Record,
    done: Vec<Check>,
}

impl Checks<'_> {
    fn add(&mut self, what: &str, outcome: Outcome) {
        self.done.push(Check { what: what.to_string(), outcome });
    }

    fn same(&mut self, what: &str, recorded: &str, found: &str) {
        let found = (recorded != found).then(|| format!("{found}, recorded as {recorded}"));
        self.add(what, Outcome::of(found));
    }

    /// A file against the checksum called `name`; nothing is said of one that the run does not have.
    fn file(&mut self, name: &str, file: &str) -> Result<()> {
        let path = self.run_dir.join(file);
        let outcome = match self.record.file_state(name, &path)? {
            FileState::AsRecorded if !path.exists() => return Ok(()),
            FileState::AsRecorded => Outcome::Holds,
            FileState::Differs(why) => Outcome::Differs(why),
            FileState::NotCovered => {
                Outcome::Unknown("the record is of an earlier version and has no checksum of it".into())
            }
        };
        self.add(name, outcome);
        Ok(())
    }

    /// The times of the attempts against their own checksums.
    fn times(&mut self) {
        let outcome = match attempts::verify(self.run_dir) {
            Ok(None) => return,
            Ok(Some(true)) => Outcome::Holds,
            Ok(Some(false)) => Outcome::Unknown("an attempt of an earlier version has no checksum".into()),
            Err(error) => Outcome::Differs(error.to_string()),
        };
        self.add(attempts::TIMING_JSON, outcome);
    }

    /// Checkpoints that are still there: whether this trial saved them, or one of the same training.
    fn checkpoints(&mut self) -> Result<()> {
        let Record { identity, training_identity, .. } = self.record;
        let owners = checkpoint_files::owners(&self.run_dir.join(CHECKPOINTS))?;
        let mut outcome = (!owners.is_empty()).then_some(Outcome::Holds);
        for (path, owner) in owners {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match owner {
                Ok(Some(owner)) if owner.identity == *identity => {}
                Ok(Some(Owner { training_identity: Some(training), .. }))
                    if Some(&training) == training_identity.as_ref() => {}
                Ok(Some(Owner { identity, training_identity: Some(_) })) => {
                    outcome =
                        Some(Outcome::Differs(format!("{name} was saved by another trial, {identity:.16}…")));
                    break;
                }
                Ok(Some(Owner { identity, training_identity: None })) => {
                    outcome = Some(Outcome::Unknown(format!(
                        "{name} was saved by the trial {identity:.16}…, whose training it does not state"
                    )));
                }
                Ok(None) => outcome = Some(Outcome::Unknown(format!("{name} does not state its trial"))),
                Err(error) => outcome = Some(Outcome::Unknown(error.to_string())),
            }
        }
        outcome.into_iter().for_each(|outcome| self.add(CHECKPOINTS, outcome));
        Ok(())
    }

    /// A score within a relative tolerance of the recorded one.
    fn metric(&mut self, tag: &str, found: f64, tolerance: f64) {
        let outcome = match self.record.metrics.get(tag) {
            None => Some("the record has no such score".to_string()),
            Some(recorded) if (found - recorded).abs() <= tolerance * recorded.abs() => None,
            Some(recorded) => Some(format!("{found}, recorded as {recorded}")),
        };
        self.add(tag, Outcome::of(outcome));
    }
}
