//! Slurm's programs: sbatch, squeue, scontrol, scancel. No accounting database is asked.

use crate::error::{Error, Result};
use crate::subprocess::output_within;
use std::ffi::OsStr;
use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

/// One element of a job array, as squeue tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job {
    pub name: String,
    /// Number of the array.
    pub array: u64,
    /// Number in the array.
    pub element: usize,
    /// In Slurm's words: `PENDING`, `RUNNING`, `TIMEOUT`, …
    pub state: String,
    /// Why it waits, or what ended it.
    pub reason: String,
}

/// How long one of Slurm's programs is waited for; a busy controller lets them wait for minutes.
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
    /// Its number in Slurm's commands.
    pub fn id(&self) -> String {
        id(self.array, self.element)
    }

    /// Whether it waits, runs or is about to leave.
    pub fn is_live(&self) -> bool {
        !OVER.contains(&self.state.as_str())
    }

    /// Whether it waits for its start or next start.
    pub fn is_queued(&self) -> bool {
        ["PENDING", "REQUEUED", "REQUEUE_HOLD", "SPECIAL_EXIT"].contains(&self.state.as_str())
    }
}

/// The number of an element of an array in Slurm's commands.
pub fn id(array: u64, element: usize) -> String {
    format!("{array}_{element}")
}

/// Whether Slurm's programs are there.
///
/// # Errors
/// A user error that says what to do.
pub fn find() -> Result<()> {
    output("squeue", ["--version"]).map(|_| ())
}

/// Gives a script to sbatch; the number of the job.
///
/// # Errors
/// With what sbatch said. The job may have been taken on all the same, if the answer was lost.
pub fn submit(options: &[String], script: &Path) -> Result<u64> {
    let options = options.iter().map(OsStr::new);
    let answer = output("sbatch", options.chain([OsStr::new("--parsable"), script.as_os_str()]))?;
    // `12`, or `12;cluster`.
    let number = answer.trim().lines().last().and_then(|line| line.split(';').next()?.parse().ok());
    number.ok_or_else(|| {
        Error::failed(format!("sbatch answered {:?} instead of a job's number", answer.trim()))
    })
}

/// The elements of the arrays of these names, those included that ended a few minutes ago.
///
/// # Errors
/// If squeue cannot tell: nothing then follows about the jobs.
pub fn jobs(names: &[String]) -> Result<Vec<Job>> {
    if names.is_empty() {
        return Ok(Vec::new());
    }
    let names = format!("--name={}", names.join(","));
    let words = ["--noheader", "--me", "--array", "--states=all", "--format=%j|%F|%K|%T|%r", &names];
    Ok(output("squeue", words)?.lines().filter_map(job).collect())
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

/// Elements that an array may have.
pub fn largest_array() -> usize {
    let told = output("scontrol", ["show", "config"]).unwrap_or_default();
    let stated =
        told.lines().find_map(|line| line.strip_prefix("MaxArraySize")?.trim_start().strip_prefix('='));
    // Numbers go from 0 to one less. Slurm's own default, where it does not tell.
    stated.and_then(|number| number.trim().parse().ok()).unwrap_or(1001).max(1)
}

/// Puts a running job back into the queue.
pub fn requeue(job: &str) -> Result<()> {
    output("scontrol", ["requeue", job]).map(|_| ())
}

/// Cancels jobs. Running ones get SIGTERM first; those that are over are let be.
pub fn cancel(jobs: &[String]) -> Result<()> {
    if jobs.is_empty() {
        return Ok(());
    }
    output("scancel", ["--quiet"].into_iter().chain(jobs.iter().map(String::as_str))).map(|_| ())
}

/// What a program of Slurm's prints.
fn output<S: AsRef<OsStr>>(program: &str, words: impl IntoIterator<Item = S>) -> Result<String> {
    let output = output_within(Command::new(program).args(words), LIMIT).map_err(|error| match error.kind() {
        ErrorKind::NotFound => Error::user(format!(
            "{program} is not on the PATH, and --launcher slurm needs Slurm's programs; give the command where they \
             are, as on a login node, or leave out --launcher to train on this machine"
        )),
        ErrorKind::TimedOut => Error::failed(format!("{program}: {error}")),
        _ => Error::failed(format!("cannot start {program}: {error}")),
    })?;
    if !output.status.success() {
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
        // What leaves may come back.
        assert!(job("n|12|0|COMPLETING|None").unwrap().is_live());
        assert_eq!(job("n|12|N/A|RUNNING|None"), None, "no array");
    }
}
