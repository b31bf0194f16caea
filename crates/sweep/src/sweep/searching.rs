//! A search in a running sweep: the results of its draws so far, and the trials of the next one.

use super::committed::{Committed, CommittedRecords};
use super::corpora::Corpora;
use super::drawing::{Drawing, Drawn};
use super::policy::Policy;
use super::survey::{Survey, survey};
use super::trial_queue::Held;
use crate::config::DeviceChoice;
use crate::error::{Error, Result};
use crate::results::record::{Failure, FailureKind, Record};
use crate::search::{Outcome, STARTUP_DRAWS};
use std::collections::BTreeMap;
use std::path::Path;

/// The draws of a search and their results.
pub struct Searching<'a> {
    pub drawing: Drawing,
    pub corpora: Corpora<'a>,
    pub committed: &'a CommittedRecords,
    pub sweep_dir: &'a Path,
    pub policy: &'a Policy,
    /// Whether each trial sees only one card.
    pub on_cards: bool,
    /// Whether this call makes further draws.
    pub may_draw: bool,
    /// Number of running trials at which drawing stops: a cluster accepts all at once, without results to learn from.
    pub most_at_once: usize,
    /// By trial number.
    settled: BTreeMap<usize, Settled>,
}

/// The result of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Settled {
    /// Finished, with the objective as a loss: lower is better.
    Finished(f64),
    Diverged,
    /// Failed in a way that says nothing about its settings, or not selected.
    Unknown,
}

/// The trials of a draw, and their state before anything starts.
pub struct NewDraw<'a> {
    pub drawn: Drawn,
    pub survey: Survey,
    /// The trials that committed records stand for, by number.
    pub reused: BTreeMap<usize, &'a Committed>,
}

impl<'a> Searching<'a> {
    pub fn new(
        drawing: Drawing,
        data_root: &'a Path,
        committed: &'a CommittedRecords,
        sweep_dir: &'a Path,
        policy: &'a Policy,
        on_cards: bool,
    ) -> Self {
        let corpora = Corpora::new(data_root);
        let settled = BTreeMap::new();
        Searching {
            drawing,
            corpora,
            committed,
            sweep_dir,
            policy,
            on_cards,
            may_draw: true,
            most_at_once: usize::MAX,
            settled,
        }
    }

    /// Returns the number of trials of the draws to come.
    pub fn to_come(&self) -> usize {
        if self.may_draw { self.drawing.to_come() * self.drawing.drawer.seeds().len() } else { 0 }
    }

    /// Notes the record of a finished trial.
    ///
    /// # Errors
    /// A user error if the record does not have the objective.
    pub fn finish(&mut self, number: usize, record: &Record) -> Result<()> {
        let search = &self.drawing.drawer.search;
        let Some(score) = record.metrics.get(&search.objective) else {
            let known: Vec<&str> =
                record.metrics.keys().map(String::as_str).filter(|tag| !tag.starts_with("test/")).collect();
            return Err(Error::user(format!(
                "search: the record of {} seed {} does not have the objective {:?}; it has {}",
                record.label,
                record.seed,
                search.objective,
                known.join(", ")
            )));
        };
        self.settled.insert(number, Settled::Finished(search.better.loss(*score)));
        Ok(())
    }

    /// Notes that a trial failed and is not tried again.
    pub fn fail(&mut self, number: usize, failure: &Failure) {
        let settled = match failure.kind {
            FailureKind::Diverged => Settled::Diverged,
            _ => Settled::Unknown,
        };
        self.settled.insert(number, settled);
    }

    /// Ends a search whose first random draws all failed for reasons other than their settings, because further draws
    /// would fail, too. Returns a message for the user if the search ends.
    pub fn give_up(&mut self) -> Option<String> {
        let unknown = self.settled.values().filter(|settled| **settled == Settled::Unknown).count();
        let trials = self.drawing.draws.len() * self.drawing.drawer.seeds().len();
        if self.to_come() == 0 || unknown < trials || self.drawing.draws.len() < STARTUP_DRAWS {
            return None;
        }
        self.may_draw = false;
        Some(format!(
            "the search makes no further draws: all of its first {} failed, and not by diverging",
            self.drawing.draws.len()
        ))
    }

    /// Notes that the result of a trial will remain unknown.
    pub fn leave(&mut self, number: usize) {
        self.settled.insert(number, Settled::Unknown);
    }

    /// Makes the next draw; `held` and `notes` as for [`draw`](Self::draw).
    ///
    /// # Errors
    /// If files cannot be read.
    pub fn next(
        &mut self,
        held: impl Fn(usize, Option<u64>) -> Option<Held>,
        notes: &mut Vec<String>,
    ) -> Result<Option<Drawn>> {
        let outcomes: Vec<Option<Outcome>> =
            (0..self.drawing.draws.len()).map(|draw| self.outcome(draw, &held)).collect();
        let drawn = self.drawing.next(&outcomes, notes)?;
        if drawn.is_none() {
            notes.extend(self.drawing.early_end());
        }
        Ok(drawn)
    }

