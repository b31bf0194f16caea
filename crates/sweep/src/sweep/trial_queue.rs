//! Chooses the next trial of a worker: pending trials, except those of other processes, and paused ones of halving.

use super::ladder::{Climb, Ladder};
use super::policy::Policy;
use crate::error::Result;
use std::collections::{BTreeMap, BTreeSet};

/// A trial that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTrial {
    /// The trial's number in the sweep.
    pub trial: usize,
    pub identity: String,
    /// Shared by trials that only decode differently; see `config::training_identity`.
    pub training: String,
    /// Number of attempts in this call that failed.
    pub failures: u32,
}

/// The work that a worker gets at a time: a pending trial, and the update at which it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub pending: PendingTrial,
    /// The update after which it pauses; None: it finishes.
    pub until: Option<u64>,
}

/// The next step of a worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Run(Turn),
    /// Make the next draw of a search, and [add](Queue::add) it.
    Draw,
    /// Everything that is left waits for another trial or process: ask again soon.
    Wait,
    Done,
}

/// The comparison at which halving holds a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    pub step: u64,
    /// The dev loss at that update.
    pub loss: f64,
}

/// The pending trials of a sweep on their way through its workers.
#[derive(Debug)]
pub struct Queue {
    fresh: Vec<PendingTrial>,
    /// Trials that wait at a comparison of halving; some never continue.
    paused: Vec<PendingTrial>,
    ladder: Ladder,
    running: Vec<PendingTrial>,
    /// Trials that this call started, by number.
    started: BTreeSet<usize>,
    max_trials: usize,
}

impl Queue {
    /// Creates the queue. `climbs` has, with halving, the progress of all trials, also of those that are not pending.
    pub fn new(pending: Vec<PendingTrial>, climbs: BTreeMap<usize, Climb>, policy: &Policy) -> Self {
        let mut queue = Queue {
            fresh: Vec::new(),
            paused: Vec::new(),
            ladder: Ladder::new(policy.halving.as_ref().map(|halving| halving.factor)),
            running: Vec::new(),
            started: BTreeSet::new(),
            max_trials: policy.max_trials.unwrap_or(usize::MAX),
        };
        queue.add(pending, climbs);
        queue
    }

    /// Returns the number of trials that have not begun or that wait for their next attempt.
    pub fn waiting(&self) -> usize {
        self.fresh.len()
    }

    /// Returns the number of trials that halving has stopped.
    pub fn halved(&self) -> usize {
        self.paused.len()
    }

    /// Adds trials behind the others; `climbs` as for [`new`](Self::new).
    pub fn add(&mut self, pending: Vec<PendingTrial>, climbs: BTreeMap<usize, Climb>) {
        self.ladder.extend(climbs);
        let waits =
            |pending: &PendingTrial| self.ladder.climb(pending.trial).is_some_and(|climb| climb.waits);
        let (paused, fresh): (Vec<_>, Vec<_>) = pending.into_iter().partition(waits);
        self.paused.extend(paused);
        self.fresh.extend(fresh);
    }

    /// Returns the update at which halving holds a trial, and its dev loss there. With `step`, returns the dev loss at
    /// the comparison at that update, also of a trial that went on.
    pub fn held(&self, trial: usize, step: Option<u64>) -> Option<Held> {
        let climb = self.ladder.climb(trial)?;
        match step {
            Some(step) => {
                let rung = climb.rungs.iter().position(|&at| at == step)?;
                Some(Held { step, loss: *climb.losses.get(rung)? })
            }
            None => climb.last().filter(|_| climb.waits).map(|(step, loss)| Held { step, loss }),
        }
    }

