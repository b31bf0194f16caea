//! `sentence_counts.jsonl.gz` of a sweep, beside its `records.jsonl`: the per-sentence counts of BLEU or F1, so that
//! rows can be compared if their translations no longer exist or the text may not be published.
//!
//! A line has the counts of one score of one trial. It is used only for the record of the same translations: the
//! checksum of the translations must agree, and the sums must give the exact score of the record.

use super::committed::{Committed, RECORDS_FILE};
use super::record_file;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::experiment::run_paths::hypotheses_file;
use crate::files;
use crate::results::metric::tag;
use crate::results::record::Record;
use crate::score::{Counts, Metric};
use flate2::Compression;
use flate2::read::MultiGzDecoder;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

/// The name of the file in a sweep's directory.
pub const COUNTS_FILE: &str = "sentence_counts.jsonl.gz";

/// One line of the file: the counts of a score in the translations of one trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SentenceCounts {
    pub label: String,
    pub seed: u64,
    pub identity: String,
    /// The tag of the score, which is the column that is tested: `test/bleu`.
    pub score: String,
    /// blake3 hash of the file of translations.
    pub hypotheses: String,
    /// A row for each sentence. For BLEU: matches of n-grams of one to four tokens, numbers of n-grams of each length,
    /// and numbers of tokens of translation and reference.
    pub counts: Counts,
}

impl SentenceCounts {
    /// Returns the line for a record's own translations.
    pub fn of(record: &Record, split: Split, score: &str, counts: Counts) -> SentenceCounts {
        SentenceCounts {
            label: record.label.clone(),
            seed: record.seed,
            identity: record.identity.clone(),
            score: tag(split.name(), score),
            hypotheses: record.checksums.get(&hypotheses_file(split)).cloned().unwrap_or_default(),
            counts,
        }
    }
}

/// The counts beside committed records, by identity and score.
#[derive(Debug, Default)]
pub struct CommittedCounts {
    known: BTreeMap<(String, String), SentenceCounts>,
    /// Files that cannot be read, with the reasons.
    damaged: Vec<String>,
}

impl CommittedCounts {
    /// Reads the files beside the record files.
    pub fn beside<'a>(records: impl Iterator<Item = &'a Committed>) -> CommittedCounts {
        let mut folders: Vec<&Path> = records.filter_map(|committed| committed.file.parent()).collect();
        folders.sort();
        folders.dedup();
        let mut found = CommittedCounts::default();
        for folder in folders {
            match read(folder) {
                Ok(lines) => lines.into_iter().for_each(|line| {
                    found.known.entry((line.identity.clone(), line.score.clone())).or_insert(line);
                }),
                Err(error) => found.damaged.push(error.to_string()),
            }
        }
        found
    }

    /// Returns the counts of a record's translations under the record's own label, or the reason why there are none.
    pub fn of(
        &self,
        record: &Record,
        split: Split,
        score: &str,
        metric: &dyn Metric,
    ) -> std::result::Result<SentenceCounts, String> {
        let column = tag(split.name(), score);
        let Some(found) = self.known.get(&(record.identity.clone(), column.clone())) else {
            return Err(self.damaged.first().cloned().unwrap_or_else(|| {
                format!(
                    "committed records come without the translations that a test needs, and no {COUNTS_FILE} beside them has \
                     their counts"
                )
            }));
        };
        let own = SentenceCounts::of(record, split, score, found.counts.clone());
        let is_of_record = found.hypotheses == own.hypotheses
            && record.metrics.get(&column) == Some(&metric.score(&found.counts.sum()));
        match is_of_record {
            true => Ok(own),
            false => Err(format!(
                "{COUNTS_FILE} counts other {column} translations of {} seed {} than those of its committed record",
                record.label, record.seed
            )),
        }
    }
}

/// Writes counts into the sweep's file, in the order of its records, whose own file is written before. Earlier counts
/// stay as long as their record does. If a line of the records cannot be read, all counts stay, because they may belong
/// to it.
///
/// # Errors
/// If a file cannot be read or written.
pub fn update(sweep_dir: &Path, new: &[SentenceCounts]) -> Result<()> {
    let before = read(sweep_dir)?;
    let mut by_trial: BTreeMap<&str, BTreeMap<&str, &SentenceCounts>> = BTreeMap::new();
    for counts in before.iter().chain(new) {
        by_trial.entry(&counts.identity).or_default().insert(&counts.score, counts);
    }
    let records = files::read_if_exists(&sweep_dir.join(RECORDS_FILE))?.unwrap_or_default();
    let (mut lines, mut known, mut unreadable) = (Vec::new(), BTreeSet::new(), false);
    for line in record_file::lines(&records) {
        let Ok(record) = line.record else {
            unreadable = true;
            continue;
        };
        for &counts in by_trial.get(record.identity.as_str()).into_iter().flat_map(BTreeMap::values) {
            lines.push(SentenceCounts { label: record.label.clone(), ..counts.clone() });
        }
        known.insert(record.identity);
    }
    if unreadable {
        let others = by_trial.iter().filter(|(identity, _)| !known.contains(**identity));
        lines.extend(others.flat_map(|(_, counts)| counts.values().copied().cloned()));
    }
    match lines == before {
        true => Ok(()),
        false => files::write_atomically(&path_in(sweep_dir), &packed(&lines)?),
    }
}

fn path_in(folder: &Path) -> PathBuf {
    folder.join(COUNTS_FILE)
}

