//! Files that survive a crash: a reader finds the old content or the new one, never a part.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The end of every temporary file's name; the name begins with a dot.
const TEMPORARY: &str = ".tmp";

/// Replaces the file at `path` with `bytes`. When the function returns, the new content is on the disk under its name;
/// if the machine stops before that, the old content is still there.
///
/// The bytes go through a temporary file in the same directory, whose name ends in `.tmp`. A temporary file that a
/// crash left behind is never read and may be deleted ([`remove_leftovers`]).
///
/// # Errors
/// [`Error::Io`]. The file at `path` is then unchanged and the temporary file removed, unless only the last step
/// failed, which makes the new name durable. A user error if `path` is a device, a pipe or a socket, which a file must
/// not replace.
pub fn write_atomically(path: &Path, bytes: &[u8]) -> Result<()> {
    if path.symlink_metadata().is_ok_and(|about| is_special(&about)) {
        return Err(Error::user(format!(
            "{} is a device, a pipe or a socket, which is never replaced by a file; choose another place",
            path.display()
        )));
    }
    let temporary = temporary_beside(path);
    let written = File::create(&temporary)
        .and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()))
        .map_err(Error::io("write", path))
        .and_then(|()| rename(&temporary, path));
    if written.is_err() {
        // The first error is the one to report; a leftover does no harm.
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Opens one of the program's own files in place, never through a symbolic link: the target of a link is the user's.
///
/// # Errors
/// The errors of opening with these options, and an error if `path` is a symbolic link.
pub fn open_own(options: &mut fs::OpenOptions, path: &Path) -> std::io::Result<File> {
    options.custom_flags(libc::O_NOFOLLOW).open(path).map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => std::io::Error::new(
            ErrorKind::InvalidInput,
            "it is a symbolic link, and ablate writes through none; replace it by a file",
        ),
        _ => error,
    })
}

/// Whether something is neither a file nor a directory nor a symbolic link.
pub fn is_special(about: &fs::Metadata) -> bool {
    !(about.is_file() || about.is_dir() || about.is_symlink())
}

/// Renames a file within its directory, durably; a file that has the new name is replaced.
/// The content must have been synced before.
pub fn rename(from: &Path, to: &Path) -> Result<()> {
    fs::rename(from, to).map_err(Error::io("replace", to))?;
    sync_dir(parent(to))
}

/// Removes a file. A file that does not exist counts as removed.
pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

/// Creates a directory and its parents, durably. A directory that exists is fine.
///
/// # Errors
/// A user error if the path, or a part of it, is something other than a directory; [`Error::Io`] otherwise.
pub fn create_dir(path: &Path) -> Result<()> {
    if let Some(other) = path.ancestors().find(|part| part.symlink_metadata().is_ok() && !part.is_dir()) {
        return Err(Error::user(format!("{} is not a directory; name another place", other.display())));
    }
    let named = path.ancestors().take_while(|ancestor| !ancestor.as_os_str().is_empty());
    let missing: Vec<&Path> = named.take_while(|ancestor| !ancestor.exists()).collect();
    fs::create_dir_all(path).map_err(Error::io("create", path))?;
    missing.into_iter().try_for_each(|created| sync_dir(parent(created)))
}

/// Creates a directory as [`create_dir`] does, and gives each new directory the permissions of its parent: if a group
/// shares a results directory, its members can use new directories in it, whatever their umask.
pub fn create_shared_dir(path: &Path) -> Result<()> {
    let missing: Vec<&Path> = path.ancestors().take_while(|ancestor| !ancestor.exists()).collect();
    create_dir(path)?;
    missing.into_iter().rev().for_each(share);
    Ok(())
}

