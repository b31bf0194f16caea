//! `records.jsonl` of a sweep: one record per line, in the order of the sweep's trials.
//!
//! A record in the file may be the only evidence of a run. It stays until a new record of its row and seed replaces it.
//! A record of another trial that leaves the file goes to the same file among the superseded runs. A line that is no
//! record stays as it is, and is reported.

use super::committed::RECORDS_FILE;
use super::place::superseded;
use super::trial::Trial;
use crate::error::Result;
use crate::files;
use crate::results::record::Record;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The content of a new file.
#[derive(Debug, PartialEq)]
struct Merged {
    text: Vec<u8>,
    /// Lines that leave the file, of trials that the sweep no longer has.
    retired: Vec<Vec<u8>>,
    /// Messages for the user.
    notes: Vec<String>,
}

/// A line of the file.
pub struct Line<'a> {
    /// The number of the line, from 1.
    pub number: usize,
    pub text: &'a [u8],
    pub record: serde_json::Result<Record>,
}

/// Returns the lines of a file that are not blank, each with its record or the reason why it is none.
pub fn lines(file: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let lines = file.split(|&byte| byte == b'\n').enumerate();
    lines.filter(|(_, text)| !text.trim_ascii().is_empty()).map(|(index, text)| Line {
        number: index + 1,
        text,
        record: serde_json::from_slice(text),
    })
}

/// Returns row and seed of every record in the sweep's file.
pub fn labels(sweep_dir: &Path) -> Result<BTreeSet<(String, u64)>> {
    let bytes = files::read_if_exists(&sweep_dir.join(RECORDS_FILE))?.unwrap_or_default();
    let records = lines(&bytes).filter_map(|line| line.record.ok());
    Ok(records.map(|record| (record.label, record.seed)).collect())
}

/// Writes the records of the finished trials into the sweep's file, and returns messages for the user. Lines of other
/// trials stay if their row and seed are among `to_come`, which a search may still draw.
///
/// # Errors
/// If a file cannot be read or written.
pub fn update(
    sweep_dir: &Path,
    trials: &[Trial],
    records: &[Option<Record>],
    to_come: &BTreeSet<(String, u64)>,
) -> Result<Vec<String>> {
    let (path, before, merged) = merged_file(sweep_dir, trials, |number| records[number].as_ref(), to_come)?;
    let Merged { text, retired, mut notes } = merged;
    if !retired.is_empty() {
        let folder = superseded(sweep_dir);
        let archive = folder.join(RECORDS_FILE);
        files::create_shared_dir(&folder)?;
        let mut kept = files::read_if_exists(&archive)?.unwrap_or_default();
        let known: BTreeSet<Vec<u8>> = kept.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
        for line in retired.iter().filter(|line| !known.contains(*line)) {
            push_line(&mut kept, line);
        }
        files::write_atomically(&archive, &kept)?;
        notes.push(format!(
            "{}: records of other settings, or of rows and seeds that the sweep no longer has, are now in {}: {}",
            path.display(),
            archive.display(),
            retired.len()
        ));
    }
    // As long as there is no record, there is no file.
    if text != before {
        files::write_atomically(&path, &text)?;
    }
    Ok(notes)
}

/// Adds records of finished trials, by number, to the sweep's file while the sweep runs. Nothing leaves the file before
/// [`update`].
///
/// # Errors
/// If the file cannot be read or written.
pub fn add(sweep_dir: &Path, trials: &[Trial], records: &BTreeMap<usize, Record>) -> Result<()> {
    let (path, before, merged) =
        merged_file(sweep_dir, trials, |number| records.get(&number), &BTreeSet::new())?;
    let Merged { mut text, retired, .. } = merged;
    retired.iter().for_each(|line| push_line(&mut text, line));
    match text == before {
        true => Ok(()),
        false => files::write_atomically(&path, &text),
    }
}

/// Returns the path of the sweep's file, its content, and its new content with the records that `record_of` returns for
/// the numbers of trials.
fn merged_file<'a>(
    sweep_dir: &Path,
    trials: &[Trial],
    record_of: impl Fn(usize) -> Option<&'a Record>,
    to_come: &BTreeSet<(String, u64)>,
) -> Result<(PathBuf, Vec<u8>, Merged)> {
    let path = sweep_dir.join(RECORDS_FILE);
    let before = files::read_if_exists(&path)?.unwrap_or_default();
    let new = trials.iter().enumerate();
    let new: Vec<(&str, u64, Option<&Record>)> =
        new.map(|(number, trial)| (trial.row.as_str(), trial.seed, record_of(number))).collect();
    let merged = merge(&before, &new, to_come, &path)?;
    Ok((path, before, merged))
}

