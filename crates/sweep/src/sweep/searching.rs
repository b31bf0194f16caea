//! A search in a driver: what came of its draws so far, and the trials of the next one.

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
    /// Each trial sees one card alone.
    pub on_cards: bool,
    /// Whether this call makes further draws.
    pub may_draw: bool,
    /// Nothing is drawn while so many trials are on their way: a cluster takes all at once, and they would learn nothing.
    pub most_at_once: usize,
    /// By the trial's number.
    settled: BTreeMap<usize, Settled>,
}

/// What came of a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Settled {
    /// The objective, of which less is better.
    Finished(f64),
    Diverged,
    /// It failed in a way that says nothing of its settings, or was not asked for.
    Unknown,
}

/// The trials of a draw, with what is there of them before anything starts.
pub struct NewDraw<'a> {
    pub drawn: Drawn,
    pub survey: Survey,
    /// Those that committed records stand for, by number.
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

    /// Trials of the draws to come.
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

    /// Notes that a trial failed for good.
    pub fn fail(&mut self, number: usize, failure: &Failure) {
        let settled = match failure.kind {
            FailureKind::Diverged => Settled::Diverged,
            _ => Settled::Unknown,
        };
        self.settled.insert(number, settled);
    }

    /// Ends a search whose random draws at the start all failed, in ways that say nothing of their settings: what it would
    /// draw next would fail as they did. Gives what is to be told then.
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

    /// Notes that nothing will be known of a trial.
    pub fn leave(&mut self, number: usize) {
        self.settled.insert(number, Settled::Unknown);
    }

    /// The next draw; `held` and `notes` as for [`draw`](Self::draw).
    ///
    /// # Errors
    /// Of reading files.
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

    /// The next draw, whose trials get the numbers from `first` on. `held` tells of a trial that halving holds where, with
    /// its dev loss there; with a step, its loss at that one. `notes` gets what is to be told.
    ///
    /// # Errors
    /// A corpus that the draw needs and that is not prepared.
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
        self.corpora.prepare(&drawn.trials)?;
        self.corpora.check(&drawn.trials)?;
        let mut survey = survey(&drawn.trials, first, self.sweep_dir, &mut self.corpora, self.policy)?;
        let mut reused = BTreeMap::new();
        survey.pending.retain(|pending| match self.committed.of(&pending.identity) {
            Some(found) => reused.insert(pending.trial, found).is_some(),
            None => true,
        });
        Ok(Some(NewDraw { drawn, survey, reused }))
    }

    /// What came of a draw; none if that will not be known.
    fn outcome(&self, draw: usize, held: &impl Fn(usize, Option<u64>) -> Option<Held>) -> Option<Outcome> {
        let seeds = self.drawing.drawer.seeds().len();
        let first = draw * seeds;
        let settled: Vec<Option<Settled>> =
            (first..first + seeds).map(|trial| self.settled.get(&trial).copied()).collect();
        outcome(&settled, |seed, step| held(first + seed, step))
    }
}

/// What came of a draw over its seeds, in their order; none if that will not be known. `held` tells of a seed what it tells
/// of a trial in [`Searching::draw`].
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
    // Seeds that are not finished: all of them held, or some under way.
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
        // The first got to update 300, the second to 100 alone.
        let held = |seed: usize, step: Option<u64>| match (seed, step) {
            (0, None | Some(300)) => Some(Held { step: 300, loss: 2.0 }),
            (0, Some(100)) => Some(Held { step: 100, loss: 3.0 }),
            (1, None | Some(100)) => Some(Held { step: 100, loss: 5.0 }),
            _ => None,
        };
        assert_eq!(outcome(&[None, None], held), Some(Outcome::Halved { step: 100, loss: 4.0 }));
        assert_eq!(outcome(&[None], held), Some(Outcome::Halved { step: 300, loss: 2.0 }));
        // The third is under way.
        assert_eq!(outcome(&[None, None, None], held), Some(Outcome::Running));
    }
}
