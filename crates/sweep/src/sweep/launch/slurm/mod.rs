//! Trials as elements of Slurm's job arrays.
//!
//! Trials that start together become one array. Slurm decides when and where a job runs; the run directories tell how
//! trials ended, squeue tells which jobs are still to come, and [`submission`] tells which job belongs to which trial.
//! A driver may end at any time: the jobs continue, and the next driver finds them.

mod client;
mod judge;
pub mod keeper;
mod script;
pub mod slurm_spec;
mod squeue;
mod submission;

use super::launcher::{EarlierJob, Ending, Launcher, Order, Setup, Update};
use super::process;
use crate::error::{Error, Result};
use crate::experiment::run_files::saved_step;
use crate::experiment::{EVENTS_FILE, LOG_FILE, claimed_identity};
use crate::files;
use crate::signal::StopFlag;
use crate::sweep::ledger::Kind;
use crate::sweep::trial_event::TrialEvent;
use crate::telemetry::format::counted;
use client::Job;
use judge::{Verdict, judge};
use keeper::Left;
use slurm_spec::SlurmSpec;
use squeue::{Place, jobs};
pub use squeue::{Queued, queue};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use submission::{Element, Submission};
pub use submission::{folder, settled_files};

/// Runs trials through sbatch.
pub struct Slurm {
    spec: SlurmSpec,
    sweep_dir: PathBuf,
    data_root: PathBuf,
    results: PathBuf,
    /// Orders to submit at the next opportunity.
    waiting: Vec<Order>,
    /// Submissions that may still have jobs, by number.
    submissions: BTreeMap<u32, Submission>,
    /// Jobs of earlier drivers that were not taken over yet.
    found: Vec<Place>,
    /// The ordered trials that have a job, by number.
    submitted: BTreeMap<usize, SubmittedTrial>,
    /// The time of the next call of squeue.
    poll_at: Instant,
    /// Updates to return with the next ones.
    pending_updates: Vec<Update>,
    /// Whether the last call of squeue failed, and the user was told.
    squeue_failing: bool,
    /// Largest number of elements of an array, once it is known.
    largest_array: Option<usize>,
    /// Raised once the driver is to leave, which does not wait for squeue.
    stop: StopFlag,
}

/// A trial with its job.
struct SubmittedTrial {
    order: Order,
    place: Place,
    /// Whether it was running at the last check.
    running: bool,
    /// Number of checks in a row at which squeue did not know the job, or called it ended, and no ending was written.
    misses: u32,
    /// Number of bytes of its file of events that were read.
    events_read: u64,
}

impl Slurm {
    /// Checks the settings, whether the paths can be passed to jobs, and whether Slurm's programs exist.
    ///
    /// # Errors
    /// A user error with advice.
    pub fn check(spec: &SlurmSpec, sweep_dir: &Path, data_root: &Path) -> Result<()> {
        spec.check(&|_| None)?;
        script::log_name(&absolute(sweep_dir)?)?;
        script::shell_word(&absolute(data_root)?)?;
        script::shell_word(process::this_program()?)?;
        client::find()
    }

    /// Opens the launcher for a sweep, and looks for the sweep's earlier jobs.
    ///
    /// # Errors
    /// If squeue fails or a signal asks to stop: nothing was written.
    pub fn open(setup: &Setup) -> Result<Self> {
        let Setup { sweep_dir, data_root, results, threads, .. } = *setup;
        let cpus = setup.slurm.cpus.unwrap_or(threads).max(1);
        let mut slurm = Slurm {
            spec: SlurmSpec { cpus: Some(cpus), ..setup.slurm.clone() },
            sweep_dir: sweep_dir.to_path_buf(),
            data_root: absolute(data_root)?,
            results: absolute(results)?,
            waiting: Vec::new(),
            submissions: BTreeMap::new(),
            found: Vec::new(),
            submitted: BTreeMap::new(),
            poll_at: Instant::now(),
            pending_updates: Vec::new(),
            squeue_failing: false,
            largest_array: None,
            stop: setup.stop.clone(),
        };
        slurm.find_jobs()?;
        Ok(slurm)
    }

