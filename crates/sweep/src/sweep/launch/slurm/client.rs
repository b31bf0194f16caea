//! Calls Slurm's programs: sbatch, squeue, scontrol, scancel. Needs no accounting database.

use crate::error::{Error, Result};
use crate::signal::StopFlag;
use crate::subprocess::output_unless;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One element of a job array, as squeue reports it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub name: String,
    /// The number of the array.
    pub array: u64,
    /// The index in the array.
    pub element: usize,
    /// The state in Slurm's words: `PENDING`, `RUNNING`, `TIMEOUT`, …
    pub state: String,
    /// The reason why it waits or ended.
    pub reason: String,
}

/// Longest time to wait for one of Slurm's programs; with a busy controller they take minutes.
const LIMIT: Duration = Duration::from_secs(600);

/// States of jobs that do not come back by themselves.
const OVER: [&str; 11] = [
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "LAUNCH_FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
];

impl Job {
    /// Returns the job's number in Slurm's commands.
    pub fn id(&self) -> String {
        id(self.array, self.element)
    }

    /// Whether the job waits, runs or is about to end.
    pub fn is_live(&self) -> bool {
        !OVER.contains(&self.state.as_str())
    }

    /// Whether the job waits for its start or restart.
    pub fn is_queued(&self) -> bool {
        ["PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"].contains(&self.state.as_str())
    }
}

/// Returns the number of an array's element in Slurm's commands.
pub fn id(array: u64, element: usize) -> String {
    format!("{array}_{element}")
}

/// Checks that Slurm's programs exist.
///
/// # Errors
/// A user error with advice.
pub fn find() -> Result<()> {
    output("squeue", ["--version"]).map(|_| ())
}

/// Submits a script by sbatch, and returns the number of the job.
///
/// # Errors
/// The message of sbatch. If only the answer was lost, the job may have been accepted all the same.
pub fn submit(options: &[String], script: &Path) -> Result<u64> {
    let options = options.iter().map(OsStr::new);
    let answer = output("sbatch", options.chain([OsStr::new("--parsable"), script.as_os_str()]))?;
    // `12`, or `12;cluster`.
    let number = answer.trim().lines().last().and_then(|line| line.split(';').next()?.parse().ok());
    number.ok_or_else(|| {
        Error::failed(format!("sbatch answered {:?} instead of a job's number", answer.trim()))
    })
}

/// Returns the elements of the arrays with these names, including those that ended a few minutes ago.
///
/// # Errors
/// If squeue fails: the state of the jobs is then unknown. [`Error::Stopped`] if `stop` is raised before it answers.
pub fn jobs(names: &[String], stop: &StopFlag) -> Result<Vec<Job>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names = format!("--name={}", names.join(","));
    let words = ["--noheader", "--me", "--array", "--states=all", "--format=%j|%F|%K|%T|%r", &names];
    Ok(output_before("squeue", words, stop)?.lines().filter_map(job).collect())
}

fn job(line: &str) -> Option<Job> {
    let mut fields = line.trim().splitn(5, '|');
    let mut field = || fields.next();
    Some(Job {
        name: field()?.to_string(),
        array: field()?.parse().ok()?,
        element: field()?.parse().ok()?,
        state: field()?.to_string(),
        reason: field()?.to_string(),
    })
}

/// Returns the largest number of elements of an array.
pub fn largest_array() -> usize {
    let told = output("scontrol", ["show", "config"]).unwrap_or_default();
    let stated =
        told.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.trim_start().strip_prefix('='));
    // Indices go from 0 to one less. 1001 is Slurm's own default.
    stated.and_then(|number| number.trim().parse().ok()).unwrap_or(1001).max(1)
}

/// Puts a running job back into the queue.
pub fn requeue(job: &str) -> Result<()> {
    output("scontrol", ["requeue", job]).map(|_| ())
}

/// Cancels jobs. Running ones get SIGTERM first; jobs that have ended are ignored.
pub fn cancel(jobs: &[String]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    output("scancel", ["--quiet"].into_iter().chain(jobs.iter().map(String::as_str))).map(|_| ())
}

/// Runs one of Slurm's programs and returns its standard output.
fn output<S: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = S>) -> Result<String> {
    output_before(program, words, &StopFlag::never())
}

/// Does the same, but waits no longer once `stop` is raised.
fn output_before<S: AsRef<OsStr>>(
    program: &str,
    words: impl IntoIterator<Item = S>,
    stop: &StopFlag,
) -> Result<String> {
    let stopped = || Error::Stopped(format!("while {program} was to answer"));
    let output = output_unless(stop, Command::new(program).args(words), LIMIT);
    let output = output.map_err(|error| match error.kind() {
        ErrorKind::Interrupted => stopped(),
        ErrorKind::NotFound => Error::user(format!(
            "{program} is not on the PATH, and --launcher slurm needs Slurm's programs; give the command where they \
             are, as on a login node, or leave out --launcher to train on this machine"
        )),
        ErrorKind::TimedOut => Error::failed(format!("{program}: {error}")),
        _ => Error::failed(format!("cannot start {program}: {error}")),
    })?;
    if !output.status.success() {
        // A terminal sends its signal to the program, too.
        if stop.is_raised() {
            return Err(stopped());
        }
        let said = String::from_utf8_lossy(&output.stderr);
        let said = said.trim();
        return Err(Error::failed(format!("{program}: {}", if said.is_empty() { "failed" } else { said })));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_squeue_is_an_element_of_an_array() {
        let read = job("ablate-demo-0a1b2c3d.2|12|3|PENDING|Nodes required | for job").unwrap();
        assert_eq!((read.id().as_str(), read.reason.as_str()), ("12_3", "Nodes required | for job"));
        assert!(read.is_live() && read.is_queued());
        let over = job("n|12|0|TIMEOUT|TimeLimit").unwrap();
        assert!(!over.is_live());
        // A job that is about to leave may come back.
        assert!(job("n|12|0|COMPLETING|None").unwrap().is_live());
        assert_eq!(job("n|12|N/A|RUNNING|None"), None, "no array");
    }
}