/// Gives a file or directory of this user the permissions that its directory gives to the group and to all users, if
/// these may write there. Permissions that cannot be changed stay: a later access reports the error.
pub fn share(path: &Path) {
    let (Ok(about), Ok(around)) = (path.symlink_metadata(), fs::metadata(parent(path))) else { return };
    let same_group = about.gid() == around.gid()
        || around.mode() & 0o020 != 0 && std::os::unix::fs::chown(path, None, Some(around.gid())).is_ok();
    let mut rights = 0;
    if same_group && around.mode() & 0o020 != 0 {
        rights |= around.mode() & 0o2070;
    }
    if around.mode() & 0o002 != 0 {
        rights |= around.mode() & 0o1007;
    }
    if !about.is_dir() {
        rights &= 0o066;
    }
    if !about.is_symlink() && rights & !about.mode() != 0 {
        let _ = fs::set_permissions(path, fs::Permissions::from_mode(about.mode() & 0o7777 | rights));
    }
}

/// Removes temporary files of [`write_atomically`] that killed writers left in a directory, if `own` accepts the name of the
/// target. Only for directories with no other writer than the caller: the temporary files of another writer would go too.
pub fn remove_leftovers(directory: &Path, own: impl Fn(&str) -> bool) -> Result<()> {
    for entry in fs::read_dir(directory).map_err(Error::io("list", directory))? {
        let entry = entry.map_err(Error::io("list", directory))?;
        let name = entry.file_name();
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && name.to_str().and_then(name_of_temporary).is_some_and(&own) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Returns the target's name of a temporary file of [`write_atomically`]; `None` for any other name.
pub fn name_of_temporary(name: &str) -> Option<&str> {
    let (target, numbers) = name.strip_prefix('.')?.strip_suffix(TEMPORARY)?.rsplit_once('.')?;
    (!target.is_empty() && is_process_and_count(numbers)).then_some(target)
}

/// Whether a text is `PROCESS-COUNT`, as in the names of temporary files and directories.
pub fn is_process_and_count(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.split_once('-').is_some_and(|(process, count)| number(process) && number(count))
}

/// Reads a file; `None` if it does not exist.
///
/// # Errors
/// If it cannot be read, or is a pipe, socket or device, from which reading could wait forever.
pub fn read_if_exists(path: &Path) -> Result<Option<Vec<u8>>> {
    if fs::metadata(path).is_ok_and(|about| is_special(&about)) {
        let error =
            std::io::Error::new(ErrorKind::InvalidInput, "it is a pipe, socket or device, not a file");
        return Err(Error::io("read", path)(error));
    }
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        other => other.map(Some).map_err(Error::io("read", path)),
    }
}

/// Makes changes of the names in a directory durable: files created, renamed and removed.
pub fn sync_dir(path: &Path) -> Result<()> {
    let synced = File::open(path).and_then(|directory| directory.sync_all());
    match synced {
        // Some network and user-space file systems cannot sync a directory, and offer nothing else.
        Err(error) if matches!(error.kind(), ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
        other => other.map_err(Error::io("sync", path)),
    }
}

/// Reads a text file.
///
/// # Errors
/// [`Error::Io`] if it cannot be read or is not UTF-8.
pub fn read_to_string(path: &Path) -> Result<String> {
    fs::read_to_string(path).map_err(Error::io("read", path))
}

/// An exclusive lock, held until dropped or until the process ends, however it ends.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

impl Lock {
    /// Writes a text into the lock's file, for processes that find the lock held.
    pub fn sign(&mut self, text: &str) -> std::io::Result<()> {
        self.file.set_len(0)?;
        self.file.write_all(text.as_bytes())
    }
}

/// Takes the exclusive lock on the file at `path`, which is created if missing. `None` if another process holds the
/// lock. The lock is advisory: it keeps out only processes that ask for it.
///
/// The file stays when the lock is released: removing it would let two processes lock two files of one name.
///
/// If a group shares the directory, it shares the lock: the file gets the directory's permissions, and another user's
/// file can be locked even if it can only be read.
pub fn lock(path: &Path) -> Result<Option<Lock>> {
    let file = open_lock(path).map_err(Error::io("open", path))?;
    let mut pauses = LOOKS.into_iter();
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Some(Lock { file })),
            Err(TryLockError::WouldBlock) => match pauses.next() {
                Some(pause) => std::thread::sleep(pause),
                None => return Ok(None),
            },
            Err(TryLockError::Error(error)) => return Err(Error::io("lock", path)(error)),
        }
    }
}

