//! Listing, moving and removing directories. Symbolic links are never followed.

use crate::error::{Error, Result};
use crate::files::{is_special, sync_dir, temporary_beside};
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// The largest number of bytes in a name that [`is_directory_name`] accepts.
pub const LONGEST_NAME: usize = 200;

/// Returns whether a name is valid for a directory on every system, and needs no quoting.
pub fn is_directory_name(name: &str) -> bool {
    let safe = |c: char| c.is_ascii_alphanumeric() || "._=+,-".contains(c);
    !name.is_empty() && name.len() <= LONGEST_NAME && name.chars().all(safe) && !name.starts_with(['.', '-'])
}

/// The rule of [`is_directory_name`], for messages.
pub const DIRECTORY_NAME_HELP: &str = "it names a directory: use at most 200 characters, letters a to z and A to Z, digits \
     and . _ = + , -, and do not start with . or -";

/// Returns whether a path is a directory. A symbolic link to a directory is none.
pub fn is_real_dir(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_dir())
}

/// Returns whether a path is a regular file. A symbolic link to a file is none.
pub fn is_real_file(path: &Path) -> bool {
    path.symlink_metadata().is_ok_and(|about| about.is_file())
}

/// Lists the entries of a directory, sorted.
///
/// # Errors
/// If it cannot be listed to the end.
pub fn list(folder: &Path) -> Result<Vec<PathBuf>> {
    let found = fs::read_dir(folder).and_then(|entries| entries.collect::<std::io::Result<Vec<_>>>());
    let found = found.map_err(Error::io("list", folder))?;
    let mut paths: Vec<PathBuf> = found.into_iter().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

/// Lists the entries of a directory, sorted; none if the directory does not exist or is a symbolic link.
pub fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    if is_real_dir(folder) { list(folder) } else { Ok(Vec::new()) }
}

