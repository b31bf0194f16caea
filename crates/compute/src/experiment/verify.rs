//! Verifies a record: its files are unchanged, and its scores can be reproduced.

use super::by_length::ScoresByLength;
use super::run_paths::{CHECKPOINTS, SCORED_PATH, WEIGHTS_CHECKSUM, hypotheses_file};
use super::translations::stored_hypotheses;
use super::{TrainedModel, attempts, finished_run};
use crate::config::{Experiment, identity};
use crate::data::prepared::Prepared;
use crate::data::{Split, opening};
use crate::error::Result;
use crate::results::metric::{METRICS, OF_ONE, find, tag};
use crate::results::record::Record;
use crate::results::recorded::{FileState, SHOWN_FILES};
use crate::signal::StopFlag;
use crate::task::{self, Task, Written};
use crate::train::checkpoint_files;
use crate::train::run_state::Owner;
use std::path::Path;

/// One statement of a record, and whether it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// The checked object: `test/bleu`, `hypotheses/dev.txt`.
    pub what: String,
    pub outcome: Outcome,
}

/// The outcome of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Holds,
    /// The value found instead.
    Differs(String),
    /// The reason why the statement cannot be checked.
    Unknown(String),
}

impl Outcome {
    /// Returns `Differs` with the difference `found`, or `Holds` if there is none.
    fn of(found: Option<String>) -> Outcome {
        found.map_or(Outcome::Holds, Outcome::Differs)
    }
}

/// Name of the check of the prepared data.
const DATA: &str = "data";
const FINGERPRINT: &str = "fingerprint";

/// Returns the outcome of a check that depends on the check `what`, which failed.
fn not_computed(what: &str) -> Outcome {
    let verb = if what == WEIGHTS_CHECKSUM { "are" } else { "is" };
    Outcome::Unknown(format!("not computed: {what} {verb} not as recorded"))
}

/// Relative tolerance of recomputed losses and perplexities: matrix kernels vary with the number of threads and the
/// processor.
const LOSS_TOLERANCE: f64 = 1e-5;
/// Relative tolerance of recomputed accuracies: of two almost equally probable tokens, the other one may come first.
const SHARE_TOLERANCE: f64 = 1e-3;

