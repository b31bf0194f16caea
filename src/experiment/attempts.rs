//! `timing.json`: when, where and how often a trial ran. Everything here may differ between equal runs.

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
#[derive(Debug, Serialize, Deserialize)]
struct Attempt {
    host: String,
    process: u32,
    /// Seconds since 1970.
    started: f64,
    /// Absent while it runs, and for ever if it was killed.
    ended: Option<f64>,
    /// Updates done before it.
    from_step: u64,
    /// `finished`, or the message it ended with.
    outcome: Option<String>,
}

impl Attempts {
    /// Notes that this process begins to work on the trial. An unreadable file is begun anew.
    pub fn begin(run_dir: &Path, from_step: u64) -> Result<Self> {
        let path = run_dir.join(TIMING_JSON);
        let earlier = std::fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
        let mut attempts = Attempts { path, attempts: earlier.unwrap_or_default() };
        attempts.attempts.push(Attempt {
            host: host(),
            process: std::process::id(),
            started: now(),
            ended: None,
            from_step,
            outcome: None,
        });
        attempts.save()?;
        Ok(attempts)
    }

    /// Seconds since 1970 at which the first attempt began.
    pub fn first_start(&self) -> f64 {
        self.attempts.first().map_or(0.0, |attempt| attempt.started)
    }

    /// Notes how this process's attempt ended.
    pub fn end(&mut self, outcome: &str) -> Result<()> {
        if let Some(attempt) = self.attempts.last_mut() {
            attempt.ended = Some(now());
            attempt.outcome = Some(outcome.to_string());
        }
        self.save()
    }

    fn save(&self) -> Result<()> {
        let text =
            serde_json::to_string_pretty(&self.attempts).map_err(|e| Error::failed(e.to_string()))? + "\n";
        files::write_atomically(&self.path, text.as_bytes())
    }
}

fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

fn host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unknown".into(), |name| name.trim().to_string())
}
