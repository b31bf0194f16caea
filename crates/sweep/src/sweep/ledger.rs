//! `ledger.jsonl`: the events of a sweep, one per line, appended as they happen.
//!
//! It is a log for users and for tools that watch; the run directories are authoritative. A later call reads back only
//! the draws of a search, and continues from them.

use crate::error::{Error, Result};
use crate::telemetry::console::print_message;
use crate::{clock, files, json};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// The name of the file in a sweep's directory.
pub const LEDGER_FILE: &str = "ledger.jsonl";

/// Something that happened to a trial.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    pub event: Kind,
    pub row: &'a str,
    pub seed: u64,
    pub identity: &'a str,
    /// The reason of a failure, or how the trial was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

/// The kind of an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Started,
    /// Waits in a cluster's queue.
    Submitted,
    /// The trial lost its place, and waits for the next one.
    Requeued,
    Finished,
    Failed,
    Stopped,
    /// The result or the training of a finished run elsewhere was used.
    Reused,
    /// A committed record stands for the trial.
    Recorded,
    /// Waits until halving lets it continue.
    Paused,
    /// Failed, and will be tried again.
    Retried,
    /// A run with other settings was in the trial's directory and was moved away.
    Superseded,
}

/// An event as it was written.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Entry {
    /// Seconds since 1970.
    pub time: f64,
    pub event: Kind,
    pub row: String,
    pub seed: u64,
    pub identity: String,
    pub reason: Option<String>,
}

/// Returns the events of a sweep, the latest last; none if there is no ledger. A line that does not parse, such as one
/// that is being written, is skipped.
///
/// # Errors
/// If the file exists and cannot be read.
pub fn read(sweep_dir: &Path) -> Result<Vec<Entry>> {
    lines(sweep_dir)
}

/// Reads the lines of a ledger that parse as `T`.
fn lines<T: DeserializeOwned>(sweep_dir: &Path) -> Result<Vec<T>> {
    let bytes = files::read_if_exists(&sweep_dir.join(LEDGER_FILE))?.unwrap_or_default();
    let lines = bytes.split(|&byte| byte == b'\n');
    Ok(lines.filter_map(|line| serde_json::from_slice(line).ok()).collect())
}

/// A draw of a search, noted before its trials start. It has no seed, and so is not read as an [entry](Entry).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DrawEntry {
    pub event: DrawKind,
    pub row: String,
    /// A hash of everything on which the draws depend, except the results: draws of another search are not read back.
    pub search: String,
    /// The value of each drawn key in TOML.
    pub values: BTreeMap<String, String>,
}

/// The only event without a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DrawKind {
    Drawn,
}

/// Returns the draws of the search with this hash, the latest last.
///
/// # Errors
/// If the file exists and cannot be read.
pub fn read_draws(sweep_dir: &Path, search: &str) -> Result<Vec<DrawEntry>> {
    let mut draws: Vec<DrawEntry> = lines(sweep_dir)?;
    draws.retain(|draw| draw.search == search);
    Ok(draws)
}

/// Appends events.
///
/// A line that cannot be written is left out, with a warning: a full disk must not end a sweep for its log.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    log: Mutex<Log>,
}

/// The file, and the length of its complete lines in bytes.
#[derive(Debug)]
struct Log {
    file: File,
    whole: u64,
    /// Whether an incomplete line may follow them.
    torn: bool,
}

impl Ledger {
    /// Opens or creates the ledger. A last line that a crash cut off is removed first.
    pub fn open(sweep_dir: &Path) -> Result<Self> {
        let path = sweep_dir.join(LEDGER_FILE);
        let io = |action| Error::io(action, &path);
        let mut options = File::options();
        let mut file =
            files::open_own(options.read(true).append(true).create(true), &path).map_err(io("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read"))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at as u64 + 1);
        file.set_len(whole).map_err(io("shorten"))?;
        Ok(Ledger { path, log: Mutex::new(Log { file, whole, torn: false }) })
    }

    /// Appends a line with the time. The line is on the disk when this returns.
    ///
    /// # Errors
    /// If the event cannot be written as JSON; not if the line cannot be written.
    pub fn note(&self, event: &Event) -> Result<()> {
        let line = timed_line(event)?;
        if let Err(error) = self.append(&line) {
            print_message(&format!("warning: {error}; the sweep goes on without this line: {line}"));
        }
        Ok(())
    }

    /// Appends a draw as [`note`](Self::note) appends an event.
    ///
    /// # Errors
    /// If the line cannot be written, too: without it, another call would draw again.
    pub fn note_draw(&self, draw: &DrawEntry) -> Result<()> {
        self.append(&timed_line(draw)?)
    }

    fn append(&self, line: &str) -> Result<()> {
        let mut log = self.log.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        log.append(format!("{line}\n").as_bytes()).map_err(Error::io("write", &self.path))
    }
}

