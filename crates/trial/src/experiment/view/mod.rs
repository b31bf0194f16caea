//! The views of a run: texts, histograms and pictures beside its numbers. Nothing here can alter a result.
//!
//! Everything is kept in the run directory in our own formats (`views.jsonl`, `attention.json`, `positions.json`), so
//! that TensorBoard's files can be made again from them.

pub mod difference;
pub mod picture;

pub use difference::write_difference;

use super::attempts;
use super::failure::latest_failure;
use super::hparams::hparams;
use super::run_paths::CONFIG_FILE;
use crate::config::{Experiment, configuration_hash, to_toml};
use crate::error::Result;
use crate::files;
use crate::results::record::Record;
use crate::telemetry::growing_file::Line;
use crate::telemetry::hparams::{Outcome, Session};
use crate::telemetry::metrics_log::Row;
use crate::telemetry::{METRICS_FILE, recorded_events};
use std::path::Path;

/// Returns the settings and texts of a run for TensorBoard's HParams page. The seeds of a configuration form a group.
pub fn session(experiment: &Experiment, label: &str, run_dir: &Path, started: f64) -> Result<Session> {
    let mut texts =
        vec![("run/configuration".to_string(), format!("```toml\n{}\n```", to_toml(experiment)?))];
    if let Some(difference) = difference::read(run_dir)? {
        texts.push(("run/difference".to_string(), difference));
    }
    // Labels may repeat in other sweeps; the hash tells such groups apart.
    let group = format!("{label} {}", &configuration_hash(experiment)[..8]);
    Ok(Session { hparams: hparams(experiment), group, started, texts })
}

/// Writes a run's TensorBoard file anew from the other files in its directory. No process may be at work there.
///
/// # Errors
/// [`Error::Io`](crate::error::Error::Io), or an error if files of a finished run differ from its record.
pub fn rewrite_events(run_dir: &Path, experiment: &Experiment, label: &str) -> Result<()> {
    if let Some(record) = Record::readable(run_dir) {
        record.check_shown_files(run_dir)?;
    }
    let started = attempts::load(run_dir).first().map_or(0.0, |attempt| attempt.started);
    let mut events = recorded_events(run_dir, u64::MAX)?;
    events.session_start(&session(experiment, label, run_dir, started)?)?;
    let step = Row::read_undamaged(&run_dir.join(METRICS_FILE))?.0.last().map_or(0, |row| row.step);
    for (tag, picture) in picture::pictures(run_dir)?.drawn {
        events.image(step, &tag, &picture)?;
    }
    if let Some(outcome) = outcome(run_dir) {
        events.session_end(outcome)?;
    }
    events.sync()
}

/// The outcome of the run in a directory; `None` if it is not over.
fn outcome(run_dir: &Path) -> Option<Outcome> {
    match Record::readable(run_dir) {
        Some(_) => Some(Outcome::Success),
        None => latest_failure(run_dir).map(|_| Outcome::Failure),
    }
}

/// Whether a directory holds a run.
pub fn is_run(run_dir: &Path) -> Result<bool> {
    Ok(files::read_if_exists(&run_dir.join(CONFIG_FILE))?.is_some() && run_dir.join(METRICS_FILE).exists())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::record::{Failure, FailureKind};

    #[test]
    fn a_run_that_goes_on_after_a_failure_has_not_ended() {
        let folder = tempfile::tempdir().unwrap();
        assert!(outcome(folder.path()).is_none());
        let failure = Failure {
            identity: String::new(),
            kind: FailureKind::Diverged,
            reason: "diverged".into(),
            detail: String::new(),
            attempts: 1,
        };
        failure.save(folder.path()).unwrap();
        assert!(matches!(outcome(folder.path()), Some(Outcome::Failure)));
        let later = serde_json::json!([{ "host": "here", "process": 1, "started": 1e12, "ended": null,
            "from_step": 0, "outcome": null }]);
        std::fs::write(folder.path().join(attempts::TIMING_JSON), later.to_string()).unwrap();
        assert!(outcome(folder.path()).is_none());
    }
}
