//! Locks: one process at a time works in a run directory, and on a trial.

use super::run_paths::LOCK_FILE;
use crate::error::{Error, Result};
use crate::files;
use std::path::Path;

/// Below the results directory: a lock for each trial at work, named by its identity.
const LOCKS: &str = ".locks";

/// The lock of one trial among all runs below `results`, so that two sweeps never train the same at
/// once; `None` if somebody holds it.
pub fn lock_trial(results: &Path, identity: &str) -> Result<Option<files::Lock>> {
    let folder = results.join(LOCKS);
    files::create_shared_dir(&folder)?;
    // One of this user's that was made before it was to be shared.
    files::share(&folder);
    files::lock(&folder.join(identity)).map_err(|error| match error {
        Error::Io { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => Error::user(format!(
            "{} belongs to another user and cannot be written; its owner opens it to the group with `chmod -R g+rwX`, \
             or choose another place with --results",
            folder.display()
        )),
        other => other,
    })
}

/// The lock of a run directory that is there; `None` if a process works in it.
pub fn lock_run(run_dir: &Path) -> Result<Option<files::Lock>> {
    files::lock(&run_dir.join(LOCK_FILE))
}

/// Whether a process works in the run directory.
pub fn is_at_work(run_dir: &Path) -> Result<bool> {
    files::is_locked(&run_dir.join(LOCK_FILE))
}

/// Whether no process works in the run directory or, elsewhere, on the same trial.
pub fn is_free(run_dir: &Path, results: &Path, identity: &str) -> Result<bool> {
    Ok(!is_at_work(run_dir)? && !files::is_locked(&results.join(LOCKS).join(identity))?)
}
