//! The record of a finished trial: `record.json`, deterministic, written once.

use crate::error::{Error, Result};
use crate::files;
use crate::json;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;

/// The name of the file in a run directory; a run is finished if it is there and verifies.
pub const RECORD_FILE: &str = "record.json";
/// The reason of the last attempt's failure, beside the logs; removed when the trial finishes.
pub const FAILURE_FILE: &str = "failure.json";

/// Provenance and final metrics of one trial. Holds no clock times, so that equal runs have equal records.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Hash of everything that determines the result; see `config::identity`.
    pub identity: String,
    /// Hash of everything that determines the training, without decoding; see `config::training_identity`. Records of
    /// result version 1 have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_identity: Option<String>,
    /// The identity without seed and data, which the seeds of a row share.
    pub configuration_hash: String,
    pub label: String,
    pub seed: u64,
    pub provenance: Provenance,
    pub data: DataRecord,
    /// Number of parameters; shared matrices count once.
    pub parameters: u64,
    /// Number of optimizer updates.
    pub steps: u64,
    /// Floating-point operations of all updates by count, forward and backward; see
    /// [`Workload`](crate::train::workload::Workload). Older records have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub training_flops: Option<f64>,
    /// Updates whose weights were averaged for the scores.
    pub averaged_steps: Vec<u64>,
    /// The final scores by tag: `dev/perplexity`, `dev/bleu`, `test/bleu`, …
    pub metrics: BTreeMap<String, f64>,
    /// The signature of BLEU, which states how it was computed.
    pub signature: String,
    /// blake3 of the scored weights' bytes, of each file under `hypotheses/`, and of the
    /// [`SHOWN_FILES`](super::recorded::SHOWN_FILES) that the run has.
    pub checksums: BTreeMap<String, String>,
    /// The resolved configuration.
    pub configuration: serde_json::Value,
}

/// The program, the machine and the device that produced a record.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of this program.
    pub ablate: String,
    /// Commit of the code, `-dirty` if sources differed from it.
    pub commit: String,
    pub libtorch: String,
    /// `cpu` or `cuda:N`.
    pub device: String,
    /// The GPU's name, or the processor's and its vector instructions: `AMD EPYC, AVX2`.
    pub device_name: String,
    pub threads: usize,
}

/// The data that a trial saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataRecord {
    pub recipe: String,
    /// Hash of the prepared content.
    pub fingerprint: String,
    /// Hash of the dev and test texts that were scored, whatever the tokens they were cut into. Records before 2026-12-02
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scored_text: Option<String>,
    /// Number of pairs from which training draws.
    pub train_pairs: usize,
    /// Number of training pairs that `data.max_train_length` left out; `None` if the key is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left_out_pairs: Option<usize>,
    pub vocabulary: usize,
}

impl DataRecord {
    /// Returns whether both trials were scored on the same dev and test texts, whatever their tokens and training texts.
    pub fn has_text_of(&self, other: &DataRecord) -> bool {
        is_one_text([&self.fingerprint, &other.fingerprint], [&self.scored_text, &other.scored_text])
    }
}

/// Returns whether data with these fingerprints, and these hashes of their dev and test texts, were scored on the same
/// texts. Equal data have equal texts, also where an older record does not state the hash.
pub fn is_one_text(fingerprints: [&str; 2], scored_texts: [&Option<String>; 2]) -> bool {
    let [ours, theirs] = scored_texts;
    fingerprints[0] == fingerprints[1] || (ours.is_some() && ours == theirs)
}

/// The failure of a trial.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Failure {
    /// The trial that failed: its failure says nothing about other settings.
    pub identity: String,
    pub kind: FailureKind,
    /// The reason in words: `diverged`, `killed by signal 9, perhaps for lack of memory`.
    pub reason: String,
    /// The message or the log's last lines.
    pub detail: String,
    /// Number of attempts in the call of the command that wrote it, this one included.
    pub attempts: u32,
}

/// The kinds of failure that `[retry]` distinguishes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FailureKind {
    /// Settings or data are wrong, so that every attempt fails.
    BadConfiguration,
    /// The training diverged: the loss is NaN or far too large.
    Diverged,
    /// Memory was not enough.
    OutOfMemory,
    /// The process was ended by a signal that the sweep did not send.
    Killed,
    /// The process or job disappeared without an exit status and without a record.
    Lost,
    /// Any other failure, such as a full disk, a damaged file or a bug.
    Failed,
}

