//! Random text in place of a corpus that is not prepared: enough to measure time and memory.

use crate::config::Experiment;
use crate::data::store::{Store, StoreWriter};
use crate::data::tokenizer::EOS;
use crate::error::{Error, Result};
use crate::seed::{Purpose, rng};
use rand_chacha::rand_core::Rng;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

/// Number of micro-batches in the text.
const BATCHES: usize = 40;

/// Makes a store of random ids in sentences of ordinary lengths: 30 tokens on average, both sides of similar length. In
/// place of running text, every sentence is a whole block.
///
/// # Errors
/// If the store cannot be written; then nothing is left on the disk.
pub fn store(experiment: &Experiment, vocabulary: usize) -> Result<Store> {
    // The file is deleted with its folder; once mapped, it needs no name.
    let folder = Scratch::create()?;
    let path = folder.path().join("train.store");
    let mut writer = StoreWriter::create(&path, vocabulary, [0; 32])?;
    let mut random = rng(experiment.training.seed, Purpose::Corpus, 0);
    let longest = experiment.data.longest_trained().max(1);
    let blocks = experiment.data.recipe.is_running_text();
    let budget = BATCHES * experiment.training.micro_batch_tokens.min(1 << 20);
    let mut written = 0;
    while written <= budget {
        let length = (1 + (random.next_u32() % 30 + random.next_u32() % 30) as usize).min(longest);
        let other = (length + (random.next_u32() % 7) as usize).saturating_sub(3).clamp(1, longest);
        let mut ids = |count: usize| -> Vec<u32> {
            let ordinary = vocabulary as u32 - EOS - 1;
            (0..count).map(|_| EOS + 1 + random.next_u32() % ordinary).collect()
        };
        if blocks {
            writer.push(&[], &ids(longest))?;
            written += longest;
            continue;
        }
        let (source, target) = (ids(length), ids(other));
        writer.push(&source, &target)?;
        written += length.max(other) + 1;
    }
    writer.finish()?;
    Store::open(&path, [0; 32])
}

/// A temporary folder of this process, deleted when dropped.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn create() -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        loop {
            let number = COUNT.fetch_add(1, Ordering::Relaxed);
            let folder = std::env::temp_dir().join(format!("ablate-{}-{number}", std::process::id()));
            // The folder is deleted at the end, so one that exists already must not be used.
            match std::fs::create_dir(&folder) {
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => continue,
                made => made.map_err(Error::io("create", &folder))?,
            }
            return Ok(Scratch(folder));
        }
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
