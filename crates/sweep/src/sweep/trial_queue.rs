//! Which trial a worker takes next: what is pending, what somebody else is at, what halving lets go on.

use super::policy::{Ladder, Policy};
use crate::error::Result;
use std::collections::BTreeSet;

/// One trial that is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
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

/// A job with how far it is to go this time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Task {
    pub job: Job,
    /// Pause after this update; absent: finish.
    pub until: Option<u64>,
}

/// What a worker does next.
#[derive(Debug, PartialEq, Eq)]
pub enum Next {
    Run(Task),
    /// Everything that is left waits for somebody: ask again soon.
    Wait,
    Done,
}

/// The jobs of a sweep on their way through its workers.
#[derive(Debug)]
pub struct Queue {
    fresh: Vec<Job>,
    /// Those that halving compares; they go on or never do.
    paused: Vec<Job>,
    ladder: Ladder,
    factor: Option<u64>,
    running: Vec<Job>,
    /// Trials that this call started, by number.
    started: BTreeSet<usize>,
    max_trials: usize,
}

impl Queue {
    pub fn new(jobs: Vec<Job>, policy: &Policy) -> Self {
        Queue {
            fresh: jobs,
            paused: Vec::new(),
            ladder: Ladder::default(),
            factor: policy.halving.as_ref().map(|halving| halving.factor),
            running: Vec::new(),
            started: BTreeSet::new(),
            max_trials: policy.max_trials.unwrap_or(usize::MAX),
        }
    }

    /// Jobs that nobody has begun or that wait for their next attempt.
    pub fn waiting(&self) -> usize {
        self.fresh.len()
    }

    /// Jobs that halving let go no further.
    pub fn halved(&self) -> usize {
        self.paused.len()
    }

    /// The next task. `is_free` tells whether no other process is at a job's trial.
    pub fn next(&mut self, is_free: impl Fn(&Job) -> Result<bool>) -> Result<Next> {
        let alone = self.running.is_empty();
        let exhausted = self.fresh.iter().all(|job| !self.within_budget(job));
        if let Some(task) = self.promoted(alone && exhausted, &is_free)? {
            return Ok(Next::Run(task));
        }
        let mut blocked = false;
        for at in 0..self.fresh.len() {
            let job = &self.fresh[at];
            if !self.within_budget(job) {
                continue;
            }
            // Trials that only decode differently wait for the one that trains for all of them.
            if self.running.iter().any(|other| other.training == job.training) || !is_free(job)? {
                blocked = true;
                continue;
            }
            let job = self.fresh.remove(at);
            let until = job.rungs.first().copied();
            return Ok(Next::Run(self.begin(job, until)));
        }
        // A running trial may fail and be tried again, or let another one be promoted.
        Ok(if blocked || !alone { Next::Wait } else { Next::Done })
    }

    fn within_budget(&self, job: &Job) -> bool {
        self.started.len() < self.max_trials || self.started.contains(&job.trial)
    }

    fn begin(&mut self, job: Job, until: Option<u64>) -> Task {
        self.started.insert(job.trial);
        self.running.push(job.clone());
        Task { job, until }
    }

    /// A paused job that halving lets go on.
    fn promoted(&mut self, last: bool, is_free: &impl Fn(&Job) -> Result<bool>) -> Result<Option<Task>> {
        let Some(factor) = self.factor else { return Ok(None) };
        let Some((rung, trial)) = self.ladder.next(factor, last) else { return Ok(None) };
        let Some(at) = self.paused.iter().position(|job| job.trial == trial) else { return Ok(None) };
        if !is_free(&self.paused[at])? {
            return Ok(None);
        }
        self.ladder.promote(rung, trial);
        let job = self.paused.remove(at);
        let until = job.rungs.get(rung + 1).copied();
        Ok(Some(self.begin(job, until)))
    }

    /// The task is over: the trial finished, failed for good or was stopped.
    pub fn settle(&mut self, task: &Task) {
        self.running.retain(|job| job.trial != task.job.trial);
    }

