//! Runs the trials of a sweep, several at once, and waits for them.

use super::collect::run_dir;
use super::expand::Trial;
use super::ledger::{Event, Kind, Ledger};
use super::place::{self, Reuse};
use super::policy::Policy;
use super::process::{self, Cores, Ending};
use super::progress::{SweepProgress, TrialEvent};
use super::queue::{Job, Next, Queue, Task};
use super::tensorboard::SweepView;
use crate::config::{identity, training_identity};
use crate::data;
use crate::device::available_threads;
use crate::error::{Error, Result};
use crate::experiment::{claimed_identity, is_free};
use crate::results::record::{Failure, FailureKind, Record};
use crate::signal::StopFlag;
use crate::telemetry::format::duration;
use crate::telemetry::{METRICS_FILE, metrics_log};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How often everybody looks whether to stop.
const TICK: Duration = Duration::from_millis(20);
/// How often a worker looks whether a trial that another process is at has become free.
const PATIENCE: Duration = Duration::from_millis(200);

/// What is there before anything starts.
#[derive(Debug)]
pub struct Survey {
    /// Identity of every trial, in order.
    pub identities: Vec<String>,
    /// Trials that are finished, by number.
    pub finished: BTreeSet<usize>,
    /// The last failure of unfinished trials that have one with the present settings, by number.
    pub failures: BTreeMap<usize, Failure>,
    /// The unfinished trials.
    pub jobs: Vec<Job>,
}

/// How many trials ended which way.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Tally {
    pub finished: usize,
    /// Those that failed for good, by number.
    pub failed: Vec<(usize, Failure)>,
    /// Those that halving let go no further.
    pub halved: usize,
    /// Why the sweep ended before its trials did.
    pub stopped: Option<String>,
}

/// The sweep at work.
pub struct Scheduler<'a> {
    pub results: &'a Path,
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    pub trials: &'a [Trial],
    pub workers: usize,
    pub policy: &'a Policy,
    pub stop: &'a StopFlag,
}

