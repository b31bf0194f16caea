//! An index of the finished runs below a results directory by their identities, so that no trial is trained twice.

use super::record::{RECORD_FILE, Record};
use crate::files;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Most directories between the results directory and a run: `.superseded/<sweep>/<row>/seed-1`.
const DEPTH: usize = 4;

/// The finished runs of a results directory, superseded ones included.
#[derive(Debug, Default)]
pub struct Index {
    runs: BTreeMap<PathBuf, Seen>,
}

/// The identities in a record when it was last read.
#[derive(Debug)]
struct Seen {
    stamp: Stamp,
    identity: String,
    training: Option<String>,
}

/// Modification time and size, which tell versions of a file apart: records are replaced as a whole.
type Stamp = (Option<SystemTime>, u64);

impl Index {
    /// Reads every run. A record that does not verify is skipped: its own trial reports it.
    pub fn scan(results: &Path) -> Index {
        let mut index = Index::default();
        index.refresh(results);
        index
    }

    /// Scans again, and reads only the records that are new or have changed.
    pub fn refresh(&mut self, results: &Path) {
        let mut known = std::mem::take(&mut self.runs);
        self.enter(results, DEPTH, &mut known);
    }

    /// A finished run of the same trial; the first by path if there are several.
    pub fn same(&self, identity: &str) -> Option<&Path> {
        self.find(|run| run.identity == identity)
    }

    /// A finished run with the same training, perhaps with other decoding; the first by path if there are several.
    pub fn same_training(&self, training_identity: &str) -> Option<&Path> {
        self.find(|run| run.training.as_deref() == Some(training_identity))
    }

    fn find(&self, wanted: impl Fn(&Seen) -> bool) -> Option<&Path> {
        self.runs.iter().find(|(_, run)| wanted(run)).map(|(path, _)| path.as_path())
    }

    fn enter(&mut self, directory: &Path, depth: usize, known: &mut BTreeMap<PathBuf, Seen>) {
        if let Some(stamp) = stamp(&directory.join(RECORD_FILE)) {
            let run = known.remove(directory).filter(|run| run.stamp == stamp);
            if let Some(run) = run.or_else(|| read(directory, stamp)) {
                self.runs.insert(directory.to_path_buf(), run);
            }
        } else if depth > 0 {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            // A run that is being copied is not complete.
            let complete = |name: &str| files::name_of_temporary(name).is_none();
            let named = entries.filter(|entry| entry.file_name().to_str().is_none_or(complete));
            let below = named.map(|entry| entry.path()).filter(|path| path.is_dir());
            below.for_each(|path| self.enter(&path, depth - 1, known));
        }
    }
}

fn stamp(record: &Path) -> Option<Stamp> {
    let metadata = fs::metadata(record).ok().filter(fs::Metadata::is_file)?;
    Some((metadata.modified().ok(), metadata.len()))
}

fn read(run_dir: &Path, stamp: Stamp) -> Option<Seen> {
    let record = Record::readable(run_dir)?;
    Some(Seen { stamp, identity: record.identity, training: record.training_identity })
}

#[cfg(test)]
mod tests {
    use super::super::examples::record;
    use super::*;

    #[test]
    fn runs_are_found_wherever_they_are() {
        let results = tempfile::tempdir().unwrap();
        let place = |name: &str| {
            let path = results.path().join(name);
            fs::create_dir_all(&path).unwrap();
            path
        };
        let save = |name: &str, identity: &str, training: &str| {
            let mut record = record();
            record.identity = identity.into();
            record.training_identity = Some(training.into());
            record.save(&place(name)).unwrap();
        };
        save("demo/seed-1", "a", "t");
        save("sweep/row/seed-1", "b", "t");
        save(".superseded/sweep/row/seed-1-abc", "c", "u");
        fs::write(place("sweep/broken/seed-1").join(RECORD_FILE), "{").unwrap();
        let index = Index::scan(results.path());
        let found = |path: Option<&Path>| path.map(|p| p.strip_prefix(results.path()).unwrap().to_path_buf());
        assert_eq!(found(index.same("a")), Some("demo/seed-1".into()));
        assert_eq!(found(index.same("b")), Some("sweep/row/seed-1".into()));
        assert_eq!(found(index.same("c")), Some(".superseded/sweep/row/seed-1-abc".into()));
        assert_eq!(found(index.same_training("t")), Some("demo/seed-1".into()));
        assert_eq!(index.same("x"), None);

        let mut index = index;
        fs::remove_dir_all(place("demo/seed-1")).unwrap();
        save("sweep/row/seed-1", "changed", "t");
        save("sweep/row/seed-2", "new", "v");
        index.refresh(results.path());
        assert_eq!((index.same("a"), index.same("b")), (None, None));
        assert_eq!(found(index.same("changed")), Some("sweep/row/seed-1".into()));
        assert_eq!(found(index.same_training("v")), Some("sweep/row/seed-2".into()));
        assert_eq!(found(index.same("c")), Some(".superseded/sweep/row/seed-1-abc".into()));
        assert_eq!(Index::scan(&results.path().join("absent")).same("a"), None);
    }
}
