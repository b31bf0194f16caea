//! `timing.json`: when, where, how often and how fast a trial ran. Everything here may differ between equal runs, so the
//! record has no checksum of the file. Each attempt has its own checksum, because costs and plans rely on these times.

use crate::error::{Error, Result};
use crate::results::trial_result::TrainingTime;
use crate::{clock, files};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// The name of the file in a run directory.
pub const TIMING_JSON: &str = "timing.json";

/// All attempts at one trial, the current one last.
#[derive(Debug)]
pub struct Attempts {
    /// `None` if the file could not be read at the beginning: then it is not written, so that its content is not lost.
    path: Option<PathBuf>,
    attempts: Vec<Attempt>,
}

/// One process's work on a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub host: String,
    pub process: u32,
    /// Seconds since 1970.
    pub started: f64,
    /// `None` while the attempt runs, and forever if it was killed.
    pub ended: Option<f64>,
    /// Number of updates done before the attempt.
    pub from_step: u64,
    /// `finished`, or the message of the error that ended the attempt.
    pub outcome: Option<String>,
    /// The update whose state the attempt saved when it finished or was stopped in order. `None` in attempts from
    /// before 2026-11-28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub saved_step: Option<u64>,
    /// Time and memory that the attempt took; `None` as long as `ended` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
    /// blake3 of all fields above as compact JSON. `None` in attempts from before 2026-11-28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

impl Attempt {
    fn own_checksum(&self) -> serde_json::Result<String> {
        let text = serde_json::to_string(&Attempt { checksum: None, ..self.clone() })?;
        Ok(blake3::hash(text.as_bytes()).to_hex().to_string())
    }
}

/// The time and memory that an attempt took, from which later trials are planned.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Hash of the shape, `config::shape_hash`. Trials of one shape cost the same per token.
    pub shape: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    pub threads: usize,
    /// Number of processes that trained together, each with a device and `threads` threads.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub processes: usize,
    pub updates: u64,
    /// Target tokens without padding.
    pub target_tokens: u64,
    /// Seconds of the updates, checkpoints included.
    pub training_seconds: f64,
    /// Seconds of measuring perplexities and BLEU between updates.
    pub evaluation_seconds: f64,
    /// Seconds of the final scores; `None` if the attempt did not get so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring_seconds: Option<f64>,
    /// The most memory that the process held at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
    /// The most memory that the process held at once on its GPU; libtorch frees none before the end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peak_device_bytes: Option<u64>,
}

fn one() -> usize {
    1
}

fn is_one(processes: &usize) -> bool {
    *processes == 1
}

impl Attempts {
    /// Records that this process begins to work on the trial. Times are not the record: a damaged file is started anew,
    /// a file that cannot be read now is left alone, a file that cannot be written is skipped; `report` gets a message
    /// in each case.
    pub fn begin(run_dir: &Path, from_step: u64, report: &mut dyn FnMut(&str)) -> Self {
        let path = run_dir.join(TIMING_JSON);
        let (path, earlier) = match read(&path) {
            Ok(earlier) => (Some(path), earlier),
            Err(error) if error.is_damage() => {
                report(&format!("{error}; the times of earlier attempts are lost"));
                (Some(path), Vec::new())
            }
            Err(error) => {
                report(&format!(
                    "{error}; it is left as it is, and the times of this attempt are not recorded"
                ));
                (None, Vec::new())
            }
        };
        let mut attempts = Attempts { path, attempts: earlier };
        attempts.attempts.push(Attempt {
            host: host(),
            process: std::process::id(),
            started: clock::seconds(),
            ended: None,
            from_step,
            outcome: None,
            saved_step: None,
            effort: None,
            checksum: None,
        });
        attempts.save(report);
        attempts
    }

    /// Seconds since 1970 at which the first attempt began.
    pub fn first_start(&self) -> f64 {
        self.attempts.first().map_or(0.0, |attempt| attempt.started)
    }

