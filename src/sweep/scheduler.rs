//! Runs the trials of a sweep, several at once, and waits for them.

use super::collect::run_dir;
use super::expand::Trial;
use super::ledger::{Event, Kind, Ledger};
use super::process::{self, Cores, Ending};
use super::progress::{SweepProgress, TrialEvent};
use crate::config::{identity, to_toml};
use crate::data;
use crate::device::available_threads;
use crate::error::{Error, Result};
use crate::experiment::{claim, claimed_identity};
use crate::files;
use crate::results::record::{Failure, Record};
use crate::signal::StopFlag;
use crate::telemetry::format::duration;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Trials whose records are there, and those that are to be run.
#[derive(Debug)]
pub struct Queue {
    /// Identity of every trial, in order.
    pub identities: Vec<String>,
    /// Numbers of the trials to run.
    pub pending: VecDeque<usize>,
}

/// How many trials ended which way.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Tally {
    pub finished: usize,
    pub failed: usize,
    pub stopped: bool,
}

/// The sweep at work.
pub struct Scheduler<'a> {
    pub sweep_dir: &'a Path,
    pub data_root: &'a Path,
    pub trials: &'a [Trial],
    pub workers: usize,
    pub stop: &'a StopFlag,
}

impl Scheduler<'_> {
    /// Opens every corpus, which for a generated one means preparing it, and sees what is finished.
    ///
    /// # Errors
    /// A corpus that is not prepared, or a damaged record: nothing was started.
    pub fn queue(&self) -> Result<Queue> {
        let mut fingerprints: BTreeMap<String, String> = BTreeMap::new();
        let mut queue = Queue { identities: Vec::new(), pending: VecDeque::new() };
        for (number, trial) in self.trials.iter().enumerate() {
            let data_config = &trial.experiment.data;
            let key = serde_json::to_string(data_config).map_err(|e| Error::failed(e.to_string()))?;
            let fingerprint = match fingerprints.get(&key) {
                Some(known) => known.clone(),
                None => {
                    let data = data::open(data_config, self.data_root)?;
                    crate::config::validate_vocabulary(&trial.experiment, data.tokenizer.len())?;
                    fingerprints.entry(key).or_insert(data.fingerprint().to_string()).clone()
                }
            };
            let identity = identity(&trial.experiment, &fingerprint);
            let record = Record::load(&run_dir(self.sweep_dir, trial))?;
            if record.is_none_or(|record| record.identity != identity) {
                queue.pending.push_back(number);
            }
            queue.identities.push(identity);
        }
        Ok(queue)
    }

    /// Runs what is pending and gives the tally of all trials.
    pub fn run(&self, queue: Queue) -> Result<Tally> {
        let ledger = Ledger::open(self.sweep_dir)?;
        let progress = SweepProgress::new();
        let Queue { identities, pending } = queue;
        let done_before = self.trials.len() - pending.len();
        let workers = self.workers.clamp(1, pending.len().max(1));
        let cores = Cores::split(workers, self.threads(workers));
        let pending = Mutex::new(pending);
        let running: Mutex<BTreeSet<u32>> = Mutex::default();
        let tally = Mutex::new(Tally { finished: done_before, ..Tally::default() });
        std::thread::scope(|scope| {
            let mut waiting = Vec::new();
            for worker in 0..workers {
                let cores = cores.as_ref().map(|cores| &cores[worker]);
                let (pending, running, tally, ledger, progress, identities) =
                    (&pending, &running, &tally, &ledger, &progress, &identities);
                waiting.push(scope.spawn(move || -> Result<()> {
                    while !self.stop.is_raised() {
                        let Some(number) = locked(pending).pop_front() else { break };
                        let one =
                            One { number, identity: &identities[number], cores, ledger, progress, running };
                        let ending = self.run_one(&one)?;
                        let mut tally = locked(tally);
                        match ending {
                            Ending::Finished => tally.finished += 1,
                            Ending::Failed(_) => tally.failed += 1,
                            Ending::Stopped => tally.stopped = true,
                        }
                    }
                    Ok(())
                }));
            }
            // Passes a stop signal on, once: the trials then save their state and end.
            let mut passed_on = false;
            while waiting.iter().any(|thread| !thread.is_finished()) {
                if self.stop.is_raised() && !passed_on {
                    progress.say(
                        "stopping: every running trial saves a checkpoint first (once more to stop at once)",
                    );
                    locked(&running).iter().for_each(|&process| process::signal(process, libc::SIGTERM));
                    passed_on = true;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            waiting.into_iter().try_for_each(|thread| match thread.join() {
                Ok(outcome) => outcome,
                Err(panic) => std::panic::resume_unwind(panic),
            })
        })?;
        let mut tally = tally.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
        tally.stopped |= self.stop.is_raised();
        Ok(tally)
    }

    /// Threads of one worker, when all workers train as the first trial does.
    fn threads(&self, workers: usize) -> usize {
        match self.trials.first().map_or(0, |trial| trial.experiment.run.threads) {
            0 => (available_threads() / workers).max(1),
            threads => threads,
        }
    }

    fn run_one(&self, one: &One) -> Result<Ending> {
        let trial = &self.trials[one.number];
        let run_dir = run_dir(self.sweep_dir, trial);
        let note = |event, reason: Option<&str>| {
            one.ledger.note(&Event {
                event,
                row: &trial.row,
                seed: trial.seed,
                identity: one.identity,
                reason,
            })
        };
        if let Some(place) = self.make_room(&run_dir, trial, one.identity)? {
            one.progress.say(&format!(
                "{}: its settings or data changed; the old run is in {}",
                run_dir.display(),
                place.display()
            ));
            note(Kind::Superseded, Some(&place.display().to_string()))?;
        }
        let name = format!("{} seed {}", trial.row, trial.seed);
        let begun = Instant::now();
        note(Kind::Started, None)?;
        let mut child = process::spawn(&run_dir, self.data_root, one.cores)?;
        locked(one.running).insert(child.id());
        if self.stop.is_raised() {
            process::signal(child.id(), libc::SIGTERM); // the flag was raised while it started
        }
        let mut display = one.progress.start(&name, trial.experiment.training.steps);
        if let Some(out) = child.stdout.take() {
            for line in BufReader::new(out).lines().map_while(|line| line.ok()) {
                if let Ok(event) = serde_json::from_str::<TrialEvent>(&line) {
                    display.hear(&event);
                }
            }
        }
        let status = child.wait().map_err(Error::io("wait for", &run_dir))?;
        locked(one.running).remove(&child.id());
        display.end();
        let took = duration(begun.elapsed().as_secs_f64());
        let ending = self.confirm(process::classify(status, &run_dir), &run_dir, one.identity);
        match &ending {
            Ending::Finished => {
                note(Kind::Finished, None)?;
                one.progress.say(&format!("{name}: finished in {took}{}", scores(&run_dir)));
            }
            Ending::Stopped => {
                note(Kind::Stopped, None)?;
                one.progress.say(&format!("{name}: stopped after {took}, its state is saved"));
            }
            Ending::Failed(failure) => {
                failure.save(&run_dir)?;
                note(Kind::Failed, Some(&failure.reason))?;
                let indented = failure.detail.replace('\n', "\n    ");
                let log = run_dir.join(crate::experiment::LOG_FILE);
                one.progress.say(&format!(
                    "{name}: {} after {took}; {}\n    {indented}",
                    failure.reason,
                    log.display()
                ));
            }
        }
        Ok(ending)
    }

    /// Makes the run directory the trial's. A run with another identity is moved to
    /// `<results>/.superseded/…`, never overwritten; gives the place.
    fn make_room(&self, run_dir: &Path, trial: &Trial, identity: &str) -> Result<Option<PathBuf>> {
        let owner = claimed_identity(run_dir)?;
        let mut moved = None;
        if let Some(owner) = owner.filter(|owner| owner != identity) {
            let place = self.superseded(trial, &owner);
            if let Some(parent) = place.parent() {
                files::create_dir(parent)?;
            }
            files::rename(run_dir, &place)?;
            moved = Some(place);
        }
        files::create_dir(run_dir)?;
        // Written anew each time: the [run] section is not part of the identity and may have changed.
        let mut experiment = trial.experiment.clone();
        if experiment.run.threads == 0 {
            experiment.run.threads = self.threads(self.workers);
        }
        to_toml(&experiment)?;
        claim(run_dir, &experiment, identity)?;
        Ok(moved)
    }

    /// A free name under `<results>/.superseded/<sweep>/<row>/`.
    fn superseded(&self, trial: &Trial, owner: &str) -> PathBuf {
        let (results, sweep) = (self.sweep_dir.parent(), self.sweep_dir.file_name());
        let row = results
            .unwrap_or(Path::new("."))
            .join(".superseded")
            .join(sweep.unwrap_or_default())
            .join(&trial.row);
        let short: String = owner.chars().take(8).collect();
        (1..)
            .map(|n| {
                row.join(format!(
                    "seed-{}-{short}{}",
                    trial.seed,
                    if n == 1 { String::new() } else { format!("-{n}") }
                ))
            })
            .find(|place| !place.exists())
            .unwrap_or(row)
    }

    /// A trial has finished only if it left its record.
    fn confirm(&self, ending: Ending, run_dir: &Path, identity: &str) -> Ending {
        if ending != Ending::Finished {
            return ending;
        }
        let reason = match Record::load(run_dir) {
            Ok(Some(record)) if record.identity == identity => return Ending::Finished,
            Ok(_) => "ended without a record of its own".to_string(),
            Err(error) => error.to_string(),
        };
        Ending::Failed(Failure { reason, detail: String::new() })
    }
}

/// One trial on its way through a worker.
struct One<'a> {
    number: usize,
    identity: &'a str,
    cores: Option<&'a Cores>,
    ledger: &'a Ledger,
    progress: &'a SweepProgress,
    running: &'a Mutex<BTreeSet<u32>>,
}

fn scores(run_dir: &Path) -> String {
    match Record::load(run_dir) {
        Ok(Some(record)) => {
            record.metrics.get("test/bleu").map_or_else(String::new, |bleu| format!(", test BLEU {bleu:.2}"))
        }
        _ => String::new(),
    }
}

/// A worker that panicked has not left the queue half changed.
fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
