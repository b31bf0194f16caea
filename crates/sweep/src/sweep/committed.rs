//! `--reuse-records`: records of earlier runs (`records.jsonl`) stand for trials, which are then not trained again.

use crate::config::{Experiment, configuration_hash, identity};
use crate::error::{Error, Result};
use crate::results::record::{Record, Seal};
use crate::{files, folders};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The file of records in a sweep's directory.
pub const RECORDS_FILE: &str = "records.jsonl";
/// Depth to which directories are searched: `results/` itself and `results/<sweep>/`.
const DEPTH: usize = 2;

/// Records by the identity of their trials.
#[derive(Debug, Default)]
pub struct CommittedRecords {
    by_identity: BTreeMap<String, Committed>,
    /// Number of records of another version of the format or of the results, which belong to no trial of this version.
    of_other_versions: usize,
}

/// A record with its file and line.
#[derive(Debug, Clone, PartialEq)]
pub struct Committed {
    pub record: Record,
    pub file: PathBuf,
    /// The number of the line, from 1.
    pub line: usize,
}

impl Committed {
    /// Returns the place as text: `results/demo/records.jsonl:3`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }

    /// Returns the record under the label of `row`.
    pub fn under(&self, row: &str) -> Record {
        Record { label: row.to_string(), ..self.record.clone() }
    }
}

impl CommittedRecords {
    /// Reads files of records, and every `records.jsonl` below directories. Of several records of one trial, the first
    /// counts.
    ///
    /// # Errors
    /// A user error for a path without records, for a line that is no record, for a wrong checksum, for a missing
    /// checksum in a record of this version, and for an identity that does not belong to the record's configuration,
    /// seed and data.
    pub fn read(paths: &[PathBuf]) -> Result<Self> {
        let mut records = CommittedRecords::default();
        for path in paths {
            if !path.exists() {
                return Err(Error::user(format!(
                    "--reuse-records {}: there is no such file or folder; expected a {RECORDS_FILE}, or a folder with \
                     one in it or in the folders below, such as results/demo",
                    path.display()
                )));
            }
            let mut found = Vec::new();
            match path.is_dir() {
                true => search(path, DEPTH, &mut found)?,
                false => found.push(path.clone()),
            }
            if found.is_empty() {
                return Err(Error::user(format!(
                    "--reuse-records {}: there is no {RECORDS_FILE} in it or in the directories below",
                    path.display()
                )));
            }
            found.iter().try_for_each(|file| records.add(file))?;
        }
        Ok(records)
    }

    /// Returns the record of the trial with this identity.
    pub fn of(&self, identity: &str) -> Option<&Committed> {
        self.by_identity.get(identity)
    }

    /// Returns a record of the trial with this experiment, whose corpus is not prepared here. Only the record itself
    /// states that its text is the recipe's.
    pub fn of_unprepared(&self, experiment: &Experiment) -> Option<&Committed> {
        let hash = configuration_hash(experiment);
        self.by_identity.values().find(|Committed { record, .. }| {
            record.configuration_hash == hash
                && record.identity == identity(experiment, &record.data.fingerprint)
        })
    }

    /// Whether no records were named.
    pub fn is_empty(&self) -> bool {
        self.by_identity.is_empty() && self.of_other_versions == 0
    }

    /// Returns a note on records that stand for no trial of a sweep, if there are any; `used` of them stand for one.
    pub fn note(&self, used: usize) -> Option<String> {
        let others = self.of_other_versions;
        let old = match others {
            0 => String::new(),
            1 => "; one more is of another version of ablate".to_string(),
            _ => format!("; {others} more are of other versions of ablate"),
        };
        match self.by_identity.len() {
            _ if self.is_empty() => None,
            read if used == 0 => Some(format!(
                "--reuse-records: none of {read} records stands for a trial of this sweep, that is, for one with the same \
                 settings, seed and data that has no finished run of its own{old}"
            )),
            _ if others == 0 => None,
            read => {
                Some(format!("--reuse-records: {used} of {read} records stand for trials of this sweep{old}"))
            }
        }
    }

    fn add(&mut self, file: &Path) -> Result<()> {
        for (index, text) in files::read_to_string(file)?.lines().enumerate() {
            if text.trim().is_empty() {
                continue;
            }
            let line = index + 1;
            let wrong = |why: String| {
                Error::user(format!(
                    "--reuse-records {}:{line}: {why}; use the file as a sweep wrote it",
                    file.display()
                ))
            };
            let (record, seal) =
                Record::from_line(text).map_err(|error| wrong(format!("not a record ({error})")))?;
            if seal == Seal::Broken {
                return Err(wrong("the record was changed: its checksum is wrong".into()));
            }
            // A record of another version of the format or of the results belongs to no trial of this version.
            let experiment = serde_json::from_value::<Experiment>(record.configuration.clone()).ok();
            let is_of_today =
                |experiment: &Experiment| configuration_hash(experiment) == record.configuration_hash;
            let Some(experiment) = experiment.filter(is_of_today) else {
                self.of_other_versions += 1;
                continue;
            };
            if identity(&experiment, &record.data.fingerprint) != record.identity
                || experiment.training.seed != record.seed
            {
                return Err(wrong("its identity is not that of its configuration, seed and data".into()));
            }
            if seal == Seal::Absent {
                return Err(Error::user(format!(
                    "--reuse-records {}:{line}: the record has no checksum, so that nothing tells whether it is as a sweep \
                     wrote it; where its runs still are, `ablate table` writes the file anew, else leave it out and train \
                     again",
                    file.display()
                )));
            }
            let committed = Committed { file: file.to_path_buf(), line, record };
            self.by_identity.entry(committed.record.identity.clone()).or_insert(committed);
        }
        Ok(())
    }
}