fn open_lock(path: &Path) -> std::io::Result<File> {
    match open_own(File::options().write(true), path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => File::open(path).map_err(|_| error),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            match open_own(File::options().write(true).create_new(true), path) {
                // Another process was faster.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    open_own(File::options().write(true), path)
                }
                made => made.inspect(|_| share(path)),
            }
        }
        found => found,
    }
}

/// Pauses between the attempts of [`lock`]: [`is_locked`] of another process holds the lock for an instant.
const LOOKS: [Duration; 3] = [Duration::from_millis(1), Duration::from_millis(5), Duration::from_millis(20)];

/// Returns whether a process holds the lock at `path`. Creates nothing. Holds the lock itself for an instant, during
/// which [`lock`] waits.
pub fn is_locked(path: &Path) -> Result<bool> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(Error::io("open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(Error::io("lock", path)(error)),
    }
}

/// Returns the bytes that are free at `path`, or at its nearest parent that exists; `None` if the system does not tell.
pub fn free_space(path: &Path) -> Option<u64> {
    use std::os::unix::ffi::OsStrExt;
    let absolute = std::path::absolute(path).ok()?;
    let existing = absolute.ancestors().find(|path| path.exists())?;
    let name = std::ffi::CString::new(existing.as_os_str().as_bytes()).ok()?;
    // SAFETY: statvfs fills the structure where it succeeds, and an all-zero one is valid.
    unsafe {
        let mut found: libc::statvfs = std::mem::zeroed();
        (libc::statvfs(name.as_ptr(), &mut found) == 0)
            .then(|| (found.f_bavail as u64).saturating_mul(found.f_frsize as u64))
    }
}

/// Returns the bytes of all files directly in a folder; 0 if the folder does not exist.
pub fn folder_bytes(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .filter(|file| file.is_file())
        .map(|file| file.len())
        .sum()
}

/// Returns a path beside `path` whose name no other thread or process of this machine uses.
pub fn temporary_beside(path: &Path) -> PathBuf {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let mut name = OsString::from(".");
    name.push(path.file_name().unwrap_or_default());
    name.push(format!(".{}-{}{TEMPORARY}", std::process::id(), COUNTER.fetch_add(1, Ordering::Relaxed)));
    path.with_file_name(name)
}