/// Checks the record of a finished run against its files and its data. With `decode`, also checks the weights:
/// translates and predicts both sets again.
///
/// # Errors
/// If there is nothing to check: no run, no record, or no prepared data.
pub fn verify(run_dir: &Path, data_root: &Path, decode: bool) -> Result<Vec<Check>> {
    let (experiment, record) = finished_run(run_dir, &[])?;
    let data = opening::open_prepared(&experiment.data, data_root)?;
    let task = task::of(&experiment, data.tokenizers.target().len());
    let mut checks = Checks { run_dir, record: &record, done: Vec::new() };
    checks.add(DATA, Outcome::of(data.verify().err().map(|error| error.to_string())));
    checks.same(FINGERPRINT, &record.data.fingerprint, data.fingerprint());
    if let Some(text) = &record.data.scored_text {
        checks.same("scored text", text, &data.scored_text());
    }
    checks.same("identity", &record.identity, &identity(&experiment, data.fingerprint()));
    checks.file(WEIGHTS_CHECKSUM, SCORED_PATH);
    SHOWN_FILES.iter().for_each(|file| checks.file(file, file));
    checks.times();
    checks.checkpoints()?;
    if let Some(written) = task.written() {
        for split in [Split::Dev, Split::Test] {
            checks.translations(&experiment, written, &data, split)?;
        }
    }
    if decode {
        match checks.changed([WEIGHTS_CHECKSUM, DATA, FINGERPRINT]) {
            Some(what) => checks.add("decoded again", not_computed(what)),
            None => checks.decoded_again(&*task, data_root)?,
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

    /// Returns the first of these checks that has failed.
    fn changed<'a>(&self, checks: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
        let failed = |what: &&str| {
            let differs = |check: &Check| check.what == *what && matches!(check.outcome, Outcome::Differs(_));
            self.done.iter().any(differs)
        };
        checks.into_iter().find(failed)
    }

    /// Checks a file against the checksum called `name`. A file that cannot be read differs. Adds no check for a file
    /// that the run does not have.
    fn file(&mut self, name: &str, file: &str) {
        let path = self.run_dir.join(file);
        let outcome = match self.record.file_state(name, &path) {
            Ok(FileState::AsRecorded) if !path.exists() => return,
            Ok(FileState::AsRecorded) => Outcome::Holds,
            Ok(FileState::Differs(why)) => Outcome::Differs(why),
            Ok(FileState::NotCovered) => {
                Outcome::Unknown("the record is of an earlier version and has no checksum of it".into())
            }
            Err(error) => Outcome::Differs(error.to_string()),
        };
        self.add(name, outcome);
    }

    /// Checks the translations of a split and their scores. Translations that differ from the record are still scored,
    /// if possible.
    fn translations(
        &mut self,
        experiment: &Experiment,
        written: &dyn Written,
        data: &Prepared,
        split: Split,
    ) -> Result<()> {
        let file = hypotheses_file(split);
        self.file(&file, &file);
        let scores = self.scores(experiment, written, data, split);
        match (scores, self.changed([file.as_str(), DATA, FINGERPRINT])) {
            (Ok(scores), _) => scores.into_iter().for_each(|(tag, score)| self.metric(&tag, score, 0.0)),
            (Err(_), Some(what)) => self.add(&format!("{} scores", split.name()), not_computed(what)),
            (Err(error), None) => return Err(error),
        }
        Ok(())
    }

    /// Computes the scores of the translations that the run directory holds now.
    fn scores(
        &self,
        experiment: &Experiment,
        written: &dyn Written,
        data: &Prepared,
        split: Split,
    ) -> Result<Vec<(String, f64)>> {
        let (hypotheses, references) = (stored_hypotheses(self.run_dir, split)?, data.text(split)?.target);
        let of_split = |metric| tag(split.name(), metric);
        let scores = written.scores(&hypotheses, &references)?;
        let mut found: Vec<_> = scores.iter().map(|score| (of_split(score.metric), score.value)).collect();
        // Records of earlier versions lack some of these scores.
        let further = written.further_scores(&hypotheses, &references)?.into_iter();
        let further = further.map(|(metric, value)| (of_split(metric), value));
        found.extend(further.filter(|(tag, _)| self.record.metrics.contains_key(tag)));
        let store = data.split_unverified(split)?;
        let by_length = ScoresByLength::of(experiment, split, &store, &hypotheses, &references)?;
        found.extend(by_length.iter().flat_map(ScoresByLength::metrics));
        Ok(found)
    }

    /// Compares the recorded measurements and hypotheses of both sets with new ones, computed from the run's weights.
    fn decoded_again(&mut self, task: &dyn Task, data_root: &Path) -> Result<()> {
        let TrainedModel { data, model, .. } = TrainedModel::load(self.run_dir, data_root, &[])?;
        for split in [Split::Dev, Split::Test] {
            let (name, store) = (split.name(), data.split(split)?);
            let found = task.likelihood(&*model, &store)?;
            for (metric, value) in task.measures(&found, &data.text(split)?.target) {
                let tag = tag(name, metric);
                let share = find(&METRICS, &tag).is_some_and(|(metric, _)| metric.unit == OF_ONE);
                self.metric(&tag, value, if share { SHARE_TOLERANCE } else { LOSS_TOLERANCE });
            }
            let Some(written) = task.written() else { continue };
            let (what, file) = (format!("{name} decoded again"), hypotheses_file(split));
            let stored = match (stored_hypotheses(self.run_dir, split), self.changed([file.as_str()])) {
                (Ok(stored), _) => stored,
                (Err(error), None) => return Err(error),
                (Err(_), Some(file)) => {
                    self.add(&what, not_computed(file));
                    continue;
                }
            };
            let output = written.output(&*model, &data, &store, split, &StopFlag::never())?;
            let (new, lines) = (&output.hypotheses, stored.len());
            let other = new.iter().zip(&stored).filter(|(new, old)| new.trim_end() != old.as_str()).count();
            self.add(
                &what,
                Outcome::of(match other {
                    _ if new.len() != lines => Some(format!("{} lines, recorded are {lines}", new.len())),
                    0 => None,
                    _ => Some(format!("{other} of {lines} lines decode to something else")),
                }),
            );
        }
        Ok(())
    }

    /// Checks the times of the attempts against their own checksums.
    fn times(&mut self) {
        let outcome = match attempts::verify(self.run_dir) {
            Ok(None) => return,
            Ok(Some(true)) => Outcome::Holds,
            Ok(Some(false)) => Outcome::Unknown("an attempt of an earlier version has no checksum".into()),
            Err(error) => Outcome::Differs(error.to_string()),
        };
        self.add(attempts::TIMING_JSON, outcome);
    }

    /// Checks whether this trial, or another one of the same training, saved the checkpoints that still exist.
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

    /// Checks a score against the recorded one within a relative tolerance. Adds no check for a score that no record
    /// can hold and that this one lacks.
    fn metric(&mut self, tag: &str, found: f64, tolerance: f64) {
        let outcome = match self.record.metrics.get(tag) {
            None if !Record::can_hold(found) => return,
            None => Some("the record has no such score".to_string()),
            Some(recorded) if (found - recorded).abs() <= tolerance * recorded.abs() => None,
            Some(recorded) => Some(format!("{found}, recorded as {recorded}")),
        };
        self.add(tag, Outcome::of(outcome));
    }
}
