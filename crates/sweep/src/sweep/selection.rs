//! `--only`: the trials that one call runs.

use super::label::FAILED;
use super::state::StateKind;
use super::trial::Trial;
use crate::error::{Error, Result, nearest};
use crate::results::record::Failure;

/// The trials that the user selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Rows and `ROW/seed-N`.
    names: Vec<String>,
    /// Whether all failed trials are selected.
    failed: bool,
}

impl Selection {
    /// Reads the words of `--only`; without words, everything is selected.
    ///
    /// # Errors
    /// A user error for a word that names nothing in the sweep.
    pub fn parse(words: &[String], trials: &[Trial]) -> Result<Self> {
        let rows: Vec<&str> = trials.iter().map(|trial| trial.row.as_str()).collect();
        let known = |word: &str| trials.iter().any(|trial| names(trial, word));
        let mut selection = Selection { names: Vec::new(), failed: false };
        for word in words {
            match word.as_str() {
                name if known(name) => selection.names.push(name.to_string()),
                FAILED => selection.failed = true,
                other => {
                    let guess = nearest(other, rows.iter().copied().chain([FAILED]));
                    let guess = guess.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
                    return Err(Error::user(format!(
                        "--only {other:?} is neither a row of the sweep, nor ROW/seed-N, nor `failed`{guess}"
                    )));
                }
            }
        }
        Ok(selection)
    }

    /// Whether an unfinished trial is to be run. `failure` is its last failure with the present settings.
    ///
    /// A trial that would only fail again is run if it was selected.
    pub fn wants(&self, trial: &Trial, failure: Option<&Failure>) -> bool {
        if self.is_all() {
            return failure.is_none_or(|failure| !failure.kind.repeats());
        }
        self.names.iter().any(|name| names(trial, name)) || (self.failed && failure.is_some())
    }

    /// Whether no word selects anything.
    pub fn is_all(&self) -> bool {
        self.names.is_empty() && !self.failed
    }

    /// Whether a plan shows a trial in this state.
    pub fn plans(&self, trial: &Trial, state: StateKind) -> bool {
        self.is_all()
            || self.names.iter().any(|name| names(trial, name))
            || (self.failed && state == StateKind::Failed)
    }
}

/// Whether `word` is the trial's row or the trial itself.
fn names(trial: &Trial, word: &str) -> bool {
    word.strip_prefix(trial.row.as_str())
        .is_some_and(|rest| rest.is_empty() || rest == format!("/seed-{}", trial.seed))
}