    /// The trial paused at `task.until` with this dev loss.
    pub fn pause(&mut self, task: &Task, dev_loss: f64) {
        self.settle(task);
        if let Some(rung) = task.job.rungs.iter().position(|&step| Some(step) == task.until) {
            self.ladder.reach(rung, task.job.trial, dev_loss);
        }
        self.paused.push(task.job.clone());
    }

    /// The trial is to be tried again, behind the others.
    pub fn retry(&mut self, task: &Task) {
        self.settle(task);
        self.fresh.push(Job { failures: task.job.failures + 1, ..task.job.clone() });
    }

    /// The trial is to go on, behind the others: nothing failed.
    pub fn requeue(&mut self, task: &Task) {
        self.settle(task);
        self.fresh.push(task.job.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::super::policy::Halving;
    use super::*;

    fn job(trial: usize, training: &str, rungs: &[u64]) -> Job {
        Job {
            trial,
            identity: trial.to_string(),
            training: training.into(),
            failures: 0,
            rungs: rungs.to_vec(),
        }
    }

    fn run(queue: &mut Queue) -> Task {
        match queue.next(|_| Ok(true)).unwrap() {
            Next::Run(task) => task,
            other => panic!("{other:?}"),
        }
    }

    fn idle(queue: &mut Queue) -> Next {
        queue.next(|_| Ok(true)).unwrap()
    }

    #[test]
    fn jobs_come_in_order_and_a_failed_one_again_behind_the_others() {
        let mut queue = Queue::new(vec![job(0, "a", &[]), job(1, "b", &[])], &Policy::default());
        let first = run(&mut queue);
        assert_eq!((first.job.trial, first.until), (0, None));
        queue.retry(&first);
        let second = run(&mut queue);
        assert_eq!(second.job.trial, 1);
        let again = run(&mut queue);
        assert_eq!((again.job.trial, again.job.failures), (0, 1));
        assert_eq!(idle(&mut queue), Next::Wait);
        queue.settle(&second);
        queue.settle(&again);
        assert_eq!(idle(&mut queue), Next::Done);
    }

    #[test]
    fn trials_with_one_training_run_one_after_the_other() {
        let jobs = vec![job(0, "a", &[]), job(1, "a", &[]), job(2, "b", &[])];
        let mut queue = Queue::new(jobs, &Policy::default());
        let first = run(&mut queue);
        assert_eq!(run(&mut queue).job.trial, 2);
        assert_eq!(idle(&mut queue), Next::Wait);
        queue.settle(&first);
        assert_eq!(run(&mut queue).job.trial, 1);
    }

    #[test]
    fn what_another_process_is_at_is_waited_for() {
        let mut queue = Queue::new(vec![job(0, "a", &[])], &Policy::default());
        assert_eq!(queue.next(|_| Ok(false)).unwrap(), Next::Wait);
        assert_eq!(run(&mut queue).job.trial, 0);
    }

    #[test]
    fn a_budget_counts_trials_and_not_attempts() {
        let policy = Policy { max_trials: Some(1), ..Policy::default() };
        let mut queue = Queue::new(vec![job(0, "a", &[]), job(1, "b", &[])], &policy);
        let task = run(&mut queue);
        queue.retry(&task);
        let again = run(&mut queue);
        assert_eq!(again.job.trial, 0);
        queue.settle(&again);
        assert_eq!(idle(&mut queue), Next::Done);
        assert_eq!(queue.waiting(), 1);
    }

    #[test]
    fn halving_lets_the_best_go_on_and_one_to_the_end() {
        let policy = Policy { halving: Some(Halving { first: 10, factor: 2 }), ..Policy::default() };
        let jobs = (0..4).map(|trial| job(trial, &trial.to_string(), &[10, 20])).collect();
        let mut queue = Queue::new(jobs, &policy);
        let mut order = Vec::new();
        loop {
            match idle(&mut queue) {
                Next::Run(task) => {
                    order.push((task.job.trial, task.until));
                    match task.until {
                        // The later the trial, the better.
                        Some(_) => queue.pause(&task, 9.0 - task.job.trial as f64),
                        None => queue.settle(&task),
                    }
                }
                Next::Done => break,
                Next::Wait => panic!(),
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
}