impl FailureKind {
    /// Whether a further attempt would end the same way, because trials are functions of their settings.
    pub fn repeats(self) -> bool {
        matches!(self, FailureKind::BadConfiguration | FailureKind::Diverged)
    }
}

/// A record with the checksum over its text.
#[derive(Serialize, Deserialize)]
struct Sealed {
    /// blake3 of the record as compact JSON.
    checksum: String,
    record: Record,
}

/// A record as a line of `records.jsonl`. The checksum is that of `record.json`, under the label of the line.
#[derive(Serialize, Deserialize)]
struct SealedLine {
    #[serde(flatten)]
    record: Record,
    /// `None` in lines from before 2026-11-28.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    checksum: Option<String>,
}

/// The result of verifying the checksum in a line of `records.jsonl`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seal {
    Holds,
    /// The record is not as it was written.
    Broken,
    /// There is no checksum.
    Absent,
}

impl Record {
    /// Whether the model has translated sets and was scored for that; false for language models.
    pub fn has_translations(&self) -> bool {
        !self.signature.is_empty()
    }

    /// Tells whether a record can hold this score. JSON has no infinite numbers and no NaN, and the perplexity of very
    /// long words can overflow to infinity.
    pub fn can_hold(score: f64) -> bool {
        score.is_finite()
    }

    /// Writes `record.json` into the run directory, atomically.
    ///
    /// # Errors
    /// If a number is not finite, because the file could never be read again.
    pub fn save(&self, run_dir: &Path) -> Result<()> {
        let path = run_dir.join(RECORD_FILE);
        let flops = self.training_flops.iter().map(|flops| ("training_flops", flops));
        let mut numbers = self.metrics.iter().map(|(tag, score)| (tag.as_str(), score)).chain(flops);
        if let Some((name, number)) = numbers.find(|(_, number)| !Record::can_hold(**number)) {
            return Err(Error::failed(format!(
                "cannot write {}: {name} is {number}, and a record holds finite numbers alone",
                path.display()
            )));
        }
        let broken = |e: serde_json::Error| Error::failed(format!("cannot write {}: {e}", path.display()));
        let sealed = Sealed { checksum: self.checksum().map_err(broken)?, record: self.clone() };
        let mut text = serde_json::to_string_pretty(&sealed).map_err(broken)?;
        text.push('\n');
        files::write_atomically(&path, text.as_bytes())
    }

    /// Reads the record of a run directory; `None` if it is absent or damaged, for callers that treat both alike.
    pub fn readable(run_dir: &Path) -> Option<Record> {
        Record::load(run_dir).ok().flatten()
    }

    /// Reads the record of a run directory; `None` if the trial is not finished.
    ///
    /// # Errors
    /// If the file exists but does not verify.
    pub fn load(run_dir: &Path) -> Result<Option<Record>> {
        let path = run_dir.join(RECORD_FILE);
        let Some(bytes) = files::read_if_exists(&path)? else { return Ok(None) };
        let damaged = |why: String| Error::failed(format!("{} is damaged ({why})", path.display()));
        let sealed: Sealed = serde_json::from_slice(&bytes).map_err(|e| damaged(e.to_string()))?;
        let checksum = sealed.record.checksum().map_err(|e| damaged(e.to_string()))?;
        if checksum != sealed.checksum {
            return Err(damaged("its checksum does not fit".into()));
        }
        Ok(Some(sealed.record))
    }

    /// Returns the record as a line of JSON with a checksum, as in `records.jsonl`.
    pub fn to_line(&self) -> Result<String> {
        let checksum = self.checksum();
        let sealed = checksum.map(|checksum| SealedLine { record: self.clone(), checksum: Some(checksum) });
        let line = sealed.and_then(|sealed| serde_json::to_string(&sealed));
        line.map_err(|e| Error::failed(format!("cannot write a record: {e}")))
    }

    /// Reads the record of a line, and verifies its checksum.
    pub fn from_line(line: &str) -> serde_json::Result<(Record, Seal)> {
        let SealedLine { record, checksum } = serde_json::from_str(line)?;
        let seal = match checksum {
            None => Seal::Absent,
            Some(checksum) if checksum == record.checksum()? => Seal::Holds,
            Some(_) => Seal::Broken,
        };
        Ok((record, seal))
    }

    fn checksum(&self) -> serde_json::Result<String> {
        // serde_json restores every f64 that it writes, so the text is the same after loading.
        Ok(blake3::hash(serde_json::to_string(self)?.as_bytes()).to_hex().to_string())
    }
}