    /// Returns the next step. `is_free` tells whether no other process works on a pending trial; `may_draw`, whether a
    /// search has further draws. They come before the last comparisons, and only if no trial waits, to use all results.
    pub fn next(&mut self, may_draw: bool, is_free: impl Fn(&PendingTrial) -> Result<bool>) -> Result<Next> {
        let may_draw = may_draw && self.started.len() < self.max_trials;
        let alone = self.running.is_empty();
        let exhausted = !may_draw && self.fresh.iter().all(|pending| !self.within_budget(pending));
        let mut held = false;
        for trial in self.ladder.candidates(alone && exhausted) {
            // Other trials were not selected.
            let Some(at) = self.paused.iter().position(|pending| pending.trial == trial) else { continue };
            if !self.within_budget(&self.paused[at]) {
                continue;
            }
            if !self.is_open(&self.paused[at], &is_free)? {
                held = true;
                continue;
            }
            self.ladder.go_on(trial);
            let pending = self.paused.remove(at);
            return Ok(Next::Run(self.begin(pending)));
        }
        let mut blocked = false;
        for at in 0..self.fresh.len() {
            if !self.within_budget(&self.fresh[at]) {
                continue;
            }
            if !self.is_open(&self.fresh[at], &is_free)? {
                blocked = true;
                continue;
            }
            let pending = self.fresh.remove(at);
            return Ok(Next::Run(self.begin(pending)));
        }
        if may_draw && !blocked {
            return Ok(Next::Draw);
        }
        // A running trial may fail and be tried again, or let another one continue.
        Ok(if held || blocked || !alone { Next::Wait } else { Next::Done })
    }

    /// Whether a trial can start now. Trials that differ only in decoding wait for the one that trains for all of them.
    fn is_open(
        &self,
        pending: &PendingTrial,
        is_free: &impl Fn(&PendingTrial) -> Result<bool>,
    ) -> Result<bool> {
        Ok(self.running.iter().all(|other| other.training != pending.training) && is_free(pending)?)
    }

    fn within_budget(&self, pending: &PendingTrial) -> bool {
        self.started.len() < self.max_trials || self.started.contains(&pending.trial)
    }

    fn begin(&mut self, pending: PendingTrial) -> Turn {
        self.started.insert(pending.trial);
        self.running.push(pending.clone());
        Turn { until: self.ladder.until(pending.trial), pending }
    }

    /// Ends a turn: the trial failed for good or was stopped.
    pub fn settle(&mut self, turn: &Turn) {
        self.running.retain(|pending| pending.trial != turn.pending.trial);
    }

    /// Ends a turn of a trial that finished. `measured` reads its dev losses by update; called only with halving.
    pub fn finish(&mut self, turn: &Turn, measured: impl FnOnce() -> BTreeMap<u64, f64>) {
        self.settle(turn);
        self.ladder.finish(turn.pending.trial, measured);
    }

    /// Ends a turn of a trial that paused at `turn.until` with this dev loss.
    pub fn pause(&mut self, turn: &Turn, dev_loss: f64) {
        self.settle(turn);
        self.ladder.pause(turn.pending.trial, dev_loss);
        self.paused.push(turn.pending.clone());
    }

    /// Ends a turn of a trial that is to be tried again, behind the others.
    pub fn retry(&mut self, turn: &Turn) {
        self.settle(turn);
        self.fresh.push(PendingTrial { failures: turn.pending.failures + 1, ..turn.pending.clone() });
    }

