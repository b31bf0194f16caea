//! Which trial a worker takes next: what is pending, what somebody else is at, what halving lets go on.

use super::policy::{Ladder, Policy};
use crate::error::Result;
use std::collections::BTreeSet;

/// One trial that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingTrial {
    /// Its number among the sweep's trials.
    pub trial: usize,
    pub identity: String,
    /// Shared by trials that only decode differently; see `config::training_identity`.
    pub training: String,
    /// Attempts of this call that failed.
    pub failures: u32,
    /// The updates at which halving compares it, ascending; none without halving.
    pub rungs: Vec<u64>,
}

/// The work that a worker gets at a time: a pending trial, and how far it is to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Turn {
    pub pending: PendingTrial,
    /// Pause after this update; absent: finish.
    pub until: Option<u64>,
}

/// The next step of a worker.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Run(Turn),
    /// The next draw of a search, which is to be [added](Queue::add).
    Draw,
    /// Everything that is left waits for somebody: ask again soon.
    Wait,
    Done,
}

/// Where halving holds a trial.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Held {
    pub step: u64,
    /// The dev loss at an update of a comparison, as far as the trial got there.
    pub loss: f64,
}

/// The pending trials of a sweep on their way through its workers.
#[derive(Debug)]
pub struct Queue {
    fresh: Vec<PendingTrial>,
    /// Those that halving compares; they go on or never do.
    paused: Vec<PendingTrial>,
    ladder: Ladder,
    factor: Option<u64>,
    running: Vec<PendingTrial>,
    /// Trials that this call started, by number.
    started: BTreeSet<usize>,
    max_trials: usize,
}

impl Queue {
    pub fn new(pending: Vec<PendingTrial>, policy: &Policy) -> Self {
        Queue {
            fresh: pending,
            paused: Vec::new(),
            ladder: Ladder::default(),
            factor: policy.halving.as_ref().map(|halving| halving.factor),
            running: Vec::new(),
            started: BTreeSet::new(),
            max_trials: policy.max_trials.unwrap_or(usize::MAX),
        }
    }

    /// Trials that nobody has begun or that wait for their next attempt.
    pub fn waiting(&self) -> usize {
        self.fresh.len()
    }

    /// Trials that halving let go no further.
    pub fn halved(&self) -> usize {
        self.paused.len()
    }

    /// Adds trials behind the others.
    pub fn add(&mut self, pending: Vec<PendingTrial>) {
        self.fresh.extend(pending);
    }

    /// How far a trial got that halving holds, and its dev loss at the comparison at `step`, else at the last one.
    pub fn held(&self, trial: usize, step: Option<u64>) -> Option<Held> {
        let pending = self.paused.iter().find(|pending| pending.trial == trial);
        let loss = |rung| self.ladder.loss(rung, trial);
        match step {
            Some(step) => {
                // Also of one that went on: its comparisons are those of the others.
                let steps = self.paused.iter().chain(&self.running).map(|pending| &pending.rungs);
                let rung = steps.filter_map(|rungs| rungs.iter().position(|&at| at == step)).next()?;
                Some(Held { step, loss: loss(rung)? })
            }
            None => {
                let rungs = &pending?.rungs;
                let rung = (0..rungs.len()).rev().find(|&rung| loss(rung).is_some())?;
                Some(Held { step: rungs[rung], loss: loss(rung)? })
            }
        }
    }

    /// The next turn. `is_free` tells whether no other process is at a pending trial, `may_draw` whether a search has draws
    /// to come: they come before the last comparisons, and only when no trial waits, so that they know as much as they can.
    pub fn next(&mut self, may_draw: bool, is_free: impl Fn(&PendingTrial) -> Result<bool>) -> Result<Next> {
        let may_draw = may_draw && self.started.len() < self.max_trials;
        let alone = self.running.is_empty();
        let exhausted = !may_draw && self.fresh.iter().all(|pending| !self.within_budget(pending));
        if let Some(turn) = self.promoted(alone && exhausted, &is_free)? {
            return Ok(Next::Run(turn));
        }
        let mut blocked = false;
        for at in 0..self.fresh.len() {
            let pending = &self.fresh[at];
            if !self.within_budget(pending) {
                continue;
            }
            // Trials that only decode differently wait for the one that trains for all of them.
            if self.running.iter().any(|other| other.training == pending.training) || !is_free(pending)? {
                blocked = true;
                continue;
            }
            let pending = self.fresh.remove(at);
            let until = pending.rungs.first().copied();
            return Ok(Next::Run(self.begin(pending, until)));
        }
        if may_draw && !blocked {
            return Ok(Next::Draw);
        }
        // A running trial may fail and be tried again, or let another one be promoted.
        Ok(if blocked || !alone { Next::Wait } else { Next::Done })
    }