/// Returns the directory that holds `path`: `.` for a bare name.
pub fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(directory) if !directory.as_os_str().is_empty() => directory,
        _ => Path::new("."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writing_replaces_the_content_and_leaves_no_temporary_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        write_atomically(&path, b"old, and longer").unwrap();
        write_atomically(&path, b"new").unwrap();
        assert_eq!(read_to_string(&path).unwrap(), "new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_keeps_the_target_and_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let target = directory.path().join("taken");
        create_dir(&target.join("inside")).unwrap();
        let error = write_atomically(&target, b"x").unwrap_err();
        assert!(error.to_string().contains("taken"), "{error}");
        assert!(target.join("inside").exists());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);

        let nowhere = directory.path().join("missing/record.json");
        assert!(write_atomically(&nowhere, b"x").unwrap_err().to_string().contains("missing/record.json"));
        assert!(write_atomically(Path::new(""), b"x").is_err());
    }

    #[test]
    fn threads_writing_one_file_leave_one_of_the_contents() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state");
        std::thread::scope(|scope| {
            for letter in b'a'..b'e' {
                let path = &path;
                scope.spawn(move || write_atomically(path, &[letter; 5000]).unwrap());
            }
        });
        let content = fs::read(&path).unwrap();
        assert_eq!(content.len(), 5000);
        assert!(content.iter().all(|&b| b == content[0]));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_lock_is_exclusive_until_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".lock");
        let held = lock(&path).unwrap();
        assert!(held.is_some());
        assert!(lock(&path).unwrap().is_none());
        assert!(is_locked(&path).unwrap());
        drop(held);
        assert!(!is_locked(&path).unwrap());
        assert!(lock(&path).unwrap().is_some());
        assert!(!is_locked(&directory.path().join("absent")).unwrap());
        assert!(!directory.path().join("absent").exists());
    }

    #[test]
    fn a_look_that_ends_within_the_last_pause_is_sat_out() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(".lock");
        drop(lock(&path).unwrap());
        // The look ends between the third try and the fourth. On a busy machine it may take longer than it wants to.
        let sat_out = (0..20).any(|_| {
            let looking = File::open(&path).unwrap();
            looking.lock_shared().unwrap();
            let look = std::thread::spawn(move || {
                std::thread::sleep(Duration::from_millis(15));
                drop(looking);
            });
            let taken = lock(&path).unwrap().is_some();
            look.join().unwrap();
            taken
        });
        assert!(sat_out);
    }

    #[test]
    fn removing_a_missing_file_is_no_error() {
        let directory = tempfile::tempdir().unwrap();
        remove(&directory.path().join("absent")).unwrap();
        assert!(remove(directory.path()).is_err());
    }

    #[test]
    fn leftovers_of_killed_writers_are_removed_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let foreign =
            [".lock", "state", "state.tmp", ".mine.tmp", ".state.tmp", ".state.1.tmp", ".mine.12-0.tmp"];
        for name in foreign.iter().chain(&[".state.12-0.tmp"]) {
            fs::write(directory.path().join(name), name).unwrap();
        }
        fs::create_dir(directory.path().join(".state.12-1.tmp")).unwrap();
        remove_leftovers(directory.path(), |name| name == "state").unwrap();
        let mut left: Vec<_> =
            fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        let mut expected = [&foreign[..], &[".state.12-1.tmp"]].concat();
        expected.sort();
        assert_eq!(left, expected);
    }

    #[test]
    fn a_pipe_is_never_replaced_by_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pipe");
        let name = std::ffi::CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: mkfifo reads the name alone.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let error = write_atomically(&path, b"x").unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("never replaced"), "{error}");
        assert!(is_special(&path.symlink_metadata().unwrap()));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_is_made_for_all_has_the_rights_of_the_directory_around_it() {
        let directory = tempfile::tempdir().unwrap();
        let results = directory.path().join("results");
        fs::create_dir(&results).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().mode() & 0o7777;
        for (around, rights) in [(0o2775, 0o2070), (0o1777, 0o1007), (0o755, 0)] {
            fs::set_permissions(&results, fs::Permissions::from_mode(around)).unwrap();
            let _ = fs::remove_dir_all(results.join(".locks"));
            let folder = results.join(".locks/deeper");
            create_shared_dir(&folder).unwrap();
            drop(lock(&folder.join("identity")).unwrap());
            let found = [mode(&folder) & rights, mode(&folder.join("identity")) & rights & 0o066];
            assert_eq!(found, [rights, rights & 0o066], "{around:o}");
            assert!(rights & 0o002 != 0 || mode(&folder.join("identity")) & 0o002 == 0, "{around:o}");
        }
    }

    #[test]
    fn a_lock_that_may_only_be_read_can_be_taken() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("lock");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o444)).unwrap();
        let held = lock(&path).unwrap();
        assert!(held.is_some() && lock(&path).unwrap().is_none());
    }

    #[test]
    fn a_file_that_is_not_there_is_told_from_one_that_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("record.json");
        assert_eq!(read_if_exists(&path).unwrap(), None);
        fs::write(&path, "x").unwrap();
        assert_eq!(read_if_exists(&path).unwrap(), Some(b"x".to_vec()));
        assert!(read_if_exists(directory.path()).is_err());
        let device = read_if_exists(Path::new("/dev/zero")).unwrap_err().to_string();
        assert!(device.contains("not a file"), "{device}");
    }

    #[test]
    fn a_bare_name_lies_in_the_current_directory() {
        assert_eq!(parent(Path::new("x")), Path::new("."));
        assert_eq!(parent(Path::new("a/x")), Path::new("a"));
    }
}