    /// Finds the jobs of earlier drivers. Submissions without any are settled, so that a job which starts late, because
    /// its driver was killed during sbatch, does nothing.
    fn find_jobs(&mut self) -> Result<()> {
        let open = Submission::open(&self.sweep_dir)?;
        let jobs = jobs(&open, &self.stop)?;
        for mut submission in open {
            let number = submission.number;
            let array = jobs.iter().find(|((n, _), _)| *n == number).map(|(_, job)| job.array);
            let count = self.found.len();
            for (at, element) in submission.elements.iter().enumerate() {
                let live = jobs.get(&(number, at)).is_some_and(Job::is_live);
                let run_dir = self.sweep_dir.join(&element.run);
                // A failure without a driver is still to be reported, unless another trial has the directory by now.
                let failed = Left::load(&run_dir, &submission, at)
                    .is_some_and(|left| matches!(left.ending, Ending::Failed { .. }))
                    && claimed_identity(&run_dir)?.as_deref() == Some(&element.identity);
                if live || failed {
                    self.found.push((number, at));
                }
            }
            submission.array = submission.array.or(array);
            submission.settled = self.found.len() == count;
            submission.save(&self.sweep_dir)?;
            if !submission.settled {
                self.submissions.insert(number, submission);
            }
        }
        Ok(())
    }

    /// Returns the latest job of an earlier driver for this trial.
    fn found(&self, run_dir: &Path, identity: &str) -> Option<Place> {
        let is_it = |(number, at): &&Place| {
            let element = &self.submissions[number].elements[*at];
            element.identity == identity && self.sweep_dir.join(&element.run) == run_dir
        };
        self.found.iter().rev().find(is_it).copied()
    }

    /// Returns the number of trials that may be submitted now, so that no more than `max_running` run at once: an array
    /// respects the limit by itself, and further ones wait until all of its jobs have started.
    fn room(&self) -> usize {
        let running = self.submitted.values().filter(|submitted| submitted.running).count();
        match self.spec.max_running {
            None => usize::MAX,
            Some(_) if self.submitted.is_empty() => usize::MAX,
            Some(_) if running < self.submitted.len() => 0,
            Some(most) => most.saturating_sub(running),
        }
    }

    /// Submits the waiting orders, as far as there is room.
    fn submit(&mut self) -> Result<Vec<Update>> {
        let mut updates = Vec::new();
        while !self.waiting.is_empty() && self.room() > 0 {
            let largest = *self.largest_array.get_or_insert_with(client::largest_array);
            let count = self.waiting.len().min(self.room()).min(largest);
            let orders: Vec<Order> = self.waiting.drain(..count).collect();
            let submission = self.submit_array(&orders)?;
            let (number, array) = (submission.number, submission.array.unwrap_or_default());
            self.submissions.insert(number, submission);
            updates.push(Update::Message(format!("job {array} of Slurm: {}", counted(count, "trial"))));
            for (at, order) in orders.into_iter().enumerate() {
                updates.push(Update::Noted(
                    order.trial,
                    Kind::Submitted,
                    format!("job {}", client::id(array, at)),
                ));
                self.watch(order, (number, at));
            }
        }
        Ok(updates)
    }

    /// Begins to watch the job of a trial.
    fn watch(&mut self, order: Order, place: Place) {
        let trial = order.trial;
        let submitted = SubmittedTrial { order, place, running: false, misses: 0, events_read: 0 };
        self.submitted.insert(trial, submitted);
    }

    /// Submits these trials as one array.
    fn submit_array(&self, orders: &[Order]) -> Result<Submission> {
        let element = |order| Element::new(&self.sweep_dir, order);
        let elements = orders.iter().map(element).collect::<Result<Vec<_>>>()?;
        let mut submission = Submission::create(&self.sweep_dir, elements)?;
        let at = |ending| absolute(&submission.path(&self.sweep_dir, ending));
        let (file, script, log) = (at("json")?, at("sh")?, at("log")?);
        let throttle = self.spec.max_running.map_or_else(String::new, |most| format!("%{most}"));
        let mut options = vec![
            format!("--job-name={}", submission.name),
            format!("--array=0-{}{throttle}", orders.len() - 1),
            format!("--output={}", script::log_name(&log)?),
            "--open-mode=append".to_string(),
            "--requeue".to_string(),
        ];
        options.extend(self.spec.options());
        let text = script::text(&options, process::this_program()?, &self.data_root, &self.results, &file)?;
        files::write_atomically(&script, text.as_bytes())?;
        let outcome = client::submit(&options, &script);
        submission.array = match outcome {
            Ok(array) => Some(array),
            Err(error) => match jobs(std::slice::from_ref(&submission), &self.stop)?.values().next() {
                // The answer was lost, not the job.
                Some(job) => Some(job.array),
                None => {
                    submission.settled = true;
                    submission.save(&self.sweep_dir)?;
                    return Err(Error::user(format!(
                        "Slurm did not take the trials: {error}\n  help: look at [slurm] in the sweep's file; the \
                         options given are in {}",
                        script.display()
                    )));
                }
            },
        };
        submission.save(&self.sweep_dir)?;
        Ok(submission)
    }

