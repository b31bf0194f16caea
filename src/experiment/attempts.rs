//! `timing.json`: when, where, how often and how fast a trial ran. Everything here may differ between equal runs.

use crate::device::peak_memory;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of the file in a run directory.
pub const TIMING_JSON: &str = "timing.json";

/// All attempts at one trial, the current one last.
#[derive(Debug)]
pub struct Attempts {
    path: PathBuf,
    attempts: Vec<Attempt>,
}

/// One process's work on a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Attempt {
    pub host: String,
    pub process: u32,
    /// Seconds since 1970.
    pub started: f64,
    /// Absent while it runs, and for ever if it was killed.
    pub ended: Option<f64>,
    /// Updates done before it.
    pub from_step: u64,
    /// `finished`, or the message it ended with.
    pub outcome: Option<String>,
    /// What it took; absent as `ended` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effort: Option<Effort>,
}

/// What an attempt took of the machine, for the plans of later trials.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Effort {
    /// Trials of one shape cost the same a token; see `config::shape_hash`.
    pub shape: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    pub threads: usize,
    pub updates: u64,
    /// Without padding.
    pub target_tokens: u64,
    /// Of the updates, checkpoints included.
    pub training_seconds: f64,
    /// Of perplexities and BLEU between updates.
    pub evaluation_seconds: f64,
    /// Of the final scores; absent if the attempt did not come so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scoring_seconds: Option<f64>,
    /// The most memory that the process held at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub peak_memory_bytes: Option<u64>,
}

impl Attempts {
    /// Notes that this process begins to work on the trial. An unreadable file is begun anew.
    pub fn begin(run_dir: &Path, from_step: u64) -> Result<Self> {
        let path = run_dir.join(TIMING_JSON);
        let mut attempts = Attempts { path, attempts: load(run_dir) };
        attempts.attempts.push(Attempt {
            host: host(),
            process: std::process::id(),
            started: now(),
            ended: None,
            from_step,
            outcome: None,
            effort: None,
        });
        attempts.save()?;
        Ok(attempts)
    }

    /// Seconds since 1970 at which the first attempt began.
    pub fn first_start(&self) -> f64 {
        self.attempts.first().map_or(0.0, |attempt| attempt.started)
    }

    /// Notes how this process's attempt ended, and what it took until then.
    pub fn end(&mut self, outcome: &str, effort: Effort) -> Result<()> {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(now());
            attempt.outcome = Some(outcome.to_string());
            attempt.effort = Some(Effort { peak_memory_bytes: peak_memory(), ..effort });
        }
        self.save()
    }

    fn save(&self) -> Result<()> {
        let text =
            serde_json::to_string_pretty(&self.attempts).map_err(|e| Error::failed(e.to_string()))? + "\n";
        files::write_atomically(&self.path, text.as_bytes())
    }
}

/// The attempts at the trial in `run_dir`, the latest last; none if there is no file that can be read.
pub fn load(run_dir: &Path) -> Vec<Attempt> {
    let text = std::fs::read_to_string(run_dir.join(TIMING_JSON)).ok();
    text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default()
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// The name that this machine has in `timing.json`.
pub fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_string())
}
