//! One attempt to get the rest of a file over HTTP.
//!
//! The bytes go into a part beside the final place. A file next to it has what is needed to resume it later: the
//! size that the server stated, and the validator (`ETag` or `Last-Modified`) by which the server can tell that
//! the file is still the same (RFC 9110, §13.1.5 and §14).

use super::progress::Progress;
use crate::error::{Error, Result};
use crate::files;
use serde::{Deserialize, Serialize};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use ureq::Agent;
use ureq::http::{HeaderMap, StatusCode, header};

/// Reason why an attempt did not bring the whole file.
#[derive(Debug)]
pub enum AttemptError {
    /// A failure worth another attempt, which goes on where this one stopped.
    Passing(String),
    /// This address will not give the file.
    Refused(String),
    /// An error that has nothing to do with the network.
    Local(Error),
}

impl From<Error> for AttemptError {
    fn from(error: Error) -> Self {
        AttemptError::Local(error)
    }
}

/// A file that is on its way.
#[derive(Debug)]
pub struct Part {
    /// The bytes so far.
    pub path: PathBuf,
    notes: PathBuf,
}

/// Statements of a server about the file that a part belongs to.
#[derive(Debug, Default, Clone, PartialEq, Serialize, Deserialize)]
struct Notes {
    total: Option<u64>,
    validator: Option<String>,
}

impl Notes {
    /// Reads the headers of a response with the whole file.
    fn of(headers: &HeaderMap, total: Option<u64>) -> Self {
        let validator = text(headers, header::ETAG)
            .filter(|tag| !tag.starts_with("W/"))
            .or_else(|| text(headers, header::LAST_MODIFIED));
        Notes { total, validator }
    }

    /// Whether a partial response belongs to the file of these notes. The server was asked for the part only
    /// if the file is still the same (`If-Range`), but some servers ignore that.
    ///
    /// A server must repeat the file's `ETag` (RFC 9110, §15.3.7). Where it repeats neither that nor the date, only a
    /// checksum (`pinned`) could tell two versions apart.
    fn is_of_the_same_file(&self, headers: &HeaderMap, total: Option<u64>, pinned: bool) -> bool {
        if let (Some(noted), Some(total)) = (self.total, total)
            && noted != total
        {
            return false;
        }
        let Some(noted) = &self.validator else { return pinned };
        let name = if noted.starts_with('"') { header::ETAG } else { header::LAST_MODIFIED };
        text(headers, name).map_or(pinned, |repeated| repeated == *noted)
    }
}

impl Part {
    /// The part of the file that will be at `place`.
    pub fn of(place: &Path) -> Self {
        let beside = |ending: &str| {
            let mut name = place.as_os_str().to_owned();
            name.push(ending);
            PathBuf::from(name)
        };
        Part { path: beside(".part"), notes: beside(".part.json") }
    }

    /// Returns the number of bytes on the disk.
    pub fn len(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |found| found.len())
    }

    pub fn remove(&self) -> Result<()> {
        files::remove(&self.path)?;
        files::remove(&self.notes)
    }

    /// Makes the part the file at `place`.
    pub fn publish(&self, place: &Path) -> Result<()> {
        files::rename(&self.path, place)?;
        files::remove(&self.notes)
    }

    fn notes(&self) -> Result<Notes> {
        let text = files::read_if_exists(&self.notes)?.unwrap_or_default();
        // Notes that cannot be read say nothing, and then the part begins anew.
        Ok(serde_json::from_slice(&text).unwrap_or_default())
    }

    fn note(&self, notes: &Notes) -> Result<()> {
        let text = serde_json::to_vec(notes).map_err(|error| Error::failed(error.to_string()))?;
        files::write_atomically(&self.notes, &text)
    }
}

/// Properties of the wanted file that are known before it comes.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    pub bytes: Option<u64>,
    /// A checksum will tell whether parts of two versions were mixed.
    pub pinned: bool,
    /// Largest number of bytes to take if neither the recipe nor the server states the size.
    pub at_most: u64,
}

/// Downloads the rest of the part.
pub fn transfer(
    agent: &Agent,
    url: &str,
    part: &Part,
    wanted: Wanted,
    progress: &mut dyn Progress,
) -> std::result::Result<(), AttemptError> {
    let notes = part.notes()?;
    if part.len() > 0 && notes.validator.is_none() && !wanted.pinned {
        // Nothing could tell whether the rest belongs to what is there.
        part.remove()?;
    }
    let have = part.len();
    let mut request = agent.get(url);
    if have > 0 {
        request = request.header(header::RANGE, format!("bytes={have}-"));
        if let Some(validator) = &notes.validator {
            request = request.header(header::IF_RANGE, validator);
        }
    }
    let response = request.call().map_err(explain)?;
    let (status, headers) = (response.status(), response.headers());
    let (start, total) = match status {
        StatusCode::OK => (0, number(headers, header::CONTENT_LENGTH)),
        StatusCode::PARTIAL_CONTENT => {
            let (first, total) = content_range(headers).unwrap_or_default();
            let why = match () {
                () if first != Some(have) => "the server sent another part than was asked for",
                () if !notes.is_of_the_same_file(headers, total, wanted.pinned) => {
                    "the file on the server has changed since its first part was fetched"
                }
                () => "",
            };
            if !why.is_empty() {
                part.remove()?;
                return Err(AttemptError::Passing(format!("{why}; starting anew")));
            }
            (have, total.or(notes.total))
        }
        StatusCode::RANGE_NOT_SATISFIABLE => {
            let total = content_range(headers).and_then(|(_, total)| total).or(notes.total);
            if have > 0 && total.or(wanted.bytes) == Some(have) {
                return Ok(());
            }
            part.remove()?;
            return Err(AttemptError::Passing(
                "the server has less than was fetched before; starting anew".into(),
            ));
        }
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
            return Err(AttemptError::Passing(format!("the server answered {status}")));
        }
        status if status.is_server_error() => {
            return Err(AttemptError::Passing(format!("the server answered {status}")));
        }
        status => return Err(AttemptError::Refused(format!("the server answered {status}"))),
    };
    if text(headers, header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html")) {
        return Err(AttemptError::Refused("the server sent a web page instead of the file".into()));
    }
    if let (Some(total), Some(bytes)) = (total, wanted.bytes)
        && total != bytes
    {
        return Err(AttemptError::Refused(format!("the file there has {total} bytes instead of {bytes}")));
    }
    let total = total.or(wanted.bytes);
    if start == 0 {
        part.remove()?;
        part.note(&Notes::of(headers, total))?;
    }
    check_space(part, start, total)?;
    receive(response.into_body().into_reader(), part, start, total, wanted.at_most, progress)
}