/// Removes a directory if it is empty; otherwise it stays.
pub fn remove_if_empty(folder: &Path) -> Result<()> {
    match fs::remove_dir(folder) {
        Err(error) if !matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::NotFound) => {
            Err(Error::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}

/// Moves a directory to a path that does not exist yet, durably. Between file systems the directory is copied, and only
/// files that were copied whole are removed from the old place.
///
/// # Errors
/// If it cannot be moved. It is then still at the old place, and nothing is at the new one.
pub fn move_dir(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(error) if error.kind() == ErrorKind::CrossesDevices => return move_by_copying(from, to),
        renamed => renamed.map_err(Error::io("move", from))?,
    }
    [from, to].into_iter().filter_map(Path::parent).try_for_each(sync_dir)
}

fn move_by_copying(from: &Path, to: &Path) -> Result<()> {
    let temporary = temporary_beside(to);
    let copied = copy(from, &temporary)
        .and_then(|()| fs::rename(&temporary, to).map_err(Error::io("create", to)))
        .and_then(|()| to.parent().map_or(Ok(()), sync_dir));
    if copied.is_err() {
        // The first error is the one to report, and the temporary directory belongs to this process.
        let _ = fs::remove_dir_all(&temporary);
        return copied;
    }
    remove_copied(from, to)
}

/// Copies a file, link or directory with permissions and times of its files, and syncs the copy to the disk.
fn copy(from: &Path, to: &Path) -> Result<()> {
    let io = |action| Error::io(action, from);
    let about = from.symlink_metadata().map_err(io("read"))?;
    if about.is_symlink() {
        let target = fs::read_link(from).map_err(io("read"))?;
        return std::os::unix::fs::symlink(target, to).map_err(Error::io("create", to));
    }
    if is_special(&about) {
        return Err(Error::user(format!(
            "{} is no file and cannot be copied to another file system; remove it first",
            from.display()
        )));
    }
    if about.is_dir() {
        fs::create_dir(to).map_err(Error::io("create", to))?;
        for entry in entries(from)? {
            copy(&entry, &to.join(entry.file_name().unwrap_or_default()))?;
        }
        fs::set_permissions(to, about.permissions()).map_err(Error::io("create", to))?;
        return sync_dir(to);
    }
    let copied = fs::copy(from, to).map_err(io("copy"))?;
    let file = File::options().append(true).open(to).or_else(|_| File::open(to));
    let file = file.map_err(Error::io("open", to))?;
    if copied != about.len() || from.symlink_metadata().map_err(io("read"))?.len() != copied {
        return Err(Error::failed(format!("{} changed while it was copied", from.display())));
    }
    // Only people read the times: an error is no failure.
    let _ = about.modified().and_then(|time| file.set_modified(time));
    file.sync_all().map_err(Error::io("sync", to))
}

/// Removes from `from` every entry that `to` has as well; entries added to `from` since the copy stay.
fn remove_copied(from: &Path, to: &Path) -> Result<()> {
    if !is_real_dir(from) {
        return fs::remove_file(from).map_err(Error::io("remove", from));
    }
    for entry in entries(to)? {
        remove_copied(&from.join(entry.file_name().unwrap_or_default()), &entry)?;
    }
    remove_if_empty(from)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn tree(folder: &Path) {
        fs::create_dir_all(folder.join("checkpoints/empty")).unwrap();
        fs::write(folder.join("record.json"), "{}").unwrap();
        fs::write(folder.join("checkpoints/step"), "weights").unwrap();
        fs::set_permissions(folder.join("record.json"), fs::Permissions::from_mode(0o440)).unwrap();
        symlink("../elsewhere", folder.join("link")).unwrap();
    }

    fn assert_moved(from: &Path, to: &Path) {
        assert!(!from.exists());
        assert_eq!(fs::read(to.join("checkpoints/step")).unwrap(), b"weights");
        assert_eq!(to.join("record.json").metadata().unwrap().permissions().mode() & 0o777, 0o440);
        assert_eq!(fs::read_link(to.join("link")).unwrap(), Path::new("../elsewhere"));
        assert!(to.join("checkpoints/empty").is_dir());
        assert_eq!(fs::read_dir(to.parent().unwrap()).unwrap().count(), 2, "no temporary directory is left");
    }

    #[test]
    fn a_directory_moves_within_a_file_system_and_to_another() {
        type Move = fn(&Path, &Path) -> Result<()>;
        for moved in [move_dir as Move, move_by_copying] {
            let folder = tempfile::tempdir().unwrap();
            let (from, to) = (folder.path().join("from"), folder.path().join("to"));
            fs::create_dir(folder.path().join("elsewhere")).unwrap();
            fs::write(folder.path().join("elsewhere/notes"), "mine").unwrap();
            tree(&from);
            moved(&from, &to).unwrap();
            assert_moved(&from, &to);
            assert_eq!(fs::read(folder.path().join("elsewhere/notes")).unwrap(), b"mine");
        }
    }

    #[test]
    fn a_directory_that_cannot_be_copied_stays_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        tree(&from);
        let pipe = std::ffi::CString::new(from.join("pipe").to_str().unwrap()).unwrap();
        // SAFETY: mkfifo reads the name alone.
        assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
        let error = move_by_copying(&from, &to).unwrap_err();
        assert!(error.to_string().contains("pipe is no file"), "{error}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
        assert_eq!(entries(&from).unwrap().len(), 4);
        // A move within the file system takes it along.
        move_dir(&from, &to).unwrap();
        assert_eq!(entries(&to).unwrap().len(), 4);
    }

    #[test]
    fn a_link_to_a_directory_has_no_entries_and_is_none() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("file"), "").unwrap();
        let link = folder.path().join("link");
        symlink(folder.path(), &link).unwrap();
        assert!(link.is_dir() && !is_real_dir(&link) && is_real_dir(folder.path()));
        assert_eq!(entries(&link).unwrap(), [] as [PathBuf; 0]);
        assert_eq!(entries(folder.path()).unwrap().len(), 2);
        symlink("file", folder.path().join("other")).unwrap();
        assert!(is_real_file(&folder.path().join("file")) && !is_real_file(&folder.path().join("other")));
    }
}