    /// Checks every job, and returns the updates.
    fn poll(&mut self) -> Result<Vec<Update>> {
        if self.submitted.is_empty() {
            return Ok(Vec::new());
        }
        let jobs = match jobs(self.submissions.values(), &self.stop) {
            Ok(jobs) => jobs,
            // The driver answers the signal.
            Err(Error::Stopped(_)) => return Ok(Vec::new()),
            // If the controller does not answer, the jobs' states are unknown.
            Err(error) if !std::mem::replace(&mut self.squeue_failing, true) => {
                return Ok(vec![Update::Message(format!("warning: {error}; asking again until it answers"))]);
            }
            Err(_) => return Ok(Vec::new()),
        };
        self.squeue_failing = false;
        let mut updates = Vec::new();
        let mut over = Vec::new();
        for (&trial, submitted) in &mut self.submitted {
            let SubmittedTrial { order, place, .. } = &*submitted;
            let (submission, at) = (&self.submissions[&place.0], place.1);
            let element = &submission.elements[at];
            let job = jobs.get(place);
            let left = Left::load(&order.run_dir, submission, at);
            // A trial that paused at its `until` has completed its job.
            let got_further = || {
                let saved = saved_step(&order.run_dir)?;
                Ok(saved > element.from && element.until != Some(saved))
            };
            let verdict = judge(job, left.as_ref(), submitted.misses, got_further)?;
            submitted.misses = if matches!(verdict, Verdict::Unclear) { submitted.misses + 1 } else { 0 };
            match verdict {
                Verdict::Queued if std::mem::take(&mut submitted.running) => {
                    let id = job.map(Job::id).unwrap_or_default();
                    updates.push(Update::Noted(
                        trial,
                        Kind::Requeued,
                        format!("job {id} is back in the queue"),
                    ));
                }
                Verdict::Running if !std::mem::replace(&mut submitted.running, true) => {
                    updates.push(Update::Begun(trial));
                }
                Verdict::Over(ending) => {
                    let logs =
                        [submission.path(&self.sweep_dir, "log"), submitted.order.run_dir.join(LOG_FILE)];
                    over.push((trial, explained(ending, &logs)));
                }
                Verdict::Queued | Verdict::Running | Verdict::Unclear => {}
            }
            let events = submitted.order.run_dir.join(EVENTS_FILE);
            updates.extend(
                new_events(&events, &mut submitted.events_read)
                    .into_iter()
                    .map(|event| Update::Event(trial, event)),
            );
        }
        for (trial, ending) in over {
            updates.push(Update::Ended(trial, ending));
            self.settle(trial)?;
        }
        Ok(updates)
    }

    /// Forgets a trial whose job is over and reported.
    fn settle(&mut self, trial: usize) -> Result<()> {
        let Some(submitted) = self.submitted.remove(&trial) else { return Ok(()) };
        Left::forget(&submitted.order.run_dir)?;
        let number = submitted.place.0;
        let others =
            self.submitted.values().map(|submitted| submitted.place).chain(self.found.iter().copied());
        if !others.into_iter().any(|place| place.0 == number)
            && let Some(mut submission) = self.submissions.remove(&number)
        {
            submission.settled = true;
            submission.save(&self.sweep_dir)?;
        }
        Ok(())
    }

    /// Returns the numbers of the trials' jobs.
    fn ids(&self) -> Vec<String> {
        let array = |place: &Place| Some(client::id(self.submissions.get(&place.0)?.array?, place.1));
        self.submitted.values().filter_map(|submitted| array(&submitted.place)).collect()
    }
}

impl Launcher for Slurm {
    fn describe(&self) -> String {
        let most = self.spec.max_running.map_or_else(String::new, |most| format!(", up to {most} at once"));
        format!("as jobs of Slurm{most}")
    }

    fn places(&self) -> usize {
        usize::MAX
    }

    fn threads(&self) -> usize {
        self.spec.cpus.unwrap_or(1)
    }