/// Appends the body to the part; it must end at `total` bytes, or within `at_most` if `total` is not known.
fn receive(
    mut body: impl Read,
    part: &Part,
    start: u64,
    total: Option<u64>,
    at_most: u64,
    progress: &mut dyn Progress,
) -> std::result::Result<(), AttemptError> {
    let mut file = OpenOptions::new()
        .create(true)
        .append(true)
        .open(&part.path)
        .map_err(Error::io("create", &part.path))?;
    let mut have = start;
    let name = part.path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let mut buffer = vec![0; 1 << 16];
    progress.bytes(&name, have, total);
    let end = loop {
        match body.read(&mut buffer) {
            Ok(0) => break Ok(()),
            Ok(read) => {
                have += read as u64;
                if have > total.unwrap_or(at_most) {
                    drop(file);
                    part.remove()?;
                    return Err(AttemptError::Refused(match total {
                        Some(total) => format!("the server sent more than {total} bytes"),
                        None => format!(
                            "the server sent more than {at_most} bytes without stating how many there are; if the file \
                             is so large, state bytes = … beside its address in the recipe"
                        ),
                    }));
                }
                file.write_all(&buffer[..read]).map_err(Error::io("write", &part.path))?;
                progress.bytes(&name, have, total);
            }
            Err(error) => break Err(error),
        }
    };
    sync(&file, &part.path)?;
    let of = total.map(|total| format!(" of {total}")).unwrap_or_default();
    match end {
        Err(error) => Err(AttemptError::Passing(format!("cut off after {have}{of} bytes ({error})"))),
        Ok(()) if total.is_some_and(|total| have < total) => {
            Err(AttemptError::Passing(format!("the server stopped after {have}{of} bytes")))
        }
        Ok(()) => Ok(()),
    }
}

fn sync(file: &File, path: &Path) -> Result<()> {
    file.sync_all().map_err(Error::io("write", path))
}

/// Refuses a download for which the disk has too little space.
fn check_space(part: &Part, start: u64, total: Option<u64>) -> Result<()> {
    let (Some(total), Some(free)) = (total, files::free_space(&part.path)) else {
        return Ok(());
    };
    let left = total.saturating_sub(start);
    if left > free {
        return Err(Error::failed(format!(
            "{}: {left} bytes are to come, but the disk has {free} left; free some, or give another --data DIR",
            part.path.display()
        )));
    }
    Ok(())
}

/// Converts an error of a request; failures of the network are worth another attempt.
fn explain(error: ureq::Error) -> AttemptError {
    let text = match &error {
        // Its text repeats the address, with the password that may be in it.
        ureq::Error::BadUri(_) | ureq::Error::Http(_) => "the address cannot be read".to_string(),
        error => error.to_string(),
    };
    match error {
        ureq::Error::Io(_)
        | ureq::Error::Timeout(_)
        | ureq::Error::ConnectionFailed
        | ureq::Error::HostNotFound
        | ureq::Error::Protocol(_) => AttemptError::Passing(text),
        _ => AttemptError::Refused(text),
    }
}

fn text(headers: &HeaderMap, name: header::HeaderName) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_string)
}

fn number(headers: &HeaderMap, name: header::HeaderName) -> Option<u64> {
    text(headers, name)?.trim().parse().ok()
}

/// Returns start and size of `bytes START-END/SIZE` or `bytes */SIZE`; `None` for a star.
fn content_range(headers: &HeaderMap) -> Option<(Option<u64>, Option<u64>)> {
    let value = text(headers, header::CONTENT_RANGE)?;
    let (range, size) = value.trim().strip_prefix("bytes ")?.split_once('/')?;
    let start = range.split('-').next().and_then(|start| start.trim().parse().ok());
    Some((start, size.trim().parse().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_ranges_are_read() {
        let range = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_RANGE, value.parse().unwrap());
            content_range(&headers)
        };
        assert_eq!(range("bytes 5-9/10"), Some((Some(5), Some(10))));
        assert_eq!(range("bytes 5-9/*"), Some((Some(5), None)));
        assert_eq!(range("bytes */10"), Some((None, Some(10))));
        assert_eq!(range("lines 1-2/3"), None);
        assert_eq!(content_range(&HeaderMap::new()), None);
    }

    #[test]
    fn more_than_the_disk_holds_is_not_begun() {
        let folder = tempfile::tempdir().unwrap();
        let part = Part::of(&folder.path().join("a"));
        check_space(&part, 0, None).unwrap();
        check_space(&part, u64::MAX - 1, Some(u64::MAX)).unwrap();
        let said = check_space(&part, 0, Some(u64::MAX)).unwrap_err().to_string();
        assert!(said.contains("the disk has") && said.contains("a.part"), "{said}");
    }
}