    fn within_budget(&self, pending: &PendingTrial) -> bool {
        self.started.len() < self.max_trials || self.started.contains(&pending.trial)
    }

    fn begin(&mut self, pending: PendingTrial, until: Option<u64>) -> Turn {
        self.started.insert(pending.trial);
        self.running.push(pending.clone());
        Turn { pending, until }
    }

    /// A paused trial that halving lets go on.
    fn promoted(
        &mut self,
        last: bool,
        is_free: &impl Fn(&PendingTrial) -> Result<bool>,
    ) -> Result<Option<Turn>> {
        let Some(factor) = self.factor else { return Ok(None) };
        let Some((rung, trial)) = self.ladder.next(factor, last) else { return Ok(None) };
        let Some(at) = self.paused.iter().position(|pending| pending.trial == trial) else { return Ok(None) };
        if !is_free(&self.paused[at])? {
            return Ok(None);
        }
        self.ladder.promote(rung, trial);
        let pending = self.paused.remove(at);
        let until = pending.rungs.get(rung + 1).copied();
        Ok(Some(self.begin(pending, until)))
    }

    /// The turn is over: the trial finished, failed for good or was stopped.
    pub fn settle(&mut self, turn: &Turn) {
        self.running.retain(|pending| pending.trial != turn.pending.trial);
    }

    /// The trial paused at `turn.until` with this dev loss.
    pub fn pause(&mut self, turn: &Turn, dev_loss: f64) {
        self.settle(turn);
        if let Some(rung) = turn.pending.rungs.iter().position(|&step| Some(step) == turn.until) {
            self.ladder.reach(rung, turn.pending.trial, dev_loss);
        }
        self.paused.push(turn.pending.clone());
    }

    /// The trial is to be tried again, behind the others.
    pub fn retry(&mut self, turn: &Turn) {
        self.settle(turn);
        self.fresh.push(PendingTrial { failures: turn.pending.failures + 1, ..turn.pending.clone() });
    }

    /// The trial is to go on, behind the others: nothing failed.
    pub fn requeue(&mut self, turn: &Turn) {
        self.settle(turn);
        self.fresh.push(turn.pending.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Halving;
    use super::*;

    fn pending(trial: usize, training: &str, rungs: &[u64]) -> PendingTrial {
        PendingTrial {
            trial,
            identity: trial.to_string(),
            training: training.into(),
            failures: 0,
            rungs: rungs.to_vec(),
        }
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
        let mut queue = Queue::new(vec![pending(0, "a", &[]), pending(1, "b", &[])], &Policy::default());
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
        let pending = vec![pending(0, "a", &[]), pending(1, "a", &[]), pending(2, "b", &[])];
        let mut queue = Queue::new(pending, &Policy::default());
        let first = run(&mut queue);
        assert_eq!(run(&mut queue).pending.trial, 2);
        assert_eq!(idle(&mut queue), Next::Wait);
        queue.settle(&first);
        assert_eq!(run(&mut queue).pending.trial, 1);
    }

    #[test]
    fn what_another_process_is_at_is_waited_for() {
        let mut queue = Queue::new(vec![pending(0, "a", &[])], &Policy::default());
        assert_eq!(queue.next(false, |_| Ok(false)).unwrap(), Next::Wait);
        assert_eq!(run(&mut queue).pending.trial, 0);
    }

    #[test]
    fn a_budget_counts_trials_and_not_attempts() {
        let policy = Policy { max_trials: Some(1), ..Policy::default() };
        let mut queue = Queue::new(vec![pending(0, "a", &[]), pending(1, "b", &[])], &policy);
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
        let policy = Policy { halving: Some(Halving { first: 10, factor: 2 }), ..Policy::default() };
        let pending = (0..4).map(|trial| pending(trial, &trial.to_string(), &[10, 20])).collect();
        let mut queue = Queue::new(pending, &policy);
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
        let mut queue = Queue::new(vec![pending(0, "0", &[10])], &policy);
        let Next::Run(first) = next(&mut queue) else { panic!("it waits") };
        // Another worker does not wait for it.
        assert_eq!(next(&mut queue), Next::Draw);
        queue.pause(&first, 3.0);
        assert_eq!(queue.held(0, None), Some(Held { step: 10, loss: 3.0 }));
        assert_eq!(queue.held(0, Some(10)), queue.held(0, None));
        // Alone at its comparison, it goes on only when no draw is to come.
        assert_eq!(next(&mut queue), Next::Draw);
        for trial in [1, 2] {
            queue.add(vec![pending(trial, &trial.to_string(), &[10])]);
        }
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
}
