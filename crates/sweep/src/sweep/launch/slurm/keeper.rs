//! The process that a job of an array runs: it trains one trial and supervises it as the local driver would.
//!
//! The keeper replaces the batch shell, and so gets the signals that Slurm sends there: SIGUSR2 before the time limit
//! and, if the cluster is configured so, before preemption. The trial saves its state, and the job goes back into the
//! queue. SIGTERM comes when Slurm itself ends the job: the trial saves its state, and Slurm and the driver decide the
//! rest. The ending of the trial is written into its directory, because it is stored nowhere else.

use super::client;
use super::submission::{Submission, sweep_dir};
use crate::error::{Error, Result};
use crate::experiment::attempts::host;
use crate::experiment::run_files::saved_step;
use crate::experiment::{ENDING_FILE, EVENTS_FILE, claimed_identity};
use crate::files;
use crate::json;
use crate::signal::StopFlag;
use crate::sweep::launch::launcher::Ending;
use crate::sweep::launch::process;
use crate::telemetry::console::print_message;
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::Path;
use std::process::{Child, ExitStatus};
use std::time::Duration;

/// Interval between two checks of the trial.
const TICK: Duration = Duration::from_millis(20);

/// The ending of a trial, as its job wrote it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Left {
    /// The submission's name and the job's index in it.
    pub submission: String,
    pub element: usize,
    pub ending: Ending,
    /// Whether the job puts itself back into the queue.
    pub requeued: bool,
}

impl Left {
    /// Reads the ending that the job of this submission and element wrote; None if there is none that can be read.
    pub fn load(run_dir: &Path, submission: &Submission, element: usize) -> Option<Left> {
        let bytes = std::fs::read(run_dir.join(ENDING_FILE)).ok()?;
        let left: Left = serde_json::from_slice(&bytes).ok()?;
        (left.submission == submission.name && left.element == element).then_some(left)
    }

    /// Removes the ending once the driver has read it.
    pub fn forget(run_dir: &Path) -> Result<()> {
        files::remove(&run_dir.join(ENDING_FILE))
    }

    fn save(&self, run_dir: &Path) -> Result<()> {
        let text = json::page(self)?;
        files::write_atomically(&run_dir.join(ENDING_FILE), text.as_bytes())
    }
}

/// The job that runs this process, from Slurm's environment variables.
struct Job {
    array: u64,
    element: usize,
    /// Number of times that it was put back into the queue.
    restarts: u32,
}

impl Job {
    fn of_environment() -> Result<Self> {
        let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
        let required = |name: &str| {
            number(name).ok_or_else(|| {
                Error::user(format!("{name} is not set: this is no job of an array of Slurm's"))
            })
        };
        Ok(Job {
            array: required("SLURM_ARRAY_JOB_ID")?,
            element: required("SLURM_ARRAY_TASK_ID")? as usize,
            restarts: number("SLURM_RESTART_COUNT").unwrap_or(0) as u32,
        })
    }
}

/// Runs the trial that the submission's file has for this job.
///
/// # Errors
/// If this process is no such job, if files cannot be read or written, or if the trial fails.
pub fn keep(submission_file: &Path, data_root: &Path, results: &Path) -> Result<()> {
    // Done first: until now the script ignores SIGUSR2, and SIGTERM ends the process.
    let listen = |signals: &[i32]| StopFlag::on(signals).map_err(Error::io("listen to", "signals"));
    let warned = listen(&[libc::SIGUSR2])?;
    // Users may send the others: `scancel --signal=INT --batch`.
    let told = listen(&[libc::SIGTERM, libc::SIGINT, libc::SIGHUP])?;
    let job = Job::of_environment()?;
    let id = client::id(job.array, job.element);
    let submission = Submission::load(submission_file)?.filter(|submission| !submission.settled);
    let Some(submission) = submission else {
        print_message(&format!("job {id}: no sweep waits for this job any more; it does nothing"));
        return Ok(());
    };
    let Some(element) = submission.elements.get(job.element) else {
        return Err(Error::user(format!("{} has no element {}", submission_file.display(), job.element)));
    };
    let run_dir = sweep_dir(submission_file)?.join(&element.run);
    if claimed_identity(&run_dir)?.as_deref() != Some(&element.identity) {
        print_message(&format!("job {id}: {} is another trial's by now; it does nothing", run_dir.display()));
        return Ok(());
    }
    Left::forget(&run_dir)?;
    log(&run_dir, &format!("job {id} on {}, restart {}", host(), job.restarts));
    let before = saved_step(&run_dir)?;
    let events = run_dir.join(EVENTS_FILE);
    let emptied = files::open_own(File::options().write(true).create(true).truncate(true), &events);
    let events = emptied.map_err(Error::io("create", &events))?;
    let begin = process::log_length(&run_dir);
    let mut child = process::spawn(&run_dir, data_root, results, element.until, None, &[], events.into())?;
    let (status, passed_on) = supervise(&mut child, &run_dir, &warned, &told)?;
    let ending = process::classify(Some(status), &run_dir, begin);
    let stopped = ending == Ending::Stopped && passed_on;
    let requeue = stopped && !told.is_raised() && saved_step(&run_dir)? > before;
    let mut left =
        Left { submission: submission.name.clone(), element: job.element, ending, requeued: requeue };
    // Saved before the call, during which Slurm ends this process.
    left.save(&run_dir)?;
    if requeue {
        log(&run_dir, &format!("job {id} goes back into the queue"));
        if let Err(error) = client::requeue(&id) {
            log(&run_dir, &format!("{error}; the driver submits the trial again"));
            left.requeued = false;
            left.save(&run_dir)?;
        }
    }
    match left.ending {
        // So that Slurm also counts the job as failed.
        Ending::Failed { reason, .. } => {
            Err(Error::failed(format!("job {id}: {}: {reason}", run_dir.display())))
        }
        _ => Ok(()),
    }
}

/// Waits for the end of a trial, and passes the first signal of Slurm on to it. Returns the status of the trial, and
/// whether there was a signal.
fn supervise(
    child: &mut Child,
    run_dir: &Path,
    warned: &StopFlag,
    told: &StopFlag,
) -> Result<(ExitStatus, bool)> {
    let mut passed_on = false;
    loop {
        if let Some(status) = child.try_wait().map_err(Error::io("wait for", run_dir))? {
            return Ok((status, passed_on));
        }
        if !passed_on && (warned.is_raised() || told.is_raised()) {
            // If Slurm sends SIGTERM to all processes of a job, a second one from here would end the trial at once.
            process::signal(child.id(), libc::SIGUSR2);
            let what = if told.is_raised() { "ends the job" } else { "warns that the job's time is over" };
            log(run_dir, &format!("Slurm {what}; the trial saves its state"));
            passed_on = true;
        }
        std::thread::sleep(TICK);
    }
}

/// Adds a line to a run's log. A line that cannot be written is left out: a full disk must not end a trial for its log.
fn log(run_dir: &Path, line: &str) {
    _ = process::log(run_dir, line);
}
