//! Getting a file from one of its mirrors, once: attempts, checks, and what is kept.
//!
//! A file lies below the folder of downloads at host and path of its address, with the query of the address before its
//! name; members of archives below `members/` and the archive's sha256.

use super::archive::{MEMBER, extract, inside, is_archive};
use super::checksum::Digests;
use super::download_attempt::{AttemptError, Part, Wanted, transfer};
use super::lock::LockFile;
use super::progress::Progress;
use super::{Download, Mirror};
use crate::error::{Error, Result};
use crate::files;
use std::path::{Path, PathBuf};
use std::time::Duration;
use ureq::Agent;

/// Limits of a download: attempts, bytes and waiting times.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// Attempts in a row that bring nothing new, before the next mirror is asked.
    pub attempts: u32,
    /// Attempts in all, before the next mirror is asked.
    pub most_attempts: u32,
    /// Bytes to take of a file whose size neither the recipe nor the server states.
    pub most_bytes: u64,
    /// Pause before the second attempt; it doubles from one to the next.
    pub pause: Duration,
    /// Time to connect.
    pub connect: Duration,
    /// Silence after which a connection counts as cut.
    pub silence: Duration,
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            attempts: 5,
            most_attempts: 1000,
            most_bytes: 32 << 30,
            pause: Duration::from_secs(1),
            connect: Duration::from_secs(30),
            silence: Duration::from_secs(60),
        }
    }
}

/// A file on the disk that agrees with what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    pub path: PathBuf,
    pub sha256: String,
}

/// The folder of downloads. Proxies are taken from the usual environment variables.
pub struct Cache {
    folder: PathBuf,
    policy: Policy,
    agent: Agent,
}

impl Cache {
    pub fn new(folder: &Path, policy: Policy) -> Self {
        let agent = Agent::config_builder()
            .timeout_connect(Some(policy.connect))
            .timeout_per_read(Some(policy.silence))
            .timeout_per_write(Some(policy.silence))
            .http_status_as_error(false)
            .accept_encoding("identity")
            .user_agent(concat!("ablate/", env!("CARGO_PKG_VERSION")))
            .build()
            .new_agent();
        Cache { folder: folder.into(), policy, agent }
    }

    /// Keeps other processes from working on the same downloads, until it is dropped.
    ///
    /// # Errors
    /// Busy, if another process holds the lock.
    pub fn lock(&self) -> Result<files::Lock> {
        files::create_dir(&self.folder)?;
        files::lock(&self.folder.join(".lock"))?.ok_or_else(|| {
            Error::Busy(format!("another process is downloading into {}; wait for it", self.folder.display()))
        })
    }

    /// Returns the file, from the disk if it is there, else from the first mirror that gives it.
    ///
    /// # Errors
    /// If no mirror gives it: each with its reason. I/O errors, such as a full disk, at once.
    pub fn obtain(&self, download: &Download, progress: &mut dyn Progress) -> Result<Checked> {
        let mut lock = LockFile::open(&self.folder)?;
        for mirror in &download.mirrors {
            if let Some(digests) = self.present(&lock.pinned(mirror), progress)? {
                lock.record(mirror, &digests)?;
                return Ok(Checked { path: self.place(mirror), sha256: digests.sha256 });
            }
        }
        let mut reasons = String::new();
        for mirror in &download.mirrors {
            match self.ask_mirror(mirror, &mut lock, progress) {
                Ok(found) => return Ok(found),
                Err(AttemptError::Local(error)) => return Err(error),
                Err(AttemptError::Passing(why) | AttemptError::Refused(why)) => {
                    let line = format!("{}: {why}", mirror.public_url());
                    progress.message(&line);
                    reasons += &format!("\n  {line}");
                }
            }
        }
        Err(Error::failed(format!(
            "no address gave the file:{reasons}\nThe same command tries again and goes on with what is there; \
             or get the file otherwise and give its folder with --source DIR"
        )))
    }

    /// Returns the path of a file from this address: a folder of the server's name, those of the address's path, one of
    /// its query if it has one, and the name by which compression and archives are known.
    fn place(&self, mirror: &Mirror) -> PathBuf {
        let url = mirror.public_url();
        let address = url.split_once("://").map_or(url.as_str(), |(_, rest)| rest);
        let safe = |part: &str| -> String {
            let plain = |c: char| if c.is_ascii_alphanumeric() || "-_.".contains(c) { c } else { '_' };
            let name: String = part.chars().map(plain).collect();
            if name.starts_with('.') { format!("_{name}") } else { name }
        };
        let (path, query) = address.split_at(address.find(['?', '#']).unwrap_or(address.len()));
        let mut parts: Vec<String> = path.split('/').filter(|part| !part.is_empty()).map(safe).collect();
        if !query.is_empty() {
            parts.insert(parts.len().saturating_sub(1), safe(query));
        }
        parts.iter().fold(self.folder.clone(), |path, part| path.join(part))
    }

    /// Checks a file that an earlier call has fetched; removes it if it is not the stated file.
    fn present(&self, mirror: &Mirror, progress: &mut dyn Progress) -> Result<Option<Digests>> {
        let path = self.place(mirror);
        if !path.is_file() {
            return Ok(None);
        }
        let digests = Digests::of(&path)?;
        match digests.contradiction(mirror) {
            None => Ok(Some(digests)),
            Some(why) => {
                progress.message(&format!("{}: {why}; fetching it again", path.display()));
                files::remove(&path)?;
                Ok(None)
            }
        }
    }

