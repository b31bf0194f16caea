//! Runs the trials of a sweep, several at once, and waits for them. The steps before a trial's start have their own
//! files: in `draw` a search chooses it; `make_place` prepares its directory and reuses work of other runs.

mod draw;
mod make_place;

use super::committed::Committed;
use super::ladder::{Climb, dev_losses};
use super::launch::launcher::{Ending, Launcher, Order, Update};
use super::ledger::{Event, Kind, Ledger};
use super::place;
use super::policy::Policy;
use super::progress_display::{SweepProgress, TrialProgress};
use super::record_file;
use super::searching::Searching;
use super::tensorboard::SweepView;
use super::trial::{Trial, run_dir};
use super::trial_queue::{Next, PendingTrial, Queue, Turn};
use crate::error::Result;
use crate::experiment::run_files::{check_vacant, has_checkpoint};
use crate::experiment::{claimed_identity, is_free};
use crate::results::index::Index;
use crate::results::metric::{TEST, main_score};
use crate::results::record::{Failure, FailureKind, Record};
use crate::signal::StopFlag;
use crate::telemetry::format::{counted, duration};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

/// Interval at which the driver checks whether to stop.
const TICK: Duration = Duration::from_millis(20);
/// Interval at which the driver checks whether a trial of another process has become free.
const PATIENCE: Duration = Duration::from_millis(200);

/// The number of trials by their ending.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tally {
    pub finished: usize,
    /// The trials that failed and are not tried again, by their number in the sweep.
    pub failed: Vec<(usize, Failure)>,
    /// Number of trials that halving let go no further.
    pub halved: usize,
    /// The reason why the sweep ended before its trials did.
    pub stopped: Option<String>,
    /// The work that continues in Slurm after a detached driver has left, as text for the user.
    pub left: Option<String>,
}

/// The inputs of a running sweep.
pub struct Scheduler<'a> {
    pub results: &'a Path,
    pub sweep_dir: &'a Path,
    pub policy: &'a Policy,
    pub progress: &'a SweepProgress,
    pub stop: &'a StopFlag,
    /// Whether to leave once everything that can start has started.
    pub detach: bool,
}

/// The trials of a sweep. Trials that a search draws are added while the sweep runs.
pub struct Work<'a> {
    pub trials: Vec<Trial>,
    /// The identity of every trial, in order.
    pub identities: Vec<String>,
    /// The trials that committed records stand for, by number.
    pub reused: BTreeMap<usize, &'a Committed>,
    pub search: Option<Searching<'a>>,
}

impl<'a> Scheduler<'a> {
    /// Runs the pending trials and those that a search draws. `tally` holds the counts also after an error. `climbs`
    /// has, with halving, the progress of each trial. `view` shows the trials in TensorBoard.
    pub fn run(
        &self,
        work: &mut Work<'a>,
        pending: Vec<PendingTrial>,
        mut climbs: BTreeMap<usize, Climb>,
        launcher: &mut dyn Launcher,
        view: &mut SweepView<'a>,
        tally: &mut Tally,
    ) -> Result<()> {
        for PendingTrial { trial, identity, .. } in &pending {
            let job = launcher.job(&run_dir(self.sweep_dir, &work.trials[*trial]), identity);
            let (Some(job), Some(climb)) = (job, climbs.get_mut(trial)) else { continue };
            // The earlier driver let the trial continue, and it has not saved anything since.
            climb.waits &= climb.last().map(|(step, _)| step) == job.until;
        }
        let mut active = ActiveSweep {
            scheduler: self,
            work,
            launcher,
            view,
            ledger: Ledger::open(self.sweep_dir)?,
            index: Index::default(),
            queue: Queue::new(pending, climbs, self.policy),
            running: BTreeMap::new(),
            tally,
            halted: false,
        };
        let outcome = active.run();
        if outcome.is_err() {
            active.stop_after_error();
        }
        let ActiveSweep { work, queue, tally, .. } = active;
        tally.halved = queue.halved();
        outcome?;
        let waiting = queue.waiting() + work.search.as_ref().map_or(0, Searching::to_come);
        if let Some(left) = &mut tally.left
            && waiting > 0
        {
            *left += &format!("; {waiting} more wait for others");
        } else if tally.stopped.is_none() && waiting > 0 {
            let are = if waiting == 1 { "is" } else { "are" };
            let left = counted(waiting, "trial");
            tally.stopped = Some(format!("max_trials is reached and {left} {are} not started"));
        }
        Ok(())
    }
}

