//! A few micro-batches of a trial, timed: what a plan knows before the first trial of a shape.

use super::kind;
use crate::config::{Experiment, validate_vocabulary};
use crate::data::batch::epoch_batches;
use crate::data::store::{Store, StoreWriter};
use crate::data::tokenizer::{EOS, largest_vocabulary};
use crate::data::{Split, open_if_prepared};
use crate::device;
use crate::error::{Error, Result};
use crate::files;
use crate::model::Transformer;
use crate::seed::{Purpose, rng};
use crate::train::adam::Adam;
use crate::train::memory::working_set;
use crate::train::step::Updates;
use crate::train::workload::shape;
use rand_chacha::rand_core::Rng;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What the probe found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Measurement {
    /// `cpu` or `cuda:N`.
    pub device: String,
    pub threads: usize,
    /// Whether the sentences were random ids, because the corpus is not prepared.
    pub synthetic: bool,
    /// Forward and backward, a target token without padding.
    pub seconds_per_token: f64,
    /// Adam's part, an update.
    pub seconds_per_update: f64,
    /// The most memory that the process held at once, the largest micro-batch of an epoch included.
    pub peak_memory_bytes: Option<u64>,
}

/// Micro-batches are timed until so many have passed and took so long together, or until the time is up.
const ENOUGH: (u32, f64) = (3, 1.0);
const SECONDS: f64 = 5.0;
/// Of the corpus that stands in for one that is not prepared.
const SYNTHETIC_BATCHES: usize = 40;

/// Builds the model and trains it on the largest micro-batch of an epoch, to warm up and for the memory, then on
/// a few others, for the time. If the first alone takes longer than all should, it is what is timed.
///
/// # Errors
/// As for training; nothing is left behind.
pub fn probe(experiment: &Experiment, data_root: &Path) -> Result<Measurement> {
    let Experiment { model: model_config, training, .. } = experiment;
    let data = open_if_prepared(&experiment.data, data_root)?;
    let vocabulary =
        data.as_ref().map_or(largest_vocabulary(experiment.data.merges), |data| data.tokenizer.len());
    validate_vocabulary(experiment, vocabulary)?;
    let synthetic = data.is_none();
    // The file behind a synthetic store goes with its folder, which nobody needs once it is mapped.
    let store = match &data {
        Some(data) => data.split(Split::Train)?,
        None => synthetic_store(experiment, vocabulary, &Scratch::create()?)?,
    };
    let device = device::open(&experiment.run)?;
    let model = Transformer::build(model_config, vocabulary, training.seed, kind(training.precision), device);
    let mut adam = Adam::build(training, model.weights());
    let mut batches = epoch_batches(&store, training.seed, 0, training.micro_batch_tokens);
    let rows = model_config.embedding_rows.unwrap_or(vocabulary as i64);
    let size = |pairs: &Vec<u32>| working_set(model_config, rows, &shape(&store, pairs));
    let largest = (0..batches.len())
        .max_by(|&a, &b| size(&batches[a]).total_cmp(&size(&batches[b])))
        .ok_or_else(|| Error::user("the training data holds no pair"))?;
    batches.swap(0, largest);
    let updates = Updates { model: &model, config: training, d_model: model_config.d_model, store: &store };
    let step = |adam: &mut Adam, number: usize| {
        let pairs = std::slice::from_ref(&batches[number % batches.len()]);
        updates.step(adam, pairs, number as u64 + 1, false).map(|stats| stats.target_tokens)
    };
    let begun = Instant::now();
    let (mut tokens, mut count) = (step(&mut adam, 0)?, 1);
    let mut seconds = begun.elapsed().as_secs_f64();
    if seconds < SECONDS {
        let begun = Instant::now();
        (tokens, count, seconds) = (0, 0, 0.0);
        while (count < ENOUGH.0 || seconds < ENOUGH.1) && seconds < SECONDS {
            tokens += step(&mut adam, count as usize + 1)?;
            count += 1;
            seconds = begun.elapsed().as_secs_f64();
        }
    }
    let begun = Instant::now();
    adam.update(model.weights(), u64::from(count) + 2, 0.0);
    let update = begun.elapsed().as_secs_f64();
    Ok(Measurement {
        device: device::name(device),
        threads: tch::get_num_threads() as usize,
        synthetic,
        seconds_per_token: (seconds - f64::from(count) * update).max(0.0) / tokens as f64,
        seconds_per_update: update,
        peak_memory_bytes: device::peak_memory(),
    })
}

/// Random ids in sentences of ordinary lengths: 30 tokens on average, the sides alike.
fn synthetic_store(experiment: &Experiment, vocabulary: usize, folder: &Scratch) -> Result<Store> {
    let path = folder.0.join("train.store");
    let mut writer = StoreWriter::create(&path, vocabulary, [0; 32])?;
    let mut random = rng(experiment.training.seed, Purpose::Corpus, 0);
    let longest = experiment.data.max_length.max(1);
    let budget = SYNTHETIC_BATCHES * experiment.training.micro_batch_tokens.min(1 << 20);
    let mut written = 0;
    while written <= budget {
        let length = (1 + (random.next_u32() % 30 + random.next_u32() % 30) as usize).min(longest);
        let other = (length + (random.next_u32() % 7) as usize).saturating_sub(3).clamp(1, longest);
        let mut ids = |count: usize| -> Vec<u32> {
            let ordinary = vocabulary as u32 - EOS - 1;
            (0..count).map(|_| EOS + 1 + random.next_u32() % ordinary).collect()
        };
        let (source, target) = (ids(length), ids(other));
        writer.push(&source, &target)?;
        written += length.max(other) + 1;
    }
    writer.finish()?;
    Store::open(&path, [0; 32])
}

/// A folder of this process that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn create() -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("ablate-probe-{}", std::process::id()));
        files::create_dir(&folder)?;
        Ok(Scratch(folder))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