    /// Records the end of this process's attempt: its outcome, the update whose state it saved, and its effort.
    pub fn end(
        &mut self,
        outcome: &str,
        saved_step: Option<u64>,
        effort: Effort,
        report: &mut dyn FnMut(&str),
    ) {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(clock::seconds());
            attempt.outcome = Some(outcome.to_string());
            attempt.saved_step = saved_step;
            attempt.effort = Some(effort);
        }
        self.save(report);
    }

    fn save(&mut self, report: &mut dyn FnMut(&str)) {
        let Some(path) = self.path.clone() else { return };
        let text = self.sealed().map_err(|e| Error::failed(e.to_string()));
        let saved = text.and_then(|text| files::write_atomically(&path, (text + "\n").as_bytes()));
        if let Err(error) = saved {
            report(&format!("{error}; the times of this attempt are not recorded"));
        }
    }

    /// Returns the file's text after adding the checksum of this process's attempt.
    fn sealed(&mut self) -> serde_json::Result<String> {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.checksum = Some(attempt.own_checksum()?);
        }
        serde_json::to_string_pretty(&self.attempts)
    }
}

/// Reads the attempts so far; empty if there is no file.
fn read(path: &Path) -> Result<Vec<Attempt>> {
    let Some(bytes) = files::read_if_exists(path)? else { return Ok(Vec::new()) };
    let damaged = |why: String| Error::failed(format!("{} is damaged ({why})", path.display()));
    let attempts: Vec<Attempt> = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
    for (number, attempt) in (1..).zip(&attempts) {
        let checksum = attempt.own_checksum().map_err(|e| damaged(e.to_string()))?;
        if attempt.checksum.as_ref().is_some_and(|stated| *stated != checksum) {
            return Err(damaged(format!("the checksum of attempt {number} does not hold")));
        }
    }
    Ok(attempts)
}

/// Whether every attempt at the trial in `run_dir` has a valid checksum; `None` if there is no file.
///
/// # Errors
/// If the file is damaged.
pub fn verify(run_dir: &Path) -> Result<Option<bool>> {
    let path = run_dir.join(TIMING_JSON);
    let attempts = read(&path)?;
    Ok(path.exists().then(|| attempts.iter().all(|attempt| attempt.checksum.is_some())))
}

/// Returns the time that the updates of a finished trial of `steps` updates took. `None` if no attempt states any
/// updates, or if the kind of device changed: the record names only the device of the last attempt.
pub fn training_time(run_dir: &Path, steps: u64) -> Option<TrainingTime> {
    let attempts = load(run_dir);
    let was_killed = attempts.iter().any(|attempt| attempt.effort.is_none());
    let efforts: Vec<Effort> = attempts.into_iter().filter_map(|attempt| attempt.effort).collect();
    let is_cpu = |effort: &Effort| effort.device == "cpu";
    let last = efforts.last()?;
    let mut trained = efforts.iter().filter(|effort| effort.updates > 0).peekable();
    trained.peek()?;
    if trained.any(|effort| is_cpu(effort) != is_cpu(last)) {
        return None;
    }
    // A thread of a CPU counts as one device.
    let units = |effort: &Effort| {
        let device = if is_cpu(effort) { effort.threads as f64 } else { 1.0 };
        device * effort.processes as f64
    };
    Some(TrainingTime {
        unit_seconds: efforts.iter().map(|effort| effort.training_seconds * units(effort)).sum(),
        // The sum is too small where a training was taken from another run. Updates that were done twice may hide the
        // time of a killed attempt in it.
        incomplete: was_killed || efforts.iter().map(|effort| effort.updates).sum::<u64>() < steps,
    })
}

/// Reads the attempts at the trial in `run_dir`, the latest last; empty if there is no readable file.
pub fn load(run_dir: &Path) -> Vec<Attempt> {
    read(&run_dir.join(TIMING_JSON)).unwrap_or_default()
}

