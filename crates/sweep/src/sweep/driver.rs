//! The driver of a sweep: there is one at a time, which holds the sweep's lock.

use crate::error::{Error, Result};
use crate::experiment::Holder;
use crate::files::{self, Lock};
use crate::telemetry::console::print_message;
use std::path::Path;

/// The lock file in a sweep's directory, which the driver holds. The kernel releases the lock when the process ends in
/// any way: a lock is never stale.
pub const LOCK_FILE: &str = ".lock";

/// Takes the sweep's lock for this process.
///
/// # Errors
/// [`Error::Busy`], which names the driver, if another one is at work.
pub fn lock(sweep_dir: &Path) -> Result<Lock> {
    let path = sweep_dir.join(LOCK_FILE);
    let Some(mut lock) = files::lock(&path)? else {
        let by = at_work(sweep_dir)?.flatten().map_or_else(String::new, |driver| format!(": {driver}"));
        return Err(Error::Busy(format!(
            "another sweep is at work in {}{by}; wait for it, or look at it with `ablate status`",
            sweep_dir.display()
        )));
    };
    if let Err(error) = Holder::sign(&mut lock, &path) {
        print_message(&format!(
            "warning: {error}; other commands will not know which process is at work here"
        ));
    }
    Ok(lock)
}

/// Returns whether a driver works on the sweep in a directory: Some if so, with the driver if the lock file names it.
pub fn at_work(sweep_dir: &Path) -> Result<Option<Option<Holder>>> {
    let path = sweep_dir.join(LOCK_FILE);
    if !files::is_locked(&path)? {
        return Ok(None);
    }
    let text = files::read_if_exists(&path)?.unwrap_or_default();
    Ok(Some(Holder::read(&text)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiment::attempts::host;

    #[test]
    fn a_second_driver_is_told_who_the_first_one_is() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(at_work(folder.path()).unwrap(), None);
        let held = lock(folder.path()).unwrap();
        let driver = at_work(folder.path()).unwrap().unwrap().unwrap();
        assert_eq!((driver.process, driver.host), (std::process::id(), host()));
        let error = lock(folder.path()).unwrap_err();
        assert_eq!(error.exit_code(), 5);
        assert!(error.to_string().contains(&format!("process {} on", std::process::id())), "{error}");
        drop(held);
        assert_eq!(at_work(folder.path()).unwrap(), None);
        let text = std::fs::read(folder.path().join(LOCK_FILE)).unwrap();
        assert!(Holder::read(&text).is_some() && Holder::read(b"{}").is_none());
        // The signature of the last driver, or damage, does no harm.
        std::fs::write(folder.path().join(LOCK_FILE), "{\"host\":").unwrap();
        let _held = lock(folder.path()).unwrap();
        assert!(at_work(folder.path()).unwrap().unwrap().is_some());
    }
}
