//! The state of a sweep's jobs according to squeue.

use super::client::{self, Job};
use super::submission::Submission;
use crate::error::Result;
use crate::signal::StopFlag;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The place of a job: the number of its submission, and its index in it.
pub(super) type Place = (u32, usize);

/// Returns the jobs of these submissions that squeue knows, by place.
///
/// # Errors
/// The errors of [`client::jobs`].
pub(super) fn jobs<'a>(
    submissions: impl IntoIterator<Item = &'a Submission>,
    stop: &StopFlag,
) -> Result<BTreeMap<Place, Job>> {
    let numbers: BTreeMap<String, u32> =
        submissions.into_iter().map(|submission| (submission.name.clone(), submission.number)).collect();
    let names: Vec<String> = numbers.keys().cloned().collect();
    let jobs = client::jobs(&names, stop)?.into_iter();
    Ok(jobs.filter_map(|job| Some(((*numbers.get(&job.name)?, job.element), job))).collect())
}

/// Returns the jobs of a sweep that wait, run or are about to end, by run directory. Empty, without calling Slurm, for
/// a sweep without submissions.
///
/// # Errors
/// If squeue fails.
pub fn queue(sweep_dir: &Path) -> Result<BTreeMap<PathBuf, Queued>> {
    let open = Submission::open(sweep_dir)?;
    let jobs = jobs(&open, &StopFlag::never())?;
    let elements = open.iter().flat_map(|submission| {
        submission.elements.iter().enumerate().map(|(at, element)| ((submission.number, at), element))
    });
    let queued = elements.filter_map(|(place, element)| {
        let job = jobs.get(&place).filter(|job| job.is_live())?;
        let queued = Queued { job: job.id(), state: job.state.clone(), reason: job.reason.clone() };
        Some((sweep_dir.join(&element.run), queued))
    });
    Ok(queued.collect())
}

/// A trial's job in Slurm's queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Queued {
    /// The job's number in Slurm's commands: `12_3`.
    pub job: String,
    /// The state in Slurm's words: `PENDING`, `RUNNING`, `COMPLETING`, …
    pub state: String,
    /// The reason why it waits.
    pub reason: String,
}

impl Queued {
    /// Returns `job 12_3 is pending (Priority)`. Slurm writes `None` if it has no reason.
    pub fn describe(&self) -> String {
        let reason = match self.reason.as_str() {
            "" | "None" => String::new(),
            reason => format!(" ({reason})"),
        };
        format!("job {} is {}{reason}", self.job, self.state.to_lowercase())
    }
}
