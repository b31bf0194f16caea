//! What squeue knows of a sweep's jobs.

use super::client::{self, Job};
use super::submission::Submission;
use crate::error::Result;
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A job's place: the number of its submission, and its own in there.
pub(super) type Place = (u32, usize);

/// The jobs of these submissions that squeue knows, by place.
pub(super) fn jobs<'a>(
    submissions: impl IntoIterator<Item = &'a Submission>,
) -> Result<BTreeMap<Place, Job>> {
    let numbers: BTreeMap<String, u32> =
        submissions.into_iter().map(|submission| (submission.name.clone(), submission.number)).collect();
    let names: Vec<String> = numbers.keys().cloned().collect();
    let jobs = client::jobs(&names)?.into_iter();
    Ok(jobs.filter_map(|job| Some(((*numbers.get(&job.name)?, job.element), job))).collect())
}

/// The jobs of a sweep that wait, run or are about to leave, by run directory. Empty, without asking Slurm, for a sweep
/// that has never been there.
///
/// # Errors
/// If squeue cannot tell.
pub fn queue(sweep_dir: &Path) -> Result<BTreeMap<PathBuf, Queued>> {
    let open = Submission::open(sweep_dir)?;
    let jobs = jobs(&open)?;
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
    /// Its number in Slurm's commands: `12_3`.
    pub job: String,
    /// In Slurm's words: `PENDING`, `RUNNING`, `COMPLETING`, …
    pub state: String,
    /// Why it waits.
    pub reason: String,
}

impl Queued {
    /// `job 12_3 is pending (Priority)`; Slurm writes `None` where it has no reason.
    pub fn describe(&self) -> String {
        let reason = match self.reason.as_str() {
            "" | "None" => String::new(),
            reason => format!(" ({reason})"),
        };
        format!("job {} is {}{reason}", self.job, self.state.to_lowercase())
    }
}