impl Scheduler<'_> {
    /// Opens every corpus, which for a generated one means preparing it, and sees what is finished.
    ///
    /// # Errors
    /// A corpus that is not prepared: nothing was started.
    pub fn survey(&self) -> Result<Survey> {
        let mut fingerprints: BTreeMap<String, String> = BTreeMap::new();
        let mut survey = Survey {
            identities: Vec::new(),
            finished: BTreeSet::new(),
            failures: BTreeMap::new(),
            jobs: Vec::new(),
        };
        for (number, trial) in self.trials.iter().enumerate() {
            let experiment = &trial.experiment;
            let key = serde_json::to_string(&experiment.data).map_err(|e| Error::failed(e.to_string()))?;
            let fingerprint = match fingerprints.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let data = data::open(&experiment.data, self.data_root)?;
                    crate::config::validate_vocabulary(experiment, data.tokenizer.len())?;
                    fingerprints.entry(key).or_insert(data.fingerprint().to_string()).clone()
                }
            };
            let identity = identity(experiment, &fingerprint);
            let run_dir = run_dir(self.sweep_dir, trial);
            // The process of a trial whose record is damaged sets it aside, or says why it cannot.
            let record = Record::load(&run_dir).ok().flatten();
            if record.is_some_and(|record| record.identity == identity) {
                survey.finished.insert(number);
            } else {
                let failure = Failure::load(&run_dir).filter(|failure| failure.identity == identity);
                survey.failures.extend(failure.map(|failure| (number, failure)));
                survey.jobs.push(self.job(number, &identity, &fingerprint));
            }
            survey.identities.push(identity);
        }
        Ok(survey)
    }

    fn job(&self, trial: usize, identity: &str, fingerprint: &str) -> Job {
        let experiment = &self.trials[trial].experiment;
        let rungs = self.policy.halving.as_ref().map(|halving| halving.rungs(experiment.training.steps));
        Job {
            trial,
            identity: identity.to_string(),
            training: training_identity(experiment, fingerprint),
            failures: 0,
            rungs: rungs.unwrap_or_default(),
        }
    }

    /// Runs the jobs and gives the tally, in which `finished_before` count as finished.
    /// `view` shows it in TensorBoard.
    pub fn run(&self, jobs: Vec<Job>, finished_before: usize, view: &SweepView) -> Result<Tally> {
        let ledger = Ledger::open(self.sweep_dir)?;
        let progress = SweepProgress::new();
        let workers = self.workers.clamp(1, jobs.len().max(1));
        let cores = Cores::split(workers, self.threads(workers));
        let site = Site {
            scheduler: self,
            ledger: &ledger,
            progress: &progress,
            view,
            queue: Mutex::new(Queue::new(jobs, self.policy)),
            running: Mutex::default(),
            tally: Mutex::new(Tally { finished: finished_before, ..Tally::default() }),
            halt: StopFlag::never(),
        };
        let begun = Instant::now();
        std::thread::scope(|scope| {
            let waiting: Vec<_> = (0..workers)
                .map(|worker| {
                    let (site, cores) = (&site, cores.as_ref().map(|cores| &cores[worker]));
                    scope.spawn(move || site.work(cores))
                })
                .collect();
            site.watch(begun, || waiting.iter().all(|thread| thread.is_finished()));
            waiting.into_iter().try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let queue = site.queue.into_inner().unwrap_or_else(PoisonError::into_inner);
        let mut tally = site.tally.into_inner().unwrap_or_else(PoisonError::into_inner);
        tally.halved = queue.halved();
        if tally.stopped.is_none() && queue.waiting() > 0 {
            let left = queue.waiting();
            tally.stopped = Some(format!("max_trials is reached and {left} trials are not started"));
        }
        Ok(tally)
    }

    /// Threads of one worker, when all workers train as the first trial does.
    fn threads(&self, workers: usize) -> usize {
        match self.trials.first().map_or(0, |trial| trial.experiment.run.threads) {
            0 => (available_threads() / workers).max(1),
            threads => threads,
        }
    }
}

/// What the workers of a running sweep share.
struct Site<'a> {
    scheduler: &'a Scheduler<'a>,
    ledger: &'a Ledger,
    progress: &'a SweepProgress,
    view: &'a SweepView<'a>,
    queue: Mutex<Queue>,
    /// Process numbers of the running trials.
    running: Mutex<BTreeSet<u32>>,
    tally: Mutex<Tally>,
    /// Raised when the sweep is to end before its trials do, for whatever reason.
    halt: StopFlag,
}

