//! The prepared text of a workshop, and stores of pairs that a test states itself.

use super::{Workshop, names};
use ablate::config::load_experiment;
use ablate::data::Prepared;
use ablate::data::store::{Store, StoreWriter};
use std::path::PathBuf;
use tempfile::TempDir;

/// The tokens of a source and of a target.
pub type Pair = (Vec<u32>, Vec<u32>);

/// Writes a store of these pairs. Its folder is removed with the first value.
pub fn stored(vocabulary: usize, pairs: &[Pair]) -> (TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pairs.store");
    let mut writer = StoreWriter::create(&path, vocabulary, [0; 32]).unwrap();
    pairs.iter().try_for_each(|(source, target)| writer.push(source, target)).unwrap();
    writer.finish().unwrap();
    let store = Store::open(&path, [0; 32]).unwrap();
    (folder, store)
}

impl Workshop {
    /// The folder of the only corpus that is prepared.
    #[track_caller]
    pub fn data_folder(&self) -> PathBuf {
        let data = self.path("data");
        let folders = names(&data);
        let [folder] = &folders[..] else { panic!("expected one folder in data: {folders:?}") };
        data.join(folder)
    }

    /// The only corpus that is prepared, as `tiny.toml` uses it.
    #[track_caller]
    pub fn prepared(&self) -> Prepared {
        let experiment = load_experiment(&self.path("tiny.toml"), &[]).unwrap();
        Prepared::load(&self.data_folder(), &experiment.data).unwrap()
    }

    /// Returns the result of `found` while no corpus is prepared. The corpora are back afterwards; nothing may have made
    /// them meanwhile.
    #[track_caller]
    pub fn without_data<T>(&self, found: impl FnOnce(&Self) -> T) -> T {
        let [data, elsewhere] = ["data", "elsewhere"].map(|name| self.path(name));
        std::fs::rename(&data, &elsewhere).unwrap();
        let found = found(self);
        assert!(!data.exists(), "data was made anew");
        std::fs::rename(&elsewhere, &data).unwrap();
        found
    }
}