impl Failure {
    pub fn save(&self, run_dir: &Path) -> Result<()> {
        let text = json::page(self)?;
        files::write_atomically(&run_dir.join(FAILURE_FILE), text.as_bytes())
    }

    /// Reads the failure of a run directory's last attempt; `None` if it did not fail or the file is unreadable.
    pub fn load(run_dir: &Path) -> Option<Failure> {
        serde_json::from_str(&std::fs::read_to_string(run_dir.join(FAILURE_FILE)).ok()?).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::super::examples::record;
    use super::*;

    #[test]
    fn a_record_comes_back_and_a_changed_digit_is_noticed() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Record::load(folder.path()).unwrap(), None);
        record().save(folder.path()).unwrap();
        assert_eq!(Record::load(folder.path()).unwrap(), Some(record()));
        let path = folder.path().join(RECORD_FILE);
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, text.replace("27.300000000000004", "28.4")).unwrap();
        let error = Record::load(folder.path()).unwrap_err().to_string();
        assert!(error.contains("checksum"), "{error}");
    }

    #[test]
    fn a_record_with_a_number_that_is_not_finite_is_not_written() {
        let folder = tempfile::tempdir().unwrap();
        for number in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            let mut broken = record();
            broken.metrics.insert("dev/word_perplexity".into(), number);
            let error = broken.save(folder.path()).unwrap_err().to_string();
            assert!(error.contains(&format!("dev/word_perplexity is {number}")), "{error}");
            let broken = Record { training_flops: Some(number), ..record() };
            assert!(broken.save(folder.path()).unwrap_err().to_string().contains("training_flops"));
        }
        assert_eq!(Record::load(folder.path()).unwrap(), None);
    }

    #[test]
    fn a_record_cut_anywhere_is_damaged_and_no_flipped_bit_changes_it() {
        let folder = tempfile::tempdir().unwrap();
        record().save(folder.path()).unwrap();
        let path = folder.path().join(RECORD_FILE);
        let bytes = std::fs::read(&path).unwrap();
        // Without its last line end the text is still complete.
        for length in 0..bytes.len() - 1 {
            std::fs::write(&path, &bytes[..length]).unwrap();
            let error = Record::load(folder.path()).unwrap_err().to_string();
            assert!(error.contains("record.json is damaged"), "{length}: {error}");
        }
        let mut flipped = bytes.clone();
        for bit in 0..bytes.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&path, &flipped).unwrap();
            // A blank may become another kind of blank.
            match Record::load(folder.path()) {
                Ok(found) => assert_eq!(found, Some(record()), "bit {bit}"),
                Err(error) => assert_eq!(error.exit_code(), 1),
            }
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
    }

    #[test]
    fn no_cut_and_no_flipped_bit_of_a_line_passes_for_the_record() {
        let line = record().to_line().unwrap();
        assert_eq!(Record::from_line(&line).unwrap(), (record(), Seal::Holds));
        for length in 0..line.len() {
            assert!(Record::from_line(&line[..length]).is_err(), "{length}");
        }
        let mut absent = 0;
        let mut flipped = line.clone().into_bytes();
        for bit in 0..flipped.len() * 8 {
            flipped[bit / 8] ^= 1 << (bit % 8);
            match std::str::from_utf8(&flipped).map(Record::from_line) {
                // The flipped bit is in the key `checksum`: such a line is refused as one without a checksum.
                Ok(Ok((_, Seal::Absent))) => absent += 1,
                Ok(Ok((found, Seal::Holds))) => assert_eq!(found, record(), "bit {bit}"),
                _ => {}
            }
            flipped[bit / 8] ^= 1 << (bit % 8);
        }
        assert!(absent <= 8 * "checksum".len(), "{absent}");
    }

    #[test]
    fn a_failure_comes_back_and_one_that_is_cut_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let failure = Failure {
            identity: "ab12".into(),
            kind: FailureKind::Diverged,
            reason: "diverged".into(),
            detail: "step 3".into(),
            attempts: 1,
        };
        failure.save(folder.path()).unwrap();
        assert_eq!(Failure::load(folder.path()), Some(failure));
        let path = folder.path().join(FAILURE_FILE);
        let bytes = std::fs::read(&path).unwrap();
        for length in 0..bytes.len() - 1 {
            std::fs::write(&path, &bytes[..length]).unwrap();
            assert_eq!(Failure::load(folder.path()), None, "{length}");
        }
    }
}
