//! Locks: at most one process works in a run directory, and at most one on a trial.

use super::run_paths::LOCK_FILE;
use crate::error::{Error, Result};
use crate::files;
use std::path::Path;

/// The folder below the results directory with a lock for each trial at work, named by its identity.
const LOCKS: &str = ".locks";

/// Takes the lock of one trial among all runs below `results`, so that two sweeps never train the same trial at once;
/// `None` if another process holds it.
pub fn lock_trial(results: &Path, identity: &str) -> Result<Option<files::Lock>> {
    let folder = results.join(LOCKS);
    files::create_shared_dir(&folder)?;
    // This user may have made the folder before it was shared.
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

/// Takes the lock of an existing run directory; `None` if a process works in it.
pub fn lock_run(run_dir: &Path) -> Result<Option<files::Lock>> {
    files::lock(&run_dir.join(LOCK_FILE))
}

/// Whether a process works in the run directory.
pub fn is_at_work(run_dir: &Path) -> Result<bool> {
    files::is_locked(&run_dir.join(LOCK_FILE))
}

/// Whether no process works in the run directory, and none elsewhere on the same trial.
pub fn is_free(run_dir: &Path, results: &Path, identity: &str) -> Result<bool> {
    Ok(!is_at_work(run_dir)? && !files::is_locked(&results.join(LOCKS).join(identity))?)
}
