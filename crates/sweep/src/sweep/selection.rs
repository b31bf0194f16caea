//! `--only`: the trials that one call runs.

use super::label::FAILED;
use super::state::StateKind;
use super::trial::Trial;
use crate::error::{Error, Result, nearest};
use crate::results::record::Failure;
use crate::sequence::distinct;
use std::collections::BTreeSet;

/// The trials that the user selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selection {
    /// Row and seed of the trials that were named.
    trials: BTreeSet<(String, u64)>,
    /// Whether all failed trials are selected.
    failed: bool,
}

impl Selection {
    /// Reads the words of `--only`; without words, everything is selected.
    ///
    /// # Errors
    /// A user error for a word that names nothing in the sweep.
    pub fn parse(words: &[String], trials: &[Trial]) -> Result<Self> {
        let mut selection = Selection { trials: BTreeSet::new(), failed: false };
        for word in words {
            let (row, seed) = parts(word);
            let of_row = of_row(trials, row);
            let is_named = |trial: &&Trial| seed.is_none_or(|seed| seed == trial.seed.to_string());
            let named: Vec<&Trial> = of_row.iter().copied().filter(is_named).collect();
            if named.is_empty() && word == FAILED {
                selection.failed = true;
            } else if named.is_empty() {
                return Err(Error::user(format!("--only {word:?} {}", mistake(row, &of_row, trials))));
            }
            selection.trials.extend(named.iter().map(|trial| (trial.row.clone(), trial.seed)));
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
        self.names(trial) || (self.failed && failure.is_some())
    }

    /// Whether no word selects anything.
    pub fn is_all(&self) -> bool {
        self.trials.is_empty() && !self.failed
    }

    /// Whether a plan shows a trial in this state.
    pub fn plans(&self, trial: &Trial, state: StateKind) -> bool {
        self.is_all() || self.names(trial) || (self.failed && state == StateKind::Failed)
    }

    fn names(&self, trial: &Trial) -> bool {
        self.trials.contains(&(trial.row.clone(), trial.seed))
    }
}

/// Returns the row that a word names, and the seed if it names a trial.
fn parts(word: &str) -> (&str, Option<&str>) {
    match word.rsplit_once("/seed-") {
        Some((row, seed)) => (row, Some(seed)),
        None => (word, None),
    }
}

/// Returns the trials of the row called `name`: a row of the table, or else all combinations of a `[[row]]` of the file.
fn of_row<'t>(trials: &'t [Trial], name: &str) -> Vec<&'t Trial> {
    let exact: Vec<&Trial> = trials.iter().filter(|trial| trial.row == name).collect();
    match exact.is_empty() {
        true => trials.iter().filter(|trial| trial.stated_row.as_deref() == Some(name)).collect(),
        false => exact,
    }
}

/// Returns the reason why a word with this row names nothing, with advice. `of_row` are the trials of the row.
fn mistake(row: &str, of_row: &[&Trial], trials: &[Trial]) -> String {
    if let Some(first) = of_row.first() {
        let seeds = distinct(of_row.iter().map(|trial| trial.seed.to_string())).join(", ");
        return format!("is no trial: the seeds of row {row:?} are {seeds}; write {row}/seed-{}", first.seed);
    }
    let stated = trials.iter().filter_map(|trial| trial.stated_row.as_deref());
    let rows = trials.iter().map(|trial| trial.row.as_str());
    let guess = nearest(row, rows.chain(stated).chain([FAILED]));
    let guess = guess.map_or(String::new(), |near| format!("; did you mean {near:?}?"));
    format!("is neither a row of the sweep, nor ROW/seed-N, nor `failed`{guess}")
}

#[cfg(test)]
mod tests {
    use super::super::examples::of_demo;
    use super::*;

    const ROWS: &str = "seeds = [1, 2]\n[axes]\n\"model.layers\" = [1, 2]\n\
        [[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"narrow\"\nset = { \"model.d_ff\" = 32 }\n";

    /// Returns the trials that these words select, as `row/seed`.
    fn selected(words: &[&str]) -> Result<Vec<String>> {
        let (_, trials) = of_demo(ROWS);
        let words: Vec<String> = words.iter().map(|word| word.to_string()).collect();
        let selection = Selection::parse(&words, &trials)?;
        let wanted = trials.iter().filter(|trial| selection.wants(trial, None));
        Ok(wanted.map(|trial| format!("{}/{}", trial.row, trial.seed)).collect())
    }

    #[test]
    fn a_row_of_the_file_stands_for_all_its_combinations() {
        let all = ["narrow,layers=1/1", "narrow,layers=1/2", "narrow,layers=2/1", "narrow,layers=2/2"];
        assert_eq!(selected(&["narrow"]).unwrap(), all);
        assert_eq!(selected(&["narrow/seed-2"]).unwrap(), [all[1], all[3]]);
        assert_eq!(selected(&["narrow,layers=2"]).unwrap(), all[2..]);
        assert_eq!(
            selected(&["narrow,layers=1/seed-1", "narrow,layers=2/seed-2"]).unwrap(),
            [all[0], all[3]]
        );
        assert_eq!(selected(&[]).unwrap().len(), 8);
    }

    #[test]
    fn a_word_that_names_nothing_gets_advice() {
        let told = |word: &str| {
            let error = selected(&[word]).unwrap_err();
            assert_eq!(error.exit_code(), 2, "{error}");
            error.to_string()
        };
        assert!(
            told("narrow/seed-9").contains(
                "--only \"narrow/seed-9\" is no trial: the seeds of row \"narrow\" are 1, 2; write narrow/seed-1"
            ),
            "{}",
            told("narrow/seed-9")
        );
        for word in ["narow", "narow/seed-1"] {
            assert!(told(word).contains("is neither a row of the sweep"), "{}", told(word));
            assert!(told(word).ends_with("; did you mean \"narrow\"?"), "{}", told(word));
        }
        assert!(told("x").ends_with("nor `failed`"), "{}", told("x"));
    }
}