/// A running sweep.
struct ActiveSweep<'s, 'a> {
    scheduler: &'s Scheduler<'a>,
    work: &'s mut Work<'a>,
    launcher: &'s mut dyn Launcher,
    view: &'s mut SweepView<'a>,
    ledger: Ledger,
    /// The finished runs of this results directory.
    index: Index,
    queue: Queue,
    /// The trials that the launcher runs, by number.
    running: BTreeMap<usize, Attempt<'s>>,
    tally: &'s mut Tally,
    /// Whether the sweep is to end before its trials do, for any reason.
    halted: bool,
}

/// A turn that the launcher runs.
struct Attempt<'a> {
    turn: Turn,
    order: Order,
    begun: Instant,
    /// None until the process runs.
    display: Option<TrialProgress<'a>>,
}

impl Attempt<'_> {
    fn took(&self) -> String {
        duration(self.begun.elapsed().as_secs_f64())
    }
}

impl ActiveSweep<'_, '_> {
    /// Runs turns until there are none left.
    fn run(&mut self) -> Result<()> {
        let begun = Instant::now();
        let mut ask_at = Some(begun);
        loop {
            self.watch(begun);
            if ask_at.is_some_and(|time| time <= Instant::now()) {
                ask_at = self.fill()?;
            }
            if self.running.is_empty() && (self.halted || ask_at.is_none()) {
                return Ok(());
            }
            self.view.refresh(&self.work.trials);
            for update in self.launcher.updates(TICK)? {
                if matches!(update, Update::Ended(..)) {
                    ask_at = Some(Instant::now());
                }
                self.handle_update(update)?;
            }
            if self.scheduler.detach && !self.halted {
                self.tally.left = self.launcher.leave();
                self.forget_running();
            }
        }
    }

    fn handle_update(&mut self, update: Update) -> Result<()> {
        match update {
            Update::Message(text) => self.scheduler.progress.message(&text),
            Update::Noted(trial, kind, what) => {
                let Some(attempt) = self.running.get_mut(&trial) else { return Ok(()) };
                if kind == Kind::Requeued {
                    self.scheduler.progress.message(&format!("{}: {what}", attempt.order.name));
                    attempt.display = None;
                }
                self.note(&self.running[&trial].turn, kind, Some(&what))?;
            }
            Update::Begun(trial) => {
                if let Some(attempt) = self.running.get_mut(&trial) {
                    attempt.begun = Instant::now();
                    attempt.display = Some(self.scheduler.progress.start(trial));
                }
            }
            Update::Event(trial, event) => {
                let display = self.running.get_mut(&trial).and_then(|attempt| attempt.display.as_mut());
                display.into_iter().for_each(|display| display.handle_event(&event));
            }
            Update::Ended(trial, ending) => self.end(trial, ending)?,
        }
        Ok(())
    }

    /// Forgets the launcher's trials, which continue without the driver, and ends the sweep.
    fn forget_running(&mut self) {
        self.halted = true;
        self.running.clear();
    }

    /// Starts turns until every place is taken. Returns when to ask the queue again; None if that would not help.
    fn fill(&mut self) -> Result<Option<Instant>> {
        let Scheduler { sweep_dir, results, .. } = *self.scheduler;
        while !self.halted && self.running.len() < self.launcher.places() {
            let trials = &self.work.trials;
            let free = |pending: &PendingTrial| {
                if !self.launcher.has_room(pending.trial) {
                    return Ok(false);
                }
                let run_dir = run_dir(sweep_dir, &trials[pending.trial]);
                let held = self.launcher.job(&run_dir, &pending.identity).is_some();
                Ok(held || !run_dir.exists() || is_free(&run_dir, results, &pending.identity)?)
            };
            let may_draw = self
                .work
                .search
                .as_ref()
                .is_some_and(|search| search.to_come() > 0 && self.running.len() < search.most_at_once);
            match self.queue.next(may_draw, free)? {
                Next::Run(turn) => self.begin(turn)?,
                Next::Draw => self.draw()?,
                Next::Wait => return Ok(Some(Instant::now() + PATIENCE)),
                Next::Done => break,
            }
        }
        Ok(None)
    }

    /// Stops the sweep after a signal or at its time limit: every running trial saves a checkpoint first.
    fn watch(&mut self, begun: Instant) {
        let hours = self.scheduler.policy.max_hours;
        if self.halted {
            return;
        }
        if !self.scheduler.stop.is_raised() {
            if let Some(hours) = hours.filter(|hours| begun.elapsed().as_secs_f64() > hours * 3600.0) {
                self.halt(&format!("max_hours = {hours}"));
            }
        } else if let Some(what) = self.launcher.leave() {
            self.tally.stopped = Some(what);
            self.forget_running();
        } else {
            self.scheduler.progress.message(
                "stopping: every running trial saves a checkpoint first (once more to stop at once)",
            );
            self.halt("a signal");
        }
    }