/// Adds every `records.jsonl` in a directory and below it, down to `depth`, in the order of the paths.
fn search(directory: &Path, depth: usize, found: &mut Vec<PathBuf>) -> Result<()> {
    let file = directory.join(RECORDS_FILE);
    if file.is_file() {
        found.push(file);
    }
    if depth > 0 {
        let mut below = folders::list(directory)?;
        below.retain(|path| path.is_dir());
        below.iter().try_for_each(|path| search(path, depth - 1, found))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed records of the demo.
    fn demo() -> (PathBuf, Vec<String>) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/demo");
        let text = std::fs::read_to_string(folder.join(RECORDS_FILE)).unwrap();
        (folder, text.lines().map(str::to_string).collect())
    }

    /// Sound records of today's version: those of the demo with the hashes that they have today.
    fn file(folder: &Path, change: impl Fn(&mut Record)) -> PathBuf {
        let mut lines = String::new();
        for line in demo().1 {
            let (mut record, _) = Record::from_line(&line).unwrap();
            let experiment: Experiment = serde_json::from_value(record.configuration.clone()).unwrap();
            record.configuration_hash = configuration_hash(&experiment);
            record.identity = identity(&experiment, &record.data.fingerprint);
            change(&mut record);
            lines += &(record.to_line().unwrap() + "\n");
        }
        let path = folder.join(RECORDS_FILE);
        std::fs::write(&path, lines).unwrap();
        path
    }

    #[test]
    fn records_are_found_by_their_identity_in_files_and_below_directories() {
        let folder = tempfile::tempdir().unwrap();
        let path = file(folder.path(), |_| ());
        let by_file = CommittedRecords::read(std::slice::from_ref(&path)).unwrap();
        assert_eq!(by_file.by_identity.len(), demo().1.len());
        let (identity, committed) = by_file.by_identity.first_key_value().unwrap();
        assert_eq!(by_file.of(identity), Some(committed));
        assert_eq!(by_file.of("0123"), None);
        assert!(by_file.note(0).unwrap().contains("none of 6 records stands for a trial of this sweep"));
        assert_eq!(by_file.note(1), None);
        let below = CommittedRecords::read(&[folder.path().to_path_buf()]).unwrap();
        assert_eq!(below.by_identity, by_file.by_identity);
        let renamed = committed.under("other");
        assert_eq!((renamed.label.as_str(), &renamed.metrics), ("other", &committed.record.metrics));
    }

    #[test]
    fn a_record_that_is_not_what_it_says_is_refused_and_one_of_another_version_passed_over() {
        let folder = tempfile::tempdir().unwrap();
        let refused = |change: fn(&mut Record)| {
            CommittedRecords::read(&[file(folder.path(), change)]).unwrap_err().to_string()
        };
        assert!(refused(|record| record.identity = "0".repeat(64)).contains("records.jsonl:1: its identity"));
        assert!(refused(|record| record.seed += 7).contains("its identity"));
        assert!(refused(|record| record.data.fingerprint = "f".into()).contains("its identity"));
        let other = file(folder.path(), |record| record.configuration_hash = "c".into());
        let old = CommittedRecords::read(&[other]).unwrap();
        assert!(old.by_identity.is_empty() && !old.is_empty());
        assert!(
            old.note(0).unwrap().contains("; 6 more are of other versions of ablate"),
            "{:?}",
            old.note(0)
        );
        assert_eq!(CommittedRecords::default().note(0), None);
        let cut = folder.path().join(RECORDS_FILE);
        std::fs::write(&cut, &demo().1[0][..100]).unwrap();
        let error = CommittedRecords::read(&[cut]).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("not a record"), "{error}");

        let sound = std::fs::read_to_string(file(folder.path(), |_| ())).unwrap();
        let with = |text: String| {
            std::fs::write(folder.path().join(RECORDS_FILE), text).unwrap();
            CommittedRecords::read(&[folder.path().to_path_buf()])
        };
        let score = sound.split("\"test/bleu\":").nth(1).unwrap().split(',').next().unwrap();
        let error =
            with(sound.replacen(&format!("\"test/bleu\":{score}"), "\"test/bleu\":99.9", 1)).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("records.jsonl:1: the record was changed"), "{error}");
        let bare = |line: &str| {
            let mut value: serde_json::Value = serde_json::from_str(line).unwrap();
            value.as_object_mut().unwrap().remove("checksum").unwrap();
            value.to_string()
        };
        let lines: Vec<&str> = sound.lines().collect();
        let error = with(format!("{}\n{}\n", lines[0], bare(lines[1]))).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("records.jsonl:2: the record has no checksum"), "{error}");
        // One of another version is of no trial of today, with a checksum or without.
        let other =
            std::fs::read_to_string(file(folder.path(), |record| record.configuration_hash = "c".into()));
        let bare: Vec<String> = other.unwrap().lines().map(bare).collect();
        assert!(with(bare.join("\n")).unwrap().by_identity.is_empty());
        let empty = tempfile::tempdir().unwrap();
        let error = CommittedRecords::read(&[empty.path().to_path_buf()]).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("there is no records.jsonl"), "{error}");
    }
}
