//! Directories that appear complete or not at all: written beside their place, synced, renamed.

use crate::error::{Error, Result};
use crate::files::{create_dir, is_process_and_count, parent, sync_dir};
use std::fs::{File, Metadata, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The lock file in a staging directory; held by the process that fills it.
const LOCK: &str = "lock";

/// A directory without a lock is being made at this moment, or its process was killed. After this time it was killed,
/// even if clocks of several machines differ.
const LOCKED_BY_NOW: Duration = Duration::from_secs(24 * 60 * 60);

/// A directory beside the final one, removed when dropped unless it is published.
pub struct Staging {
    path: PathBuf,
    /// Whether `path` is still ours to remove: after publishing, another process may have made one of that name.
    is_ours: bool,
    /// Says to other processes that this directory is not abandoned.
    _lock: File,
}

impl Staging {
    /// Creates a fresh directory that is to become `directory`. Removes what killed processes left of earlier attempts.
    pub fn create(directory: &Path) -> Result<Self> {
        let root = parent(directory);
        let name = directory.file_name().unwrap_or_default().to_string_lossy();
        let prefix = format!(".{name}.");
        create_dir(root)?;
        Self::remove_abandoned(root, &prefix)?;
        let mut attempt = 0u64;
        loop {
            attempt += 1;
            let path = root.join(format!("{prefix}{}-{attempt}", std::process::id()));
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => continue,
                result => result.map_err(Error::io("create", &path))?,
            }
            let lock_file = path.join(LOCK);
            let lock = match File::create(&lock_file) {
                // Another process removed the directory as an abandoned one.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                Err(error) => {
                    // Without a lock, it would stay for long. The first error is the one to report.
                    _ = std::fs::remove_dir(&path);
                    return Err(Error::io("create", &lock_file)(error));
                }
                Ok(lock) => lock,
            };
            // Another process may just have removed the new directory as abandoned, and a third have made one of the
            // same name since. Where locks are not supported, no directory is ever found abandoned.
            let taken = matches!(lock.try_lock(), Err(TryLockError::WouldBlock));
            if !taken && is_at(&lock, &lock_file) {
                return Ok(Staging { path, is_ours: true, _lock: lock });
            }
        }
    }

    /// Returns the directory to write into.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn remove_abandoned(root: &Path, prefix: &str) -> Result<()> {
        for entry in std::fs::read_dir(root).map_err(Error::io("read", root))? {
            let entry = entry.map_err(Error::io("read", root))?;
            let name = entry.file_name();
            let numbers = name.to_str().and_then(|name| name.strip_prefix(prefix));
            let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
            if !is_folder || !numbers.is_some_and(is_process_and_count) {
                continue;
            }
            let lock_file = entry.path().join(LOCK);
            // The lock is held until the directory is gone, so that no process begins to fill it meanwhile.
            let lock = match File::open(&lock_file) {
                Err(error) if error.kind() == ErrorKind::NotFound && is_old(&entry.path()) => {
                    File::create_new(&lock_file)
                }
                opened => opened,
            };
            if let Ok(lock) = lock
                && lock.try_lock().is_ok()
                && is_at(&lock, &lock_file)
            {
                _ = std::fs::remove_dir_all(entry.path());
            }
        }
        Ok(())
    }

    /// Renames to `directory`; returns false if a faster process has made that already.
    pub fn publish(mut self, directory: &Path) -> Result<bool> {
        sync_dir(&self.path)?;
        match std::fs::rename(&self.path, directory) {
            Ok(()) => {
                self.is_ours = false;
                // The lock moved with the directory, which was therefore never without it under the old name.
                let lock = directory.join(LOCK);
                std::fs::remove_file(&lock).map_err(Error::io("remove", &lock))?;
                sync_dir(directory)?;
                sync_dir(parent(directory)).map(|()| true)
            }
            Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
                Ok(false)
            }
            Err(error) => Err(Error::io("create", directory)(error)),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.is_ours {
            // The clean-up may fail: the next attempt removes what is left.
            _ = std::fs::remove_dir_all(&self.path);
        }
    }
}

/// Whether `path` still names the open file.
fn is_at(file: &File, path: &Path) -> bool {
    let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
    let places = (file.metadata().map(place), std::fs::metadata(path).map(place));
    matches!(places, (Ok(one), Ok(other)) if one == other)
}

/// Whether nothing was made or removed in a directory for as long as its lock could take to be there.
fn is_old(directory: &Path) -> bool {
    let changed = std::fs::metadata(directory).and_then(|metadata| metadata.modified());
    changed.is_ok_and(|time| time.elapsed().is_ok_and(|age| age > LOCKED_BY_NOW))
}

/// Writes a file and syncs it to the disk.
pub fn write_durably(path: &Path, bytes: &[u8]) -> Result<()> {
    let mut file = File::create(path).map_err(Error::io("create", path))?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_directory_holds_what_was_written_and_no_lock() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("a");
        let staging = Staging::create(&place).unwrap();
        write_durably(&staging.path().join("file"), b"text").unwrap();
        assert!(!place.exists());
        assert!(staging.publish(&place).unwrap());
        assert_eq!(std::fs::read(place.join("file")).unwrap(), b"text");
        assert_eq!([root.path(), &place].map(|path| std::fs::read_dir(path).unwrap().count()), [1, 1]);
    }

    #[test]
    fn the_second_to_publish_discards_its_copy() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("a");
        let [first, second] = [1, 2].map(|_| Staging::create(&place).unwrap());
        write_durably(&first.path().join("file"), b"first").unwrap();
        write_durably(&second.path().join("file"), b"second").unwrap();
        assert!(first.publish(&place).unwrap());
        assert!(!second.publish(&place).unwrap());
        assert_eq!(std::fs::read(place.join("file")).unwrap(), b"first");
        assert_eq!(std::fs::read_dir(root.path()).unwrap().count(), 1);
    }

    #[test]
    fn who_has_published_removes_nothing_of_the_next_ones() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("a");
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let (place, root) = (&place, &root);
                scope.spawn(move || {
                    for count in 0..200 {
                        let staging = Staging::create(place).unwrap();
                        write_durably(&staging.path().join("file"), b"text").unwrap();
                        assert!(staging.publish(&root.path().join(format!("{thread}-{count}"))).unwrap());
                    }
                });
            }
        });
    }

    #[test]
    fn what_a_killed_process_left_behind_is_removed_and_what_a_living_one_writes_is_not() {
        let root = tempfile::tempdir().unwrap();
        let place = root.path().join("a");
        let living = Staging::create(&place).unwrap();
        let abandoned = root.path().join(".a.1-0");
        std::fs::create_dir(&abandoned).unwrap();
        File::create(abandoned.join(LOCK)).unwrap();
        // Killed before it had a lock; and one that may be about to have its own.
        let [old, new] = [".a.1-1", ".a.1-2"].map(|name| root.path().join(name));
        for path in [&old, &new] {
            std::fs::create_dir(path).unwrap();
        }
        let then = std::time::SystemTime::now() - 2 * LOCKED_BY_NOW;
        File::open(&old).unwrap().set_modified(then).unwrap();
        // A folder of the user's with a file of that name.
        let foreign = root.path().join(".a.backup");
        std::fs::create_dir(&foreign).unwrap();
        File::create(foreign.join(LOCK)).unwrap();
        drop(Staging::create(&place).unwrap());
        assert_eq!(
            [&abandoned, &old, &new, living.path(), &foreign].map(|path: &Path| path.exists()),
            [false, false, true, true, true]
        );
    }
}