impl Site<'_> {
    /// Stops the sweep when a signal comes or the time is up: every running trial saves a checkpoint first.
    fn watch(&self, begun: Instant, all_done: impl Fn() -> bool) {
        let hours = self.scheduler.policy.max_hours;
        while !all_done() {
            if !self.halt.is_raised() {
                if self.scheduler.stop.is_raised() {
                    self.progress.say(
                        "stopping: every running trial saves a checkpoint first (once more to stop at once)",
                    );
                    self.halt("a signal".to_string());
                } else if let Some(hours) =
                    hours.filter(|hours| begun.elapsed().as_secs_f64() > hours * 3600.0)
                {
                    self.halt(format!("max_hours = {hours}"));
                }
            }
            std::thread::sleep(TICK);
        }
    }

    /// Ends the sweep in order.
    fn halt(&self, reason: String) {
        locked(&self.tally).stopped.get_or_insert(format!("stopped by {reason}"));
        self.halt.raise();
        locked(&self.running).iter().for_each(|&process| process::signal(process, libc::SIGTERM));
    }

    /// One worker: task after task until there is none.
    fn work(&self, cores: Option<&Cores>) -> Result<()> {
        let scheduler = self.scheduler;
        while !self.halt.is_raised() {
            let free = |job: &Job| {
                let run_dir = run_dir(scheduler.sweep_dir, &scheduler.trials[job.trial]);
                Ok(!run_dir.exists() || is_free(&run_dir, scheduler.results, &job.identity)?)
            };
            let next = locked(&self.queue).next(free)?;
            match next {
                Next::Run(task) => self.attempt(&task, cores)?,
                Next::Wait => std::thread::sleep(PATIENCE),
                Next::Done => break,
            }
        }
        Ok(())
    }

    /// One attempt at a task, and what follows from its ending.
    fn attempt(&self, task: &Task, cores: Option<&Cores>) -> Result<()> {
        let trial = &self.scheduler.trials[task.job.trial];
        let run_dir = run_dir(self.scheduler.sweep_dir, trial);
        let name = format!("{} seed {}", trial.row, trial.seed);
        let begun = Instant::now();
        match self.make_place(task, trial, &run_dir, &name) {
            Ok(true) => {
                self.view.begin(trial, &run_dir);
                self.view.rewrite(trial, &run_dir);
                self.view.update(trial);
                locked(&self.queue).settle(task);
                locked(&self.tally).finished += 1;
                return Ok(());
            }
            Ok(false) => self.view.begin(trial, &run_dir),
            // The run that stands there is at fault: a matter of this trial, not of the sweep.
            Err(error) if error.exit_code() == 2 => {
                let failure = Failure {
                    identity: task.job.identity.clone(),
                    kind: FailureKind::Failed,
                    reason: "not started".to_string(),
                    detail: error.to_string(),
                    attempts: task.job.failures + 1,
                };
                return self.failed(task, &run_dir, &name, "0s", failure);
            }
            Err(error) => return Err(error),
        }
        self.note(task, Kind::Started, None)?;
        let ending = self.run_process(task, trial, &run_dir, &name, cores)?;
        let took = duration(begun.elapsed().as_secs_f64());
        match confirm(ending, &run_dir, &task.job.identity) {
            Ending::Finished => {
                self.note(task, Kind::Finished, None)?;
                self.progress.say(&format!("{name}: finished in {took}{}", scores(&run_dir)));
                self.view.update(trial);
                locked(&self.queue).settle(task);
                locked(&self.tally).finished += 1;
            }
            Ending::Stopped => self.stopped(task, &run_dir, &name, &took)?,
            Ending::Failed { kind, reason, detail } => {
                let attempts = task.job.failures + 1;
                let failure = Failure { identity: task.job.identity.clone(), kind, reason, detail, attempts };
                self.failed(task, &run_dir, &name, &took, failure)?;
            }
        }
        Ok(())
    }

    /// Makes the run directory the trial's, and takes over what another run did. True if nothing is left to do.
    fn make_place(&self, task: &Task, trial: &Trial, run_dir: &Path, name: &str) -> Result<bool> {
        let Scheduler { results, sweep_dir, workers, .. } = *self.scheduler;
        let threads = self.scheduler.threads(workers);
        if let Some(place) = place::make_room(sweep_dir, trial, &task.job.identity, threads)? {
            self.progress.say(&format!(
                "{}: its settings or data changed; the old run is in {}",
                run_dir.display(),
                place.display()
            ));
            self.note(task, Kind::Superseded, Some(&place.display().to_string()))?;
        }
        let (other, what) = match place::reuse(results, run_dir, trial, &task.job) {
            Ok(Reuse::Nothing) => return Ok(false),
            Ok(Reuse::Whole(other)) => (other, "the same trial finished in"),
            Ok(Reuse::Training(other)) => (other, "goes on from the training of"),
            Err(error) => {
                self.progress.say(&format!("{name}: {error}; it is trained anew"));
                place::make_room(sweep_dir, trial, &task.job.identity, threads)?;
                return Ok(false);
            }
        };
        self.progress.say(&format!("{name}: {what} {}", other.display()));
        self.note(task, Kind::Reused, Some(&other.display().to_string()))?;
        Ok(what.starts_with("the same"))
    }

    fn run_process(
        &self,
        task: &Task,
        trial: &Trial,
        run_dir: &Path,
        name: &str,
        cores: Option<&Cores>,
    ) -> Result<Ending> {
        let Scheduler { results, data_root, .. } = *self.scheduler;
        let mut child = process::spawn(run_dir, data_root, results, task.until, cores)?;
        locked(&self.running).insert(child.id());
        if self.halt.is_raised() {
            process::signal(child.id(), libc::SIGTERM); // the flag was raised while it started
        }
        let mut display = self.progress.start(name, trial.experiment.training.steps);
        if let Some(out) = child.stdout.take() {
            for line in BufReader::new(out).lines().map_while(|line| line.ok()) {
                if let Ok(event) = serde_json::from_str::<TrialEvent>(&line) {
                    display.hear(&event);
                }
            }
        }
        let status = child.wait().map_err(Error::io("wait for", run_dir))?;
        locked(&self.running).remove(&child.id());
        display.end();
        Ok(process::classify(status, run_dir))
    }

    /// The trial ended with its state saved: as it was told to, or because something else told it so.
    fn stopped(&self, task: &Task, run_dir: &Path, name: &str, took: &str) -> Result<()> {
        if let Some((step, dev_loss)) = task.until.and_then(|step| Some((step, dev_loss(run_dir, step)?))) {
            self.note(task, Kind::Paused, Some(&format!("step {step}, dev loss {dev_loss}")))?;
            self.progress.say(&format!("{name}: paused at step {step} after {took}, dev loss {dev_loss:.4}"));
            locked(&self.queue).pause(task, dev_loss);
            return Ok(());
        }
        self.note(task, Kind::Stopped, None)?;
        self.progress.say(&format!("{name}: stopped after {took}, its state is saved"));
        if self.halt.is_raised() || task.job.failures + 1 >= self.scheduler.policy.retry.attempts {
            locked(&self.queue).settle(task);
            let stopped = &mut locked(&self.tally).stopped;
            stopped.get_or_insert_with(|| format!("{name} was stopped from outside"));
        } else {
            // Somebody else stopped it, or another process had begun it a moment before.
            locked(&self.queue).retry(task);
        }
        Ok(())
    }

    fn failed(&self, task: &Task, run_dir: &Path, name: &str, took: &str, failure: Failure) -> Result<()> {
        failure.save(run_dir)?;
        let log = run_dir.join(crate::experiment::LOG_FILE);
        let again =
            self.scheduler.policy.retry.allows(failure.kind, failure.attempts) && !self.halt.is_raised();
        let kind = if again { Kind::Retried } else { Kind::Failed };
        self.note(task, kind, Some(&failure.reason))?;
        self.progress.say(&format!(
            "{name}: {} after {took}{}; {}\n    {}",
            failure.reason,
            if again { ", to be tried again" } else { "" },
            log.display(),
            failure.detail.replace('\n', "\n    ")
        ));
        if again {
            locked(&self.queue).retry(task);
            return Ok(());
        }
        // A process that was killed has not said that it ended.
        let trial = &self.scheduler.trials[task.job.trial];
        if matches!(claimed_identity(run_dir), Ok(Some(owner)) if owner == failure.identity) {
            self.view.rewrite(trial, run_dir);
        }
        self.view.update(trial);
        locked(&self.queue).settle(task);
        locked(&self.tally).failed.push((task.job.trial, failure));
        if self.scheduler.policy.fail_fast {
            self.halt(format!("--fail-fast after {name} failed"));
        }
        Ok(())
    }

    fn note(&self, task: &Task, event: Kind, reason: Option<&str>) -> Result<()> {
        let trial = &self.scheduler.trials[task.job.trial];
        self.ledger.note(&Event {
            event,
            row: &trial.row,
            seed: trial.seed,
            identity: &task.job.identity,
            reason,
        })
    }
}

/// A trial has finished only if it left its record.
fn confirm(ending: Ending, run_dir: &Path, identity: &str) -> Ending {
    if ending != Ending::Finished {
        return ending;
    }
    let reason = match Record::load(run_dir) {
        Ok(Some(record)) if record.identity == identity => return Ending::Finished,
        Ok(_) => "ended without a record of its own".to_string(),
        Err(error) => error.to_string(),
    };
    Ending::Failed { kind: FailureKind::Failed, reason, detail: String::new() }
}

/// The dev loss that the run measured at an update.
fn dev_loss(run_dir: &Path, step: u64) -> Option<f64> {
    let rows = metrics_log::read(&run_dir.join(METRICS_FILE)).ok()?;
    rows.into_iter().find(|row| row.step == step && row.tag == "dev/loss").map(|row| row.value)
}

fn scores(run_dir: &Path) -> String {
    match Record::load(run_dir) {
        Ok(Some(record)) => {
            record.metrics.get("test/bleu").map_or_else(String::new, |bleu| format!(", test BLEU {bleu:.2}"))
        }
        _ => String::new(),
    }
}

/// A worker that panicked has not left what it held half changed.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
