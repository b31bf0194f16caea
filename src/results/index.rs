//! Where the finished runs below a results directory are, by what they are: no trial is trained twice.

use super::record::{RECORD_FILE, Record};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Directories between the results directory and a run, at most: `.superseded/<sweep>/<row>/seed-1`.
const DEPTH: usize = 4;

/// The finished runs of a results directory, superseded ones included.
#[derive(Debug, Default)]
pub struct Index {
    by_identity: BTreeMap<String, PathBuf>,
    by_training: BTreeMap<String, PathBuf>,
}

impl Index {
    /// Looks at every run. A record that does not verify is passed over: its own trial reports it.
    pub fn scan(results: &Path) -> Index {
        let mut index = Index::default();
        index.enter(results, DEPTH);
        index
    }

    /// A finished run of this very trial.
    pub fn same(&self, identity: &str) -> Option<&Path> {
        self.by_identity.get(identity).map(PathBuf::as_path)
    }

    /// A finished run with the same training, which may decode otherwise.
    pub fn same_training(&self, training_identity: &str) -> Option<&Path> {
        self.by_training.get(training_identity).map(PathBuf::as_path)
    }

    fn enter(&mut self, directory: &Path, depth: usize) {
        if directory.join(RECORD_FILE).is_file() {
            self.add(directory);
        } else if depth > 0 {
            let entries = fs::read_dir(directory).into_iter().flatten().flatten();
            let mut below: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(|p| p.is_dir()).collect();
            // In a fixed order, so that the same of several equal runs is found each time.
            below.sort();
            below.iter().for_each(|path| self.enter(path, depth - 1));
        }
    }

    fn add(&mut self, run_dir: &Path) {
        let Ok(Some(record)) = Record::load(run_dir) else { return };
        self.by_identity.entry(record.identity).or_insert_with(|| run_dir.to_path_buf());
        if let Some(training) = record.training_identity {
            self.by_training.entry(training).or_insert_with(|| run_dir.to_path_buf());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::tests::record;
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
        assert_eq!(Index::scan(&results.path().join("absent")).same("a"), None);
    }
}
