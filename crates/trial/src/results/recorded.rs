//! The files of a finished run whose checksums are in its record.
//!
//! Curves, reports and TensorBoard read these files only after a comparison, so that only data that the run wrote is
//! shown. Times are not among them: they differ between equal runs.

use super::attention_file::ATTENTION_FILE;
use super::positions_file::POSITIONS_FILE;
use super::record::{RECORD_FILE, Record};
use crate::error::{Error, Result};
use crate::files;
use crate::telemetry::projector::{PROJECTOR_CONFIG, PROJECTOR_LABELS, PROJECTOR_VECTORS};
use crate::telemetry::{METRICS_FILE, VIEWS_FILE};
use crate::train::checkpoint_files::{CHECKPOINTS, latest_step};
use std::collections::BTreeMap;
use std::path::Path;

/// The files shown beside a run's scores and translations. A run has those files that its `[run]` section requests.
pub const SHOWN_FILES: [&str; 7] = [
    METRICS_FILE,
    VIEWS_FILE,
    ATTENTION_FILE,
    POSITIONS_FILE,
    PROJECTOR_VECTORS,
    PROJECTOR_LABELS,
    PROJECTOR_CONFIG,
];

/// Returns the blake3 hash of each of [`SHOWN_FILES`] in a run directory, by its path there.
pub fn checksums(run_dir: &Path) -> Result<BTreeMap<String, String>> {
    let mut checksums = BTreeMap::new();
    for file in SHOWN_FILES {
        if let Some(bytes) = files::read_if_exists(&run_dir.join(file))? {
            checksums.insert(file.to_string(), checksum(&bytes));
        }
    }
    Ok(checksums)
}

fn checksum(bytes: &[u8]) -> String {
    blake3::hash(bytes).to_hex().to_string()
}

/// The result of comparing a file with a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileState {
    /// The file is as the run wrote it, or the run has no such file.
    AsRecorded,
    /// The file differs; the text says how.
    Differs(String),
    /// The record is too old to have the file's checksum.
    NotCovered,
}

impl Record {
    /// Whether the record has the checksums of [`SHOWN_FILES`]; false for records from before 2026-11-28.
    pub fn covers_shown_files(&self) -> bool {
        self.checksums.contains_key(METRICS_FILE)
    }

    /// Compares a file with the checksum that the record has for it under `name`.
    ///
    /// # Errors
    /// If the file exists and cannot be read.
    pub fn file_state(&self, name: &str, path: &Path) -> Result<FileState> {
        let differs = |why: &str| Ok(FileState::Differs(why.to_string()));
        match (self.checksums.get(name), files::read_if_exists(path)?) {
            (Some(recorded), Some(bytes)) if *recorded == checksum(&bytes) => Ok(FileState::AsRecorded),
            (Some(_), Some(_)) => differs("its content changed"),
            (Some(_), None) => differs("it is missing"),
            (None, None) if SHOWN_FILES.contains(&name) => Ok(FileState::AsRecorded),
            (None, _) if SHOWN_FILES.contains(&name) && !self.covers_shown_files() => {
                Ok(FileState::NotCovered)
            }
            (None, Some(_)) if SHOWN_FILES.contains(&name) => differs("the run wrote no such file"),
            (None, _) => differs("the record has no checksum of it"),
        }
    }

    /// Refuses a file of the run that differs from the record. A file that an old record does not cover passes.
    ///
    /// # Errors
    /// A failure that names the file and a remedy.
    pub fn check_file(&self, run_dir: &Path, name: &str) -> Result<()> {
        let path = run_dir.join(name);
        match self.file_state(name, &path)? {
            FileState::Differs(why) => {
                let remedy = match latest_step(&run_dir.join(CHECKPOINTS))? {
                    Some(_) => format!(
                        "remove {} and run the trial again, which goes on from its last checkpoint",
                        run_dir.join(RECORD_FILE).display()
                    ),
                    None => format!("remove {} to train it again from the start", run_dir.display()),
                };
                Err(Error::failed(format!(
                    "{} is not as recorded ({why}); put the file back as the run wrote it, or {remedy}",
                    path.display()
                )))
            }
            _ => Ok(()),
        }
    }

    /// Refuses a run if one of its [`SHOWN_FILES`] differs from the record.
    ///
    /// # Errors
    /// The same as for [`check_file`](Self::check_file).
    pub fn check_shown_files(&self, run_dir: &Path) -> Result<()> {
        SHOWN_FILES.iter().try_for_each(|name| self.check_file(run_dir, name))
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::record;
    use super::*;
    use std::fs;

    fn run() -> (tempfile::TempDir, Record) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(METRICS_FILE), "step,tag,value\n1,dev/perplexity,9.5\n").unwrap();
        fs::write(folder.path().join(ATTENTION_FILE), "{}").unwrap();
        let record = Record { checksums: checksums(folder.path()).unwrap(), ..record() };
        (folder, record)
    }

    #[test]
    fn files_are_as_recorded_until_they_change_go_or_come() {
        let (folder, record) = run();
        let run = folder.path();
        assert_eq!(record.checksums.keys().collect::<Vec<_>>(), [ATTENTION_FILE, METRICS_FILE]);
        record.check_shown_files(run).unwrap();
        let refused = |name: &str| {
            let error = record.check_shown_files(run).unwrap_err();
            assert_eq!(error.exit_code(), 1);
            let expected = format!("{} is not as recorded", run.join(name).display());
            assert!(error.to_string().starts_with(&expected), "{error}");
            error.to_string()
        };
        fs::write(run.join(METRICS_FILE), "step,tag,value\n1,dev/perplexity,1.5\n").unwrap();
        // `ablate clean` removes the states of a finished run.
        assert!(refused(METRICS_FILE).contains("its content changed"));
        assert!(
            refused(METRICS_FILE)
                .ends_with(&format!("remove {} to train it again from the start", run.display()))
        );
        fs::create_dir(run.join(CHECKPOINTS)).unwrap();
        fs::write(run.join(CHECKPOINTS).join("step-00000007.state.safetensors"), "").unwrap();
        assert!(refused(METRICS_FILE).contains("record.json and run the trial again, which goes on"));
        fs::remove_file(run.join(METRICS_FILE)).unwrap();
        assert!(refused(METRICS_FILE).contains("it is missing"));
        fs::write(run.join(METRICS_FILE), "step,tag,value\n1,dev/perplexity,9.5\n").unwrap();
        record.check_shown_files(run).unwrap();
        fs::write(run.join(POSITIONS_FILE), "{}").unwrap();
        assert!(refused(POSITIONS_FILE).contains("the run wrote no such file"));
    }

    #[test]
    fn what_an_old_record_does_not_cover_passes_and_is_told_apart() {
        let (folder, record) = run();
        let old = Record { checksums: BTreeMap::new(), ..record };
        assert!(!old.covers_shown_files());
        old.check_shown_files(folder.path()).unwrap();
        let state = |name: &str| old.file_state(name, &folder.path().join(name)).unwrap();
        assert_eq!(state(METRICS_FILE), FileState::NotCovered);
        assert_eq!(state(POSITIONS_FILE), FileState::AsRecorded, "there is nothing to show");
        // Every record has checksums of weights and translations.
        assert_eq!(state("weights"), FileState::Differs("the record has no checksum of it".into()));
    }
}