    fn job(&self, run_dir: &Path, identity: &str) -> Option<EarlierJob> {
        let (number, at) = self.found(run_dir, identity)?;
        Some(EarlierJob { until: self.submissions[&number].elements[at].until })
    }

    fn start(&mut self, order: Order) -> Result<()> {
        match self.found(&order.run_dir, &order.identity) {
            Some(place) => {
                self.found.retain(|other| *other != place);
                self.watch(order, place);
            }
            None => self.waiting.push(order),
        }
        Ok(())
    }

    fn updates(&mut self, patience: Duration) -> Result<Vec<Update>> {
        let mut updates = std::mem::take(&mut self.pending_updates);
        updates.extend(self.submit()?);
        if self.poll_at <= Instant::now() {
            updates.extend(self.poll()?);
            self.poll_at = Instant::now() + Duration::from_secs_f64(self.spec.poll_seconds);
        }
        if updates.is_empty() {
            std::thread::sleep(patience);
        }
        Ok(updates)
    }

    fn stop(&mut self) {
        // From now on the driver waits until every job is over.
        self.stop = StopFlag::never();
        let unsubmitted = std::mem::take(&mut self.waiting).into_iter();
        let never = |order: Order| Update::Ended(order.trial, Ending::Left("was not submitted".to_string()));
        self.pending_updates.extend(unsubmitted.map(never));
        if let Err(error) = client::cancel(&self.ids()) {
            self.pending_updates.push(Update::Message(format!("warning: {error}; the jobs go on")));
        }
        self.poll_at = Instant::now();
    }

    fn leave(&mut self) -> Option<String> {
        let arrays: Vec<String> =
            self.submissions.values().filter_map(|s| Some(s.array?.to_string())).collect();
        let (count, waiting) = (self.submitted.len(), self.waiting.len());
        let more = if waiting > 0 { format!("; {waiting} more wait for these") } else { String::new() };
        let stop = match arrays.is_empty() {
            true => String::new(),
            false => format!(" (to stop them: scancel {})", arrays.join(" ")),
        };
        let go = if count == 1 { "goes" } else { "go" };
        Some(format!("{} {go} on in Slurm without this command{stop}{more}", counted(count, "trial")))
    }
}

/// Adds details to a failure without any: the last lines of the first log that has some. The first log has the output
/// of jobs before their trial starts and Slurm's messages; the second is the trial's own.
fn explained(mut ending: Ending, logs: &[PathBuf]) -> Ending {
    if let Ending::Failed { detail, .. } = &mut ending
        && detail.is_empty()
    {
        let mut lines = logs.iter().map(|log| process::last_lines(log, 0));
        *detail = lines.find(|lines| !lines.is_empty()).unwrap_or_default();
    }
    ending
}

/// Returns the events that a trial has written since the last call. `events_read` is the number of bytes read.
fn new_events(events: &Path, events_read: &mut u64) -> Vec<TrialEvent> {
    let mut bytes = Vec::new();
    let read = File::open(events).and_then(|mut file| {
        // A trial that starts again also starts its file again.
        if file.metadata()?.len() < *events_read {
            *events_read = 0;
        }
        file.seek(SeekFrom::Start(*events_read))?;
        file.read_to_end(&mut bytes)
    });
    if read.is_err() {
        return Vec::new();
    }
    // The last line may be incomplete.
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
    *events_read += whole as u64;
    // If the file was started again and is already longer, reading begins in the middle of a line, which is no event.
    bytes[..whole].split(|&byte| byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
}

/// Returns an absolute path, which is also valid where a job starts.
fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(Error::io("find", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_told_once_and_from_the_start_when_a_trial_starts_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let mut events_read = 0;
        assert!(new_events(&path, &mut events_read).is_empty());
        std::fs::write(&path, "{\"begin\":3}\n{\"message\":\"a\"}\n{\"mess").unwrap();
        assert_eq!(
            new_events(&path, &mut events_read),
            [TrialEvent::Begin(3), TrialEvent::Message("a".into())]
        );
        std::fs::write(&path, "{\"begin\":3}\n{\"message\":\"a\"}\n{\"message\":\"b\"}\n").unwrap();
        assert_eq!(new_events(&path, &mut events_read), [TrialEvent::Message("b".into())]);
        std::fs::write(&path, "{\"begin\":9}\n").unwrap();
        assert_eq!(new_events(&path, &mut events_read), [TrialEvent::Begin(9)]);
    }
}
