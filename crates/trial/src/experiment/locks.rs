//! Locks: at most one process works in a run directory, and at most one on a trial.

use super::attempts::host;
use super::run_paths::LOCK_FILE;
use crate::error::{Error, Result};
use crate::{clock, files, json};
use serde::{Deserialize, Serialize};
use std::fmt;
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

/// The process that holds a lock, as written in the lock file. This is for people: the lock itself is what counts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Holder {
    pub host: String,
    pub process: u32,
    /// Seconds since 1970.
    pub since: f64,
}

impl Holder {
    /// Writes this process into the file at `path`, whose lock it holds.
    pub fn sign(lock: &mut files::Lock, path: &Path) -> Result<()> {
        let holder = Holder { host: host(), process: std::process::id(), since: clock::seconds() };
        lock.sign(&json::line(&holder)?).map_err(Error::io("write", path))
    }

    /// Reads the text of a lock file; `None` if it names no process.
    pub fn read(text: &[u8]) -> Option<Holder> {
        serde_json::from_slice(text).ok()
    }

    /// Returns whether a lock file has the signature of a process, or the part that a process wrote before it was killed.
    pub fn may_have_signed(text: &[u8]) -> bool {
        let begin = b"{\"host\":";
        text.starts_with(begin) || begin.starts_with(text)
    }
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "process {} on {}", self.process, self.host)
    }
}

/// Takes the lock of an existing run directory, and signs its file; `None` if a process works in it.
pub fn lock_run(run_dir: &Path) -> Result<Option<files::Lock>> {
    let path = run_dir.join(LOCK_FILE);
    let Some(mut lock) = files::lock(&path)? else { return Ok(None) };
    // Without a signature others only know that a process is at work. A text that is not of this program stays.
    if files::read_if_exists(&path).is_ok_and(|text| Holder::may_have_signed(&text.unwrap_or_default())) {
        let _ = Holder::sign(&mut lock, &path);
    }
    Ok(Some(lock))
}

/// Returns the error that another process works in the run directory. It names the process if the lock file does.
pub fn busy_run(run_dir: &Path) -> Error {
    let text = files::read_if_exists(&run_dir.join(LOCK_FILE)).ok().flatten().unwrap_or_default();
    let by = Holder::read(&text).map_or_else(String::new, |holder| format!(": {holder}"));
    Error::Busy(format!("another process is at work in {}{by}", run_dir.display()))
}

/// Whether a process works in the run directory.
pub fn is_at_work(run_dir: &Path) -> Result<bool> {
    files::is_locked(&run_dir.join(LOCK_FILE))
}

/// Whether no process works in the run directory, and none elsewhere on the same trial.
pub fn is_free(run_dir: &Path, results: &Path, identity: &str) -> Result<bool> {
    Ok(!is_at_work(run_dir)? && !files::is_locked(&results.join(LOCKS).join(identity))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_at_work_in_a_run_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(LOCK_FILE);
        let held = lock_run(folder.path()).unwrap();
        assert!(held.is_some() && lock_run(folder.path()).unwrap().is_none());
        let error = busy_run(folder.path());
        let named = format!("{}: process {} on {}", folder.path().display(), std::process::id(), host());
        assert!(error.exit_code() == 5 && error.to_string().ends_with(&named), "{error}");
        drop(held);
        // A process was killed while it signed, and the next one signs again.
        let text = std::fs::read(&path).unwrap();
        assert!((0..text.len()).all(|length| Holder::may_have_signed(&text[..length])));
        std::fs::write(&path, &text[..12]).unwrap();
        assert!(busy_run(folder.path()).to_string().ends_with(&folder.path().display().to_string()));
        drop(lock_run(folder.path()).unwrap());
        assert!(Holder::read(&std::fs::read(&path).unwrap()).is_some());
        // A file of somebody else's is locked, and stays as it is.
        std::fs::write(&path, "mine").unwrap();
        assert!(lock_run(folder.path()).unwrap().is_some());
        assert_eq!(std::fs::read(&path).unwrap(), b"mine");
    }
}