    /// Ends the sweep in an orderly way.
    fn halt(&mut self, reason: &str) {
        self.tally.stopped.get_or_insert(format!("stopped by {reason}"));
        self.halted = true;
        self.launcher.stop();
    }

    /// Ends the sweep after an error. Further errors are ignored, because that one will be reported.
    fn stop_after_error(&mut self) {
        self.halted = true;
        if self.launcher.leave().is_some() {
            return self.forget_running();
        }
        self.launcher.stop();
        while !self.running.is_empty() {
            let Ok(updates) = self.launcher.updates(TICK) else { return };
            for update in updates {
                let _ = self.handle_update(update);
            }
        }
    }

    /// Prepares the directory of a turn's trial, and starts the turn unless the trial is already complete.
    fn begin(&mut self, turn: Turn) -> Result<()> {
        let trial = &self.work.trials[turn.pending.trial].clone();
        let order = Order {
            trial: turn.pending.trial,
            name: format!("{} seed {}", trial.row, trial.seed),
            identity: turn.pending.identity.clone(),
            run_dir: run_dir(self.scheduler.sweep_dir, trial),
            until: turn.until,
        };
        let held = self.launcher.job(&order.run_dir, &order.identity).is_some();
        match if held { Ok(false) } else { self.make_place(&turn, trial, &order) } {
            Ok(true) => {
                self.view.begin(&self.work.trials, trial, &order.run_dir);
                self.view.rewrite(trial, &order.run_dir);
                return self.finished(&turn, &order, Record::readable(&order.run_dir), None);
            }
            Ok(false) => self.view.begin(&self.work.trials, trial, &order.run_dir),
            // The run in this directory is at fault, which concerns only this trial.
            Err(error) if error.is_user() => {
                let reason = "not started".to_string();
                let failure = failure(&turn, FailureKind::Failed, reason, error.to_string());
                return self.failed(&turn, &order, "0s", failure);
            }
            Err(error) => return Err(error),
        }
        if !held {
            self.note(&turn, Kind::Started, None)?;
        }
        self.launcher.start(order.clone())?;
        self.running.insert(order.trial, Attempt { turn, order, begun: Instant::now(), display: None });
        Ok(())
    }

    /// Handles the ending of an attempt. A trial has finished if and only if it left its record.
    fn end(&mut self, trial: usize, ending: Ending) -> Result<()> {
        let Some(attempt) = self.running.remove(&trial) else { return Ok(()) };
        let took = attempt.took();
        let Attempt { turn, order, .. } = attempt;
        match (ending, Record::load(&order.run_dir)) {
            (_, Ok(Some(record))) if record.identity == order.identity => {
                self.note(&turn, Kind::Finished, None)?;
                self.finished(&turn, &order, Some(record), Some(&took))?;
            }
            (Ending::Finished, found) => {
                let reason = match found {
                    Ok(_) => "ended without a record of its own".to_string(),
                    Err(error) => error.to_string(),
                };
                let failure = failure(&turn, FailureKind::Failed, reason, String::new());
                self.failed(&turn, &order, &took, failure)?;
            }
            (Ending::Stopped, _) => self.stopped(&turn, &order, &took)?,
            (Ending::Requeued(why), _) => {
                self.note(&turn, Kind::Requeued, Some(&why))?;
                self.scheduler.progress.message(&format!("{}: {why}; it goes on", order.name));
                self.queue.requeue(&turn);
            }
            (Ending::Left(why), _) => {
                self.note(&turn, Kind::Stopped, Some(&why))?;
                self.scheduler.progress.message(&format!("{}: {why}", order.name));
                self.queue.settle(&turn);
                self.tally.stopped.get_or_insert(format!("{}: {why}", order.name));
            }
            (Ending::Failed { kind, reason, detail }, _) => {
                let failure = failure(&turn, kind, reason, detail);
                self.failed(&turn, &order, &took, failure)?;
            }
        }
        Ok(())
    }

