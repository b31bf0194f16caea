//! `ledger.jsonl`: what happened in a sweep, one event a line, appended as it happens.
//!
//! A log for people and tools that watch; the run directories are the truth.

use crate::error::{Error, Result};
use serde::Serialize;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The name of the file in a sweep's directory.
pub const LEDGER_FILE: &str = "ledger.jsonl";

/// Something that happened to a trial.
#[derive(Debug, Serialize)]
pub struct Event<'a> {
    pub event: Kind,
    pub row: &'a str,
    pub seed: u64,
    pub identity: &'a str,
    /// Why it failed, or how it was stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<&'a str>,
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    Started,
    Finished,
    Failed,
    Stopped,
    /// A finished run elsewhere was taken over, or its training.
    Reused,
    /// Waits for halving to let it go on.
    Paused,
    /// Failed, and will be tried again.
    Retried,
    /// A run with other settings stood in the trial's place and was moved away.
    Superseded,
}

/// Appends events; may be shared by threads.
#[derive(Debug)]
pub struct Ledger {
    path: PathBuf,
    file: Mutex<File>,
}

impl Ledger {
    /// Opens or creates the ledger. A last line that a crash cut off is removed first.
    pub fn open(sweep_dir: &Path) -> Result<Self> {
        let path = sweep_dir.join(LEDGER_FILE);
        let io = |action| Error::io(action, &path);
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(io("open"))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes).map_err(io("read"))?;
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        file.set_len(whole as u64).map_err(io("shorten"))?;
        file.seek(SeekFrom::End(0)).map_err(io("write"))?;
        Ok(Ledger { path, file: Mutex::new(file) })
    }

    /// Appends one line with the time, and has it on the disk when this returns.
    pub fn note(&self, event: &Event) -> Result<()> {
        #[derive(Serialize)]
        struct Line<'a> {
            /// Seconds since 1970.
            time: f64,
            #[serde(flatten)]
            event: &'a Event<'a>,
        }
        let time = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |elapsed| elapsed.as_secs_f64());
        let mut line =
            serde_json::to_string(&Line { time, event }).map_err(|e| Error::failed(e.to_string()))?;
        line.push('\n');
        let mut file = self.file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        file.write_all(line.as_bytes())
            .and_then(|()| file.sync_data())
            .map_err(Error::io("write", &self.path))
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
        let text = std::fs::read_to_string(&path).unwrap();
        let rows: Vec<String> = text
            .lines()
            .map(|line| {
                serde_json::from_str::<serde_json::Value>(line).unwrap()["row"].as_str().unwrap().to_string()
            })
            .collect();
        assert_eq!(rows, ["first", "second"]);
    }
}