/// The name that this machine has in `timing.json`.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Starts an attempt and returns the reported messages.
    fn attempt(folder: &Path) -> (Attempts, Vec<String>) {
        let mut notes = Vec::new();
        let attempts = Attempts::begin(folder, 7, &mut |note| notes.push(note.to_string()));
        (attempts, notes)
    }

    #[test]
    fn attempts_add_up_and_the_first_start_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (mut first, _) = attempt(folder.path());
        first.end("stopped", Some(9), Effort::default(), &mut |note| panic!("{note}"));
        let (second, notes) = attempt(folder.path());
        assert_eq!((second.attempts.len(), second.first_start()), (2, first.first_start()));
        assert!(notes.is_empty());
        assert_eq!(second.attempts[0].outcome.as_deref(), Some("stopped"));
    }

    #[test]
    fn a_cut_file_is_reported_at_every_length_and_costs_no_more_than_the_times() {
        let folder = tempfile::tempdir().unwrap();
        attempt(folder.path());
        let path = folder.path().join(TIMING_JSON);
        let bytes = std::fs::read(&path).unwrap();
        // Without its last line end the text is still complete.
        for length in 0..bytes.len() - 1 {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let (attempts, notes) = attempt(folder.path());
            assert_eq!(attempts.attempts.len(), 1, "{length}");
            assert!(notes[0].contains("timing.json is damaged"), "{length}: {notes:?}");
        }
    }

    #[test]
    fn a_time_that_was_changed_is_no_time() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(verify(folder.path()).unwrap(), None);
        let (mut first, _) = attempt(folder.path());
        let effort =
            Effort { updates: 9, training_seconds: 12.5, threads: 1, processes: 1, ..Effort::default() };
        first.end("finished", Some(9), effort, &mut |note| panic!("{note}"));
        assert!(training_time(folder.path(), 9).is_some_and(|time| !time.incomplete));
        assert_eq!(verify(folder.path()).unwrap(), Some(true));
        let path = folder.path().join(TIMING_JSON);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("12.5", "1.5")).unwrap();
        assert_eq!(training_time(folder.path(), 9), None);
        assert!(verify(folder.path()).unwrap_err().to_string().contains("attempt 1 does not hold"));
        // An attempt of an earlier version has no checksum.
        let mut old: serde_json::Value = serde_json::from_str(&text).unwrap();
        old[0].as_object_mut().unwrap().remove("checksum").unwrap();
        std::fs::write(&path, old.to_string()).unwrap();
        assert!(training_time(folder.path(), 9).is_some());
        assert_eq!(verify(folder.path()).unwrap(), Some(false));
    }

    #[test]
    fn updates_of_another_run_or_of_another_kind_of_device_have_no_time() {
        let folder = tempfile::tempdir().unwrap();
        let add = |device: &str, updates: u64| {
            let (mut attempt, _) = attempt(folder.path());
            let effort = Effort {
                device: device.into(),
                updates,
                training_seconds: updates as f64,
                threads: 2,
                processes: 1,
                ..Effort::default()
            };
            attempt.end("finished", Some(9), effort, &mut |note| panic!("{note}"));
            training_time(folder.path(), 9).map(|time| (time.unit_seconds, time.incomplete))
        };
        assert_eq!(add("cpu", 0), None, "all updates are another run's");
        assert_eq!(add("cpu", 4), Some((8.0, true)));
        assert_eq!(add("cpu", 5), Some((18.0, false)));
        assert_eq!(add("cuda:0", 0), None, "the record names a card, which did no update");
        assert_eq!(add("cpu", 0), Some((18.0, false)));
        assert_eq!(add("cuda:0", 1), None);
        std::fs::remove_file(folder.path().join(TIMING_JSON)).unwrap();
        assert_eq!(add("cuda:0", 4), Some((4.0, true)));
        assert_eq!(add("cuda:1", 5), Some((9.0, false)));
        // A killed attempt stays without an end.
        attempt(folder.path());
        assert_eq!(add("cuda:0", 4), Some((13.0, true)));
    }

    #[test]
    fn a_file_that_cannot_be_read_at_this_moment_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        // A circular link stands for a file system that does not answer.
        let path = folder.path().join(TIMING_JSON);
        std::os::unix::fs::symlink(&path, &path).unwrap();
        let (mut attempts, mut notes) = attempt(folder.path());
        attempts.end("finished", None, Effort::default(), &mut |note| notes.push(note.to_string()));
        assert!(path.is_symlink());
        assert!(notes.len() == 1 && notes[0].contains("is left as it is"), "{notes:?}");
    }

    #[test]
    fn a_file_that_cannot_be_written_is_reported() {
        let folder = tempfile::tempdir().unwrap();
        let (mut attempts, notes) = attempt(&folder.path().join("missing"));
        assert!(notes[0].contains("missing/timing.json"), "{notes:?}");
        let mut notes = Vec::new();
        attempts.end("finished", None, Effort::default(), &mut |note| notes.push(note.to_string()));
        assert_eq!(notes.len(), 1);
    }
}