/// Writes an event as a line of JSON with the time, without the line's end.
///
/// # Errors
/// If the event cannot be written as JSON.
pub fn timed_line(event: &impl Serialize) -> Result<String> {
    #[derive(Serialize)]
    struct Line<'a, T> {
        /// Seconds since 1970.
        time: f64,
        #[serde(flatten)]
        event: &'a T,
    }
    let line = Line { time: clock::seconds(), event };
    json::line(&line)
}

impl Log {
    /// Appends a line, or restores the complete lines before it.
    fn append(&mut self, line: &[u8]) -> std::io::Result<()> {
        if self.torn {
            self.file.set_len(self.whole)?;
            self.torn = false;
        }
        let written = self.file.write_all(line).and_then(|()| self.file.sync_data());
        match written {
            Ok(()) => self.whole += line.len() as u64,
            // If the incomplete line cannot be removed now, that is done before the next line, or at the next start.
            Err(_) => self.torn = self.file.set_len(self.whole).is_err(),
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_torn_last_line_is_removed_before_appending() {
        let folder = tempfile::tempdir().unwrap();
        let event = |row| Event { event: Kind::Started, row, seed: 1, identity: "i", reason: None };
        Ledger::open(folder.path()).unwrap().note(&event("first")).unwrap();
        let path = folder.path().join(LEDGER_FILE);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"time\":17");
        std::fs::write(&path, text).unwrap();
        Ledger::open(folder.path()).unwrap().note(&event("second")).unwrap();
        assert_eq!(rows(&path), ["first", "second"]);
    }

    fn rows(path: &Path) -> Vec<String> {
        let text = std::fs::read_to_string(path).unwrap();
        let row = |line| {
            serde_json::from_str::<serde_json::Value>(line).unwrap()["row"].as_str().unwrap().to_string()
        };
        text.lines().map(row).collect()
    }

    #[test]
    fn what_was_noted_is_read_and_a_line_that_is_being_written_is_not() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
        let event = Event { event: Kind::Paused, row: "r", seed: 7, identity: "i", reason: Some("step 3") };
        Ledger::open(folder.path()).unwrap().note(&event).unwrap();
        let path = folder.path().join(LEDGER_FILE);
        let mut text = std::fs::read_to_string(&path).unwrap();
        text.push_str("{\"time\":17");
        std::fs::write(&path, text).unwrap();
        let entries = read(folder.path()).unwrap();
        assert_eq!(entries.len(), 1);
        let Entry { event, row, seed, identity, reason, .. } = &entries[0];
        assert_eq!((*event, row.as_str(), *seed, identity.as_str()), (Kind::Paused, "r", 7, "i"));
        assert_eq!(reason.as_deref(), Some("step 3"));
    }

    #[test]
    fn cut_anywhere_the_ledger_keeps_its_whole_lines() {
        let folder = tempfile::tempdir().unwrap();
        let event = |row| Event { event: Kind::Started, row, seed: 1, identity: "i", reason: None };
        let ledger = Ledger::open(folder.path()).unwrap();
        ["first", "second"].iter().for_each(|row| ledger.note(&event(row)).unwrap());
        let path = folder.path().join(LEDGER_FILE);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..=bytes.len() {
            std::fs::write(&path, &bytes[..length]).unwrap();
            Ledger::open(folder.path()).unwrap().note(&event("third")).unwrap();
            let whole = bytes[..length].iter().filter(|&&byte| byte == b'\n').count();
            assert_eq!(rows(&path), [&["first", "second"][..whole], &["third"]].concat(), "cut to {length}");
        }
    }

    #[test]
    fn a_line_torn_by_an_error_is_gone_before_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let event = |row| Event { event: Kind::Started, row, seed: 1, identity: "i", reason: None };
        let ledger = Ledger::open(folder.path()).unwrap();
        ledger.note(&event("first")).unwrap();
        {
            let mut log = ledger.log.lock().unwrap();
            log.file.write_all(b"{\"time\":17").unwrap();
            log.torn = true;
        }
        ledger.note(&event("second")).unwrap();
        assert_eq!(rows(&folder.path().join(LEDGER_FILE)), ["first", "second"]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_full_disk_costs_the_line_and_not_the_sweep() {
        let file = File::options().append(true).open("/dev/full").unwrap();
        let ledger =
            Ledger { path: "ledger.jsonl".into(), log: Mutex::new(Log { file, whole: 0, torn: false }) };
        let event = Event { event: Kind::Finished, row: "base", seed: 1, identity: "i", reason: None };
        ledger.note(&event).unwrap();
        let log = ledger.log.lock().unwrap();
        assert_eq!((log.whole, log.torn), (0, true));
    }
}