    fn ask_mirror(
        &self,
        mirror: &Mirror,
        lock: &mut LockFile,
        progress: &mut dyn Progress,
    ) -> std::result::Result<Checked, AttemptError> {
        let place = self.place(mirror);
        files::create_dir(place.parent().unwrap_or(&self.folder))?;
        let stated = lock.pinned(mirror);
        let (part, url) = (Part::of(&place), mirror.public_url());
        progress.message(&match part.len() {
            0 => format!("fetching {url}"),
            have => format!("fetching {url}, from byte {have} on"),
        });
        let mut resumed = part.len() > 0;
        loop {
            resumed |= self.with_patience(&stated, &part, progress)?;
            let digests = Digests::of(&part.path)?;
            let Some(why) = digests.contradiction(&stated) else {
                lock.record(mirror, &digests)?;
                part.publish(&place)?;
                return Ok(Checked { path: place, sha256: digests.sha256 });
            };
            part.remove()?;
            // A file put together from two attempts may be a mixture of two versions.
            if !std::mem::take(&mut resumed) {
                let recorded = !mirror.is_pinned();
                let advice = if recorded {
                    format!(
                        ", which {} has from the first download; to accept the new file, delete its entry there",
                        lock.path().display()
                    )
                } else {
                    String::new()
                };
                return Err(AttemptError::Refused(format!("another file than stated: {why}{advice}")));
            }
            progress.message(&format!("{url}: {why}; starting anew"));
        }
    }

    /// Makes attempts until the part is complete; returns whether it was put together from several.
    fn with_patience(
        &self,
        mirror: &Mirror,
        part: &Part,
        progress: &mut dyn Progress,
    ) -> std::result::Result<bool, AttemptError> {
        let wanted =
            Wanted { bytes: mirror.bytes, pinned: mirror.is_pinned(), at_most: self.policy.most_bytes };
        let (mut failures, mut pause, mut several) = (0, self.policy.pause, false);
        // Bytes that are fetched again after starting anew are no progress.
        let mut longest = part.len();
        let mut attempt = 0;
        loop {
            attempt += 1;
            match transfer(&self.agent, &mirror.url, part, wanted, progress) {
                Ok(()) => return Ok(several),
                Err(AttemptError::Passing(why)) => {
                    several = true;
                    if part.len() > longest {
                        longest = part.len();
                        (failures, pause) = (0, self.policy.pause);
                    }
                    failures += 1;
                    if failures >= self.policy.attempts {
                        return Err(AttemptError::Passing(format!(
                            "{why}; {failures} attempts in a row brought nothing new"
                        )));
                    }
                    if attempt >= self.policy.most_attempts {
                        return Err(AttemptError::Passing(format!(
                            "{why}; given up after {attempt} attempts"
                        )));
                    }
                    progress.message(&format!("{}: {why}; trying again", mirror.public_url()));
                    std::thread::sleep(pause);
                    pause *= 2;
                }
                Err(other) => return Err(other),
            }
        }
    }

    /// Returns the places of an archive's members on the disk, by their paths in the archive; unpacks missing ones.
    ///
    /// # Errors
    /// See [`extract`].
    pub fn members(
        &self,
        archive: &Checked,
        wanted: &[&str],
        progress: &mut dyn Progress,
    ) -> Result<Vec<PathBuf>> {
        let folder = self.folder.join("members").join(&archive.sha256);
        let place = |member: &str| {
            let path = inside(member).filter(|path| !path.is_empty() && !path.starts_with('.'));
            path.map(|path| folder.join(path)).ok_or_else(|| {
                Error::user(format!("{}: {member:?} is no path of a member", archive.path.display()))
            })
        };
        let places = wanted.iter().map(|member| place(member)).collect::<Result<Vec<_>>>()?;
        let pairs = wanted.iter().zip(&places);
        let missing: Vec<&str> =
            pairs.filter(|(_, place)| !place.is_file()).map(|(member, _)| *member).collect();
        if !missing.is_empty() {
            progress.message(&format!("unpacking {}", archive.path.display()));
            files::create_dir(&folder)?;
            files::remove_leftovers(&folder, |name| name == MEMBER)?;
            extract(&archive.path, &missing, &folder)?;
        }
        Ok(places)
    }
}

/// Checks a file that the user fetched: it must be what one of `mirrors` states.
///
/// # Errors
/// A user error that names the file, if it is another one.
pub fn check_given<'a>(path: &Path, mirrors: impl Iterator<Item = &'a Mirror>) -> Result<Checked> {
    let digests = Digests::of(path)?;
    let mut reasons = String::new();
    for mirror in mirrors {
        match digests.contradiction(mirror) {
            None => return Ok(Checked { path: path.into(), sha256: digests.sha256 }),
            Some(why) => reasons += &format!("\n  {}: {why}", mirror.public_url()),
        }
    }
    Err(Error::user(format!(
        "{}: not the file that the recipe means; it is another version, or a part of it:{reasons}",
        path.display()
    )))
}

impl Download {
    /// Returns the mirrors whose file is an archive by its name, to find a file that is there already.
    pub fn archive_mirrors(&self) -> impl Iterator<Item = &Mirror> {
        self.mirrors.iter().filter(|mirror| is_archive(mirror.file_name()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_keeps_its_name_whatever_is_asked_for_with_it() {
        let cache = Cache::new(Path::new("d"), Policy::default());
        for (url, path) in [
            ("https://h.org:80/a/b.tar.gz", "d/h.org_80/a/b.tar.gz"),
            ("https://h.org/a/b.gz?download=1", "d/h.org/a/_download_1/b.gz"),
            ("https://h.org/a/b.gz?path=/c.zip", "d/h.org/a/_path__c.zip/b.gz"),
            ("https://h.org/a/.b#c", "d/h.org/a/_c/_.b"),
        ] {
            let mirror = Mirror::at(url);
            assert_eq!(cache.place(&mirror), Path::new(path), "{url}");
        }
    }
}