    /// Reports a finished trial, adds its record to the sweep's file and ends its turn. `took` is the duration of the
    /// attempt; None if another run had finished the same trial before.
    fn finished(
        &mut self,
        turn: &Turn,
        order: &Order,
        record: Option<Record>,
        took: Option<&str>,
    ) -> Result<()> {
        let Scheduler { sweep_dir, progress, .. } = *self.scheduler;
        let Work { trials, search, .. } = &mut *self.work;
        let none = BTreeMap::new();
        let metrics = record.as_ref().map_or(&none, |record| &record.metrics);
        progress.finished(order.trial, metrics);
        if let Some(took) = took {
            let score = main_score(TEST, |tag| metrics.get(tag).copied())
                .map_or_else(String::new, |(title, score)| format!(", test {title} {score:.2}"));
            progress.message(&format!("{}: finished in {took}{score}", order.name));
        }
        self.view.end(&trials[order.trial]);
        self.queue.finish(turn, || dev_losses(&order.run_dir));
        self.tally.finished += 1;
        let Some(record) = record else { return Ok(()) };
        let learnt = search.as_mut().map_or(Ok(()), |search| search.finish(order.trial, &record));
        // The end of the sweep writes the whole file in any case.
        if let Err(error) = record_file::add(sweep_dir, trials, &BTreeMap::from([(order.trial, record)])) {
            progress.message(&format!("warning: {error}; the record of {} is kept in its run", order.name));
        }
        learnt
    }

    /// Handles a trial that ended before its training did: it paused at its `until`, or was stopped.
    fn stopped(&mut self, turn: &Turn, order: &Order, took: &str) -> Result<()> {
        let Order { name, run_dir, .. } = order;
        let loss_at = |step: u64| Some((step, dev_losses(run_dir).get(&step).copied()?));
        if let Some((step, dev_loss)) = turn.until.and_then(loss_at) {
            self.note(turn, Kind::Paused, Some(&format!("step {step}, dev loss {dev_loss:.4}")))?;
            self.scheduler
                .progress
                .message(&format!("{name}: paused at step {step} after {took}, dev loss {dev_loss:.4}"));
            self.queue.pause(turn, dev_loss);
            return Ok(());
        }
        self.note(turn, Kind::Stopped, None)?;
        let state = match has_checkpoint(run_dir) {
            true => "its state is saved",
            false => "before its first checkpoint",
        };
        self.scheduler.progress.message(&format!("{name}: stopped after {took}, {state}"));
        if self.halted || turn.pending.failures + 1 >= self.scheduler.policy.retry.attempts {
            self.queue.settle(turn);
            let stopped = &mut self.tally.stopped;
            stopped.get_or_insert_with(|| format!("{name} was stopped from outside"));
        } else {
            // Another process or user stopped it.
            self.queue.retry(turn);
        }
        Ok(())
    }

    fn failed(&mut self, turn: &Turn, order: &Order, took: &str, failure: Failure) -> Result<()> {
        let Order { name, run_dir, .. } = order;
        // Nothing is written into a directory that is no run or belongs to another sweep.
        if check_vacant(run_dir).is_ok() && !place::is_behind_link(run_dir) {
            failure.save(run_dir)?;
        }
        let log = run_dir.join(crate::experiment::LOG_FILE);
        let again = self.scheduler.policy.retry.allows(failure.kind, failure.attempts) && !self.halted;
        let kind = if again { Kind::Retried } else { Kind::Failed };
        self.note(turn, kind, Some(&failure.reason))?;
        self.scheduler.progress.failed(order.trial, &failure, &log, again);
        self.scheduler.progress.message(&format!(
            "{name}: {} after {took}{}; {}\n    {}",
            failure.reason,
            if again { ", to be tried again" } else { "" },
            log.display(),
            failure.detail.replace('\n', "\n    ")
        ));
        if again {
            self.queue.retry(turn);
            return Ok(());
        }
        // A process that was killed has not reported its end.
        let trial = &self.work.trials[turn.pending.trial];
        if matches!(claimed_identity(run_dir), Ok(Some(owner)) if owner == failure.identity) {
            self.view.rewrite(trial, run_dir);
        }
        self.view.end(trial);
        self.queue.settle(turn);
        if let Some(search) = &mut self.work.search {
            search.fail(turn.pending.trial, &failure);
            search.give_up().iter().for_each(|told| self.scheduler.progress.message(told));
        }
        self.tally.failed.push((turn.pending.trial, failure));
        if self.scheduler.policy.fail_fast {
            self.halt(&format!("--fail-fast after {name} failed"));
        }
        Ok(())
    }

    fn note(&self, turn: &Turn, event: Kind, reason: Option<&str>) -> Result<()> {
        self.scheduler.progress.note(turn.pending.trial, event, reason);
        let trial = &self.work.trials[turn.pending.trial];
        self.ledger.note(&Event {
            event,
            row: &trial.row,
            seed: trial.seed,
            identity: &turn.pending.identity,
            reason,
        })
    }
}

/// Returns the failure of an attempt at a turn.
fn failure(turn: &Turn, kind: FailureKind, reason: String, detail: String) -> Failure {
    Failure {
        identity: turn.pending.identity.clone(),
        kind,
        reason,
        detail,
        attempts: turn.pending.failures + 1,
    }
}