/// Reads the lines of a folder's file; empty if there is no file.
fn read(folder: &Path) -> Result<Vec<SentenceCounts>> {
    let path = path_in(folder);
    let Some(bytes) = files::read_if_exists(&path)? else { return Ok(Vec::new()) };
    let damaged = |why: String| {
        Error::failed(format!(
            "{} is damaged ({why}); put it back as the sweep wrote it, or remove it: `ablate table` writes the counts of all \
             runs that are still there",
            path.display()
        ))
    };
    let mut text = String::new();
    MultiGzDecoder::new(&bytes[..]).read_to_string(&mut text).map_err(|error| damaged(error.to_string()))?;
    let line = |(index, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|error| damaged(format!("line {}: {error}", index + 1)))
    };
    text.lines().enumerate().map(line).collect()
}

/// Compresses lines. Equal lines always give equal bytes: no time is written.
fn packed(lines: &[SentenceCounts]) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| Error::failed(format!("cannot write {COUNTS_FILE}: {error}"));
    let mut out = GzEncoder::new(Vec::new(), Compression::best());
    for line in lines {
        serde_json::to_writer(&mut out, line).map_err(|error| failed(error.into()))?;
        out.write_all(b"\n").map_err(failed)?;
    }
    out.finish().map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::metric::BLEU;
    use crate::score::BleuConfig;

    /// The first committed record of the demo, as if it had two sentences, one of them wrong.
    fn record() -> (Record, Counts) {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/demo");
        let text = std::fs::read_to_string(folder.join(RECORDS_FILE)).unwrap();
        let (mut record, _) = Record::from_line(text.lines().next().unwrap()).unwrap();
        let lines = ["a b c d e".to_string(), "f g h i j k".to_string()];
        let references = vec![lines[0].clone(), "f g h i j l".to_string()];
        let counts = BleuConfig::default().counts(&lines, &[references]).unwrap();
        record.metrics.insert("test/bleu".into(), BleuConfig::default().score(&counts.sum()));
        (record, counts)
    }

    fn committed(folder: &Path, record: &Record) -> Committed {
        std::fs::write(folder.join(RECORDS_FILE), record.to_line().unwrap() + "\n").unwrap();
        Committed { record: record.clone(), file: folder.join(RECORDS_FILE), line: 1 }
    }

    #[test]
    fn counts_come_back_for_the_record_whose_translations_they_count_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (record, counts) = record();
        let committed = committed(folder.path(), &record);
        let written = SentenceCounts::of(&record, Split::Test, BLEU, counts);
        update(folder.path(), std::slice::from_ref(&written)).unwrap();
        let bytes = std::fs::read(path_in(folder.path())).unwrap();
        let kept = CommittedCounts::beside([&committed, &committed].into_iter());
        let of = |record: &Record| kept.of(record, Split::Test, BLEU, &BleuConfig::default());
        assert_eq!(of(&record), Ok(written.clone()));
        let renamed = Record { label: "other".into(), ..record.clone() };
        assert_eq!(of(&renamed), Ok(SentenceCounts { label: "other".into(), ..written.clone() }));

        let mut other = record.clone();
        other.checksums.insert(hypotheses_file(Split::Test), "0".repeat(64));
        assert!(of(&other).unwrap_err().contains("counts other test/bleu translations of base seed 1"));
        let mut other = record.clone();
        *other.metrics.get_mut("test/bleu").unwrap() += 1e-12;
        assert!(of(&other).unwrap_err().contains("counts other test/bleu translations of base seed 1"));
        let other = Record { identity: "0".repeat(64), ..record.clone() };
        assert!(of(&other).unwrap_err().contains("come without the translations"));

        // A line that cannot be read may be the record of these counts.
        std::fs::write(folder.path().join(RECORDS_FILE), "cut").unwrap();
        update(folder.path(), &[]).unwrap();
        assert_eq!(read(folder.path()).unwrap(), [written]);
        std::fs::write(folder.path().join(RECORDS_FILE), record.to_line().unwrap()).unwrap();

        // Without runs nothing changes; without the record its counts are removed.
        update(folder.path(), &[]).unwrap();
        assert_eq!(std::fs::read(path_in(folder.path())).unwrap(), bytes);
        std::fs::write(folder.path().join(RECORDS_FILE), other.to_line().unwrap()).unwrap();
        update(folder.path(), &[]).unwrap();
        assert_eq!(read(folder.path()).unwrap(), []);
    }

    #[test]
    fn a_damaged_file_is_named_and_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (record, counts) = record();
        let committed = committed(folder.path(), &record);
        let counts = [SentenceCounts::of(&record, Split::Test, BLEU, counts)];
        update(folder.path(), &counts).unwrap();
        let bytes = std::fs::read(path_in(folder.path())).unwrap();
        for length in 0..bytes.len() {
            std::fs::write(path_in(folder.path()), &bytes[..length]).unwrap();
            let error = update(folder.path(), &counts).unwrap_err();
            assert!(error.to_string().contains("sentence_counts.jsonl.gz is damaged"), "{length}: {error}");
            let kept = CommittedCounts::beside(std::iter::once(&committed));
            let error = kept.of(&record, Split::Test, BLEU, &BleuConfig::default()).unwrap_err();
            assert!(error.contains("sentence_counts.jsonl.gz is damaged"), "{length}: {error}");
        }
        let text = serde_json::to_string(&counts[0]).unwrap().replacen("]]", ",1]]", 1);
        let mut out = GzEncoder::new(Vec::new(), Compression::fast());
        out.write_all(text.as_bytes()).unwrap();
        std::fs::write(path_in(folder.path()), out.finish().unwrap()).unwrap();
        assert!(read(folder.path()).unwrap_err().to_string().contains("line 1: "));
    }
}