    /// Makes the next draw, whose trials get the numbers from `first` on. `held` returns the step at which halving
    /// holds a trial, and its dev loss there, or its loss at a given step. Messages are added to `notes`.
    ///
    /// # Errors
    /// A corpus that the draw needs is not prepared.
    pub fn draw(
        &mut self,
        first: usize,
        held: impl Fn(usize, Option<u64>) -> Option<Held>,
        notes: &mut Vec<String>,
    ) -> Result<Option<NewDraw<'a>>> {
        let Some(mut drawn) = self.next(held, notes)? else { return Ok(None) };
        if self.on_cards {
            drawn.trials.iter_mut().for_each(|trial| trial.experiment.run.device = DeviceChoice::Cuda(0));
        }
        self.corpora.prepare(&drawn.trials, self.committed)?;
        self.corpora.check(&drawn.trials)?;
        let Searching { sweep_dir, committed, policy, .. } = *self;
        let mut survey = survey(&drawn.trials, first, sweep_dir, &mut self.corpora, committed, policy)?;
        let mut reused = BTreeMap::new();
        survey.pending.retain(|pending| match committed.of(&pending.identity) {
            Some(found) => reused.insert(pending.trial, found).is_some(),
            None => true,
        });
        Ok(Some(NewDraw { drawn, survey, reused }))
    }

    /// Returns the outcome of a draw; None if it will remain unknown.
    fn outcome(&self, draw: usize, held: &impl Fn(usize, Option<u64>) -> Option<Held>) -> Option<Outcome> {
        let seeds = self.drawing.drawer.seeds().len();
        let first = draw * seeds;
        let settled: Vec<Option<Settled>> =
            (first..first + seeds).map(|trial| self.settled.get(&trial).copied()).collect();
        outcome(&settled, |seed, step| held(first + seed, step))
    }
}

/// Returns the outcome of a draw over its seeds, in their order; None if it will remain unknown. `held` is that of
/// [`Searching::draw`], by seed.
fn outcome(
    settled: &[Option<Settled>],
    held: impl Fn(usize, Option<u64>) -> Option<Held>,
) -> Option<Outcome> {
    if settled.contains(&Some(Settled::Diverged)) {
        return Some(Outcome::Diverged);
    }
    if settled.contains(&Some(Settled::Unknown)) {
        return None;
    }
    let finished = settled
        .iter()
        .filter_map(|settled| if let Some(Settled::Finished(loss)) = settled { Some(*loss) } else { None });
    let finished: Vec<f64> = finished.collect();
    if finished.len() == settled.len() {
        return Some(Outcome::Finished(mean(&finished)));
    }
    // Some seeds are not finished: either all of these are held, or some still run.
    let open = (0..settled.len()).filter(|&seed| settled[seed].is_none());
    let Some(steps) = open.map(|seed| Some(held(seed, None)?.step)).collect::<Option<Vec<u64>>>() else {
        return Some(Outcome::Running);
    };
    let step = *steps.iter().min()?;
    let losses: Vec<f64> = (0..settled.len()).filter_map(|seed| Some(held(seed, Some(step))?.loss)).collect();
    Some(Outcome::Halved { step, loss: mean(&losses) })
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_draw_counts_with_the_mean_of_its_seeds() {
        let none = |_: usize, _: Option<u64>| None;
        let of = |settled: &[Option<Settled>]| outcome(settled, none);
        let finished = |loss| Some(Settled::Finished(loss));
        assert_eq!(of(&[finished(1.0), finished(4.0)]), Some(Outcome::Finished(2.5)));
        assert_eq!(of(&[finished(1.0), None]), Some(Outcome::Running));
        assert_eq!(of(&[finished(1.0), Some(Settled::Diverged), None]), Some(Outcome::Diverged));
        assert_eq!(of(&[Some(Settled::Unknown), None]), None);
    }

    #[test]
    fn a_draw_that_halving_holds_counts_at_the_comparison_that_all_seeds_reached() {
        // The first seed got to update 300, the second only to 100.
        let held = |seed: usize, step: Option<u64>| match (seed, step) {
            (0, None | Some(300)) => Some(Held { step: 300, loss: 2.0 }),
            (0, Some(100)) => Some(Held { step: 100, loss: 3.0 }),
            (1, None | Some(100)) => Some(Held { step: 100, loss: 5.0 }),
            _ => None,
        };
        assert_eq!(outcome(&[None, None], held), Some(Outcome::Halved { step: 100, loss: 4.0 }));
        assert_eq!(outcome(&[None], held), Some(Outcome::Halved { step: 300, loss: 2.0 }));
        // The third seed is still running.
        assert_eq!(outcome(&[None, None, None], held), Some(Outcome::Running));
    }
}