    /// Ends a turn of a trial that is to continue, behind the others, without a failure.
    pub fn requeue(&mut self, turn: &Turn) {
        self.settle(turn);
        self.fresh.push(turn.pending.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Halving;
    use super::*;

    fn pending(trial: usize, training: &str) -> PendingTrial {
        PendingTrial { trial, identity: trial.to_string(), training: training.into(), failures: 0 }
    }

    fn queue(pending: Vec<PendingTrial>, policy: &Policy) -> Queue {
        Queue::new(pending, BTreeMap::new(), policy)
    }

    /// Trials of trainings of their own that halving compares at these updates.
    fn compared(
        trials: std::ops::Range<usize>,
        rungs: &[u64],
    ) -> (Vec<PendingTrial>, BTreeMap<usize, Climb>) {
        let climb = Climb { rungs: rungs.to_vec(), ..Climb::default() };
        let pending = trials.clone().map(|trial| pending(trial, &trial.to_string())).collect();
        (pending, trials.map(|trial| (trial, climb.clone())).collect())
    }

    fn halving(factor: u64) -> Policy {
        Policy { halving: Some(Halving { first: 10, factor }), ..Policy::default() }
    }

    fn run(queue: &mut Queue) -> Turn {
        match queue.next(false, |_| Ok(true)).unwrap() {
            Next::Run(turn) => turn,
            other => panic!("{other:?}"),
        }
    }

    fn idle(queue: &mut Queue) -> Next {
        queue.next(false, |_| Ok(true)).unwrap()
    }

    #[test]
    fn jobs_come_in_order_and_a_failed_one_again_behind_the_others() {
        let mut queue = queue(vec![pending(0, "a"), pending(1, "b")], &Policy::default());
        let first = run(&mut queue);
        assert_eq!((first.pending.trial, first.until), (0, None));
        queue.retry(&first);
        let second = run(&mut queue);
        assert_eq!(second.pending.trial, 1);
        let again = run(&mut queue);
        assert_eq!((again.pending.trial, again.pending.failures), (0, 1));
        assert_eq!(idle(&mut queue), Next::Wait);
        queue.settle(&second);
        queue.settle(&again);
        assert_eq!(idle(&mut queue), Next::Done);
    }

    #[test]
    fn trials_with_one_training_run_one_after_the_other() {
        let pending = vec![pending(0, "a"), pending(1, "a"), pending(2, "b")];
        let mut queue = queue(pending, &Policy::default());
        let first = run(&mut queue);
        assert_eq!(run(&mut queue).pending.trial, 2);
        assert_eq!(idle(&mut queue), Next::Wait);
        queue.settle(&first);
        assert_eq!(run(&mut queue).pending.trial, 1);
    }

    #[test]
    fn what_another_process_is_at_is_waited_for() {
        let mut queue = queue(vec![pending(0, "a")], &Policy::default());
        assert_eq!(queue.next(false, |_| Ok(false)).unwrap(), Next::Wait);
        assert_eq!(run(&mut queue).pending.trial, 0);
    }

    #[test]
    fn a_budget_counts_trials_and_not_attempts() {
        let policy = Policy { max_trials: Some(1), ..Policy::default() };
        let mut queue = queue(vec![pending(0, "a"), pending(1, "b")], &policy);
        let turn = run(&mut queue);
        queue.retry(&turn);
        let again = run(&mut queue);
        assert_eq!(again.pending.trial, 0);
        queue.settle(&again);
        assert_eq!(idle(&mut queue), Next::Done);
        assert_eq!(queue.waiting(), 1);
    }

    #[test]
    fn halving_lets_the_best_go_on_and_one_to_the_end() {
        let (pending, climbs) = compared(0..4, &[10, 20]);
        let mut queue = Queue::new(pending, climbs, &halving(2));
        let mut order = Vec::new();
        loop {
            match idle(&mut queue) {
                Next::Run(turn) => {
                    order.push((turn.pending.trial, turn.until));
                    match turn.until {
                        // The later the trial, the better.
                        Some(_) => queue.pause(&turn, 9.0 - turn.pending.trial as f64),
                        None => queue.settle(&turn),
                    }
                }
                Next::Done => break,
                Next::Wait | Next::Draw => panic!(),
            }
        }
        let (first, second, end) = (Some(10), Some(20), None);
        // The third is the best of the three at the second comparison, and then the fourth is.
        let expected = [
            (0, first),
            (1, first),
            (1, second),
            (2, first),
            (2, second),
            (2, end),
            (3, first),
            (3, second),
            (3, end),
        ];
        assert_eq!(order, expected);
        assert_eq!(queue.halved(), 2);
    }

    #[test]
    fn a_search_draws_when_no_trial_waits_and_before_the_last_comparison() {
        let policy = Policy {
            halving: Some(Halving { first: 10, factor: 2 }),
            max_trials: Some(3),
            ..Policy::default()
        };
        let next = |queue: &mut Queue| queue.next(true, |_| Ok(true)).unwrap();
        let (first, climbs) = compared(0..1, &[10]);
        let mut queue = Queue::new(first, climbs, &policy);
        let Next::Run(first) = next(&mut queue) else { panic!("it waits") };
        // Another worker does not wait for it.
        assert_eq!(next(&mut queue), Next::Draw);
        queue.pause(&first, 3.0);
        assert_eq!(queue.held(0, None), Some(Held { step: 10, loss: 3.0 }));
        assert_eq!(queue.held(0, Some(10)), queue.held(0, None));
        // Alone at its comparison, it continues only if no further draw is to come.
        assert_eq!(next(&mut queue), Next::Draw);
        let (others, climbs) = compared(1..3, &[10]);
        queue.add(others, climbs);
        let Next::Run(second) = next(&mut queue) else { panic!("it was added") };
        assert_eq!((second.pending.trial, queue.held(1, None)), (1, None));
        queue.pause(&second, 2.0);
        let Next::Run(best) = next(&mut queue) else { panic!("the better of two goes on") };
        assert_eq!((best.pending.trial, best.until), (1, None));
        queue.settle(&best);
        let Next::Run(third) = next(&mut queue) else { panic!("it was added") };
        queue.settle(&third);
        // Three were started: no more are drawn, and the first was not the better one.
        assert_eq!(next(&mut queue), Next::Done);
    }

    #[test]
    fn a_trial_that_halving_let_go_on_still_heads_for_its_next_comparison_after_a_failure() {
        let (pending, climbs) = compared(0..2, &[10, 20]);
        let mut queue = Queue::new(pending, climbs, &halving(2));
        for loss in [1.0, 2.0] {
            let turn = run(&mut queue);
            queue.pause(&turn, loss);
        }
        let best = run(&mut queue);
        assert_eq!((best.pending.trial, best.until), (0, Some(20)));
        queue.retry(&best);
        let again = run(&mut queue);
        assert_eq!((again.pending.trial, again.pending.failures, again.until), (0, 1, Some(20)));
        queue.requeue(&again);
        let again = run(&mut queue);
        assert_eq!((again.pending.trial, again.until), (0, Some(20)));
        queue.pause(&again, 0.5);
        let last = run(&mut queue);
        assert_eq!((last.pending.trial, last.until), (0, None));
        queue.finish(&last, || BTreeMap::from([(10, 1.0), (20, 0.5)]));
        assert_eq!((idle(&mut queue), queue.halved()), (Next::Done, 1));
    }

    #[test]
    fn what_an_earlier_call_compared_is_not_run_again() {
        let (mut pending, mut climbs) = compared(0..3, &[10]);
        let at = |loss: f64, waits: bool| Climb { rungs: vec![10], losses: vec![loss], waits };
        // The first finished, the second waits, and the third was killed on its way to the end.
        climbs.extend([(0, at(1.0, false)), (1, at(3.0, true)), (2, at(2.0, false))]);
        pending.remove(0);
        let mut queue = Queue::new(pending, climbs, &halving(3));
        let killed = run(&mut queue);
        assert_eq!((killed.pending.trial, killed.until), (2, None));
        queue.settle(&killed);
        assert_eq!((idle(&mut queue), queue.halved()), (Next::Done, 1));
    }

    #[test]
    fn a_trial_that_may_go_on_is_waited_for_while_another_process_is_at_it() {
        let (pending, climbs) = compared(0..1, &[10]);
        let mut queue = Queue::new(pending, climbs, &halving(2));
        let turn = run(&mut queue);
        queue.pause(&turn, 1.0);
        assert_eq!(queue.next(false, |_| Ok(false)).unwrap(), Next::Wait);
        assert_eq!(run(&mut queue).until, None);
    }
}