/// Replaces records in the content `before` by new ones of the same row and seed. Lines of other trials stay if their
/// row and seed are among `to_come`.
fn merge(
    before: &[u8],
    new: &[(&str, u64, Option<&Record>)],
    to_come: &BTreeSet<(String, u64)>,
    path: &Path,
) -> Result<Merged> {
    let mut merged = Merged { text: Vec::new(), retired: Vec::new(), notes: Vec::new() };
    let mut old: Vec<(Record, &[u8])> = Vec::new();
    let mut unreadable = Vec::new();
    for Line { number, text, record } in lines(before) {
        match record {
            Ok(record) => old.push((record, text)),
            Err(error) => {
                unreadable.push(text);
                merged.notes.push(format!(
                    "{}:{number}: not a record ({error}); the line stays as it is, at the end of the file",
                    path.display(),
                ));
            }
        }
    }
    let mut by_trial: BTreeMap<_, Vec<(&Record, &[u8])>> = BTreeMap::new();
    for (record, line) in &old {
        by_trial.entry((record.label.as_str(), record.seed)).or_default().push((record, line));
    }
    for &(row, seed, record) in new {
        let own = by_trial.remove(&(row, seed)).unwrap_or_default();
        if let Some(record) = record {
            push_line(&mut merged.text, record.to_line()?.as_bytes());
            let others = own.iter().filter(|(old, _)| old.identity != record.identity);
            merged.retired.extend(others.map(|(_, line)| line.to_vec()));
        } else {
            own.into_iter().for_each(|(_, line)| push_line(&mut merged.text, line));
        }
    }
    // Lines of other trials, in the order of the file.
    for (record, line) in old.iter().filter(|(old, _)| by_trial.contains_key(&(old.label.as_str(), old.seed)))
    {
        match to_come.contains(&(record.label.clone(), record.seed)) {
            true => push_line(&mut merged.text, line),
            false => merged.retired.push(line.to_vec()),
        }
    }
    unreadable.into_iter().for_each(|line| push_line(&mut merged.text, line));
    Ok(merged)
}

fn push_line(text: &mut Vec<u8>, line: &[u8]) {
    if text.last().is_some_and(|&byte| byte != b'\n') {
        text.push(b'\n');
    }
    text.extend_from_slice(line);
    text.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The committed records of the demo.
    fn demo() -> Vec<Record> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../results/demo").join(RECORDS_FILE);
        let text = std::fs::read_to_string(path).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    fn lines(records: &[Record]) -> Vec<u8> {
        let mut text = Vec::new();
        records.iter().for_each(|record| push_line(&mut text, record.to_line().unwrap().as_bytes()));
        text
    }

    fn merged(before: &[u8], new: &[(&str, u64, Option<&Record>)]) -> Merged {
        merge(before, new, &BTreeSet::new(), Path::new("records.jsonl")).unwrap()
    }

    #[test]
    fn records_without_a_run_stay_until_their_own_trial_has_a_new_one() {
        let all = demo();
        let trials: Vec<_> = all.iter().map(|record| (record.label.clone(), record.seed)).collect();
        let new = |records: &[Option<Record>]| {
            let new: Vec<_> = trials
                .iter()
                .zip(records)
                .map(|((row, seed), record)| (row.as_str(), *seed, record.as_ref()))
                .collect();
            merged(&lines(&all), &new)
        };
        let none = vec![None; all.len()];
        assert_eq!(new(&none), Merged { text: lines(&all), retired: vec![], notes: vec![] });

        let again = Record { steps: all[0].steps + 1, ..all[0].clone() };
        let mut found = none.clone();
        found[0] = Some(again.clone());
        let expected = [&[again], &all[1..]].concat();
        assert_eq!(new(&found), Merged { text: lines(&expected), retired: vec![], notes: vec![] });

        let other = Record { identity: "0".repeat(64), ..all[0].clone() };
        found[0] = Some(other.clone());
        let after = new(&found);
        assert_eq!(after.text, lines(&[&[other], &all[1..]].concat()));
        assert_eq!(after.retired, [all[0].to_line().unwrap().into_bytes()]);
    }

    #[test]
    fn records_of_rows_that_the_sweep_no_longer_has_are_retired_and_unreadable_lines_stay() {
        let all = demo();
        let mut before = b"not a record\n\n".to_vec();
        before.extend(lines(&all[..2]));
        // The last line may have no line end.
        before.extend(b"{\"cut\":");
        let first = &all[0];
        let after = merged(&before, &[(&first.label, first.seed, None)]);
        let mut text = lines(&all[..1]);
        text.extend(b"not a record\n{\"cut\":\n");
        assert_eq!(after.text, text);
        assert_eq!(after.retired, [all[1].to_line().unwrap().into_bytes()]);
        assert_eq!(after.notes.len(), 2);
        assert!(after.notes[0].starts_with("records.jsonl:1: not a record"), "{:?}", after.notes);
        assert!(after.notes[1].starts_with("records.jsonl:5: not a record"), "{:?}", after.notes);
    }
}
