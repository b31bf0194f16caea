//! Checksums that no recipe states: recorded at the first download, required from then on.
//!
//! One file, `lock.toml`, in the folder of the downloads has a table for each address. To get a new version of a
//! file, delete its entry and the file itself; to pin it for others, copy the values into the recipe.
//! If a file is there without an entry, its checksum is recorded again.

use super::Mirror;
use super::checksum::Digests;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Name of the file.
pub const LOCK_FILE: &str = "lock.toml";

const HEADER: &str = "\
# What `ablate prepare` found at addresses whose checksum no recipe states, at the first download.
# Later downloads must be the same file. To accept another one, delete its table here and the file itself, which lies beside
# this one at host and path of its address.
";

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    bytes: u64,
    sha256: String,
}

/// The recorded checksums of a folder of downloads.
#[derive(Debug)]
pub struct LockFile {
    path: PathBuf,
    entries: BTreeMap<String, Entry>,
}

impl LockFile {
    /// Reads what `folder` has recorded so far.
    ///
    /// # Errors
    /// A user error if the file is not what this module writes.
    pub fn open(folder: &Path) -> Result<Self> {
        let path = folder.join(LOCK_FILE);
        let text = files::read_if_exists(&path)?.unwrap_or_default();
        let damaged = |why: String| {
            Error::user(format!(
                "{}: {why}; correct the file, or delete it so that checksums are recorded anew",
                path.display()
            ))
        };
        let text = String::from_utf8(text).map_err(|_| damaged("not UTF-8".into()))?;
        let entries = toml::from_str(&text).map_err(|error| damaged(error.to_string()))?;
        Ok(LockFile { path, entries })
    }

    /// Returns `mirror` with the recorded size and checksum, if it states no checksum itself.
    pub fn pinned(&self, mirror: &Mirror) -> Mirror {
        match self.entry(mirror) {
            Some(entry) if !mirror.is_pinned() => {
                Mirror { bytes: Some(entry.bytes), sha256: Some(entry.sha256.clone()), ..mirror.clone() }
            }
            _ => mirror.clone(),
        }
    }

    /// Returns the record of a mirror. Earlier versions recorded addresses with their passwords.
    fn entry(&self, mirror: &Mirror) -> Option<&Entry> {
        self.entries.get(&mirror.public_url()).or_else(|| self.entries.get(&mirror.url))
    }

    /// Records a file durably, unless its address is recorded or pinned already.
    pub fn record(&mut self, mirror: &Mirror, found: &Digests) -> Result<()> {
        if mirror.is_pinned() || self.entry(mirror).is_some() {
            return Ok(());
        }
        let entry = Entry { bytes: found.bytes, sha256: found.sha256.clone() };
        self.entries.insert(mirror.public_url(), entry);
        let text = toml::to_string(&self.entries).map_err(|error| Error::failed(error.to_string()))?;
        files::write_atomically(&self.path, format!("{HEADER}\n{text}").as_bytes())
    }

    pub fn path(&self) -> &Path {
        &self.path
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(sha256: Option<&str>) -> Mirror {
        Mirror { url: "http://h/a.tgz".into(), bytes: None, sha256: sha256.map(String::from), md5: None }
    }

    #[test]
    fn the_first_download_is_recorded_and_stays() {
        let folder = tempfile::tempdir().unwrap();
        let digests = |bytes, sha256: &str| Digests { bytes, sha256: sha256.into(), md5: String::new() };
        let mut lock = LockFile::open(folder.path()).unwrap();
        assert_eq!(lock.pinned(&mirror(None)), mirror(None));
        lock.record(&mirror(None), &digests(3, "aa")).unwrap();
        lock.record(&mirror(None), &digests(4, "bb")).unwrap();
        let again = LockFile::open(folder.path()).unwrap().pinned(&mirror(None));
        assert_eq!((again.bytes, again.sha256.as_deref()), (Some(3), Some("aa")));
        // The checksum of a recipe takes precedence over the record.
        assert_eq!(lock.pinned(&mirror(Some("cc"))), mirror(Some("cc")));
    }

    #[test]
    fn an_address_is_recorded_without_its_password_and_found_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Mirror { url: "http://me:secret@h/a.tgz".into(), ..mirror(None) };
        let digests = Digests { bytes: 3, sha256: "aa".into(), md5: String::new() };
        let mut lock = LockFile::open(folder.path()).unwrap();
        lock.record(&secret, &digests).unwrap();
        let text = std::fs::read_to_string(folder.path().join(LOCK_FILE)).unwrap();
        assert!(text.contains("http://h/a.tgz") && !text.contains("secret"), "{text}");
        // As earlier versions wrote it.
        std::fs::write(folder.path().join(LOCK_FILE), text.replace("://", "://me:secret@")).unwrap();
        let lock = LockFile::open(folder.path()).unwrap();
        assert_eq!(lock.pinned(&secret).sha256.as_deref(), Some("aa"));
        assert_eq!(lock.pinned(&mirror(None)), mirror(None));
    }

    #[test]
    fn a_broken_lock_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for broken in ["[", "[x]\nbytes = 1\n"] {
            std::fs::write(folder.path().join(LOCK_FILE), broken).unwrap();
            let error = LockFile::open(folder.path()).unwrap_err();
            assert_eq!(error.exit_code(), 2);
            assert!(error.to_string().contains("lock.toml"), "{error}");
        }
    }
}
