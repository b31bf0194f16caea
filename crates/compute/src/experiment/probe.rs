//! A few micro-batches of a trial, timed: what a plan knows before the first trial of a shape.

use super::limits::DataLimits;
use super::measurement::Measurement;
use super::memory;
use super::single_update::single_update;
use super::stand_in;
use crate::config::Experiment;
use crate::data::{Split, open_if_prepared};
use crate::device;
use crate::error::{Error, Result};
use crate::model;
use crate::model::cost::Cost;
use crate::task;
use crate::train::adam::Adam;
use crate::train::memory_estimate::working_set;
use crate::train::step::Updates;
use crate::train::stream;
use std::path::Path;
use std::time::Instant;
use tch::Device;

/// Micro-batches are timed until so many have passed and took so long together, or until the time is up.
const ENOUGH: (u32, f64) = (3, 1.0);
const SECONDS: f64 = 5.0;
/// Updates of the weights of which the fastest counts.
const UPDATES: usize = 3;

/// Builds the model and trains it on the largest micro-batch of an epoch, to warm up and for the memory, then on
/// a few others, for the time. If the first alone takes longer than all should, it is what is timed.
///
/// # Errors
/// As for training; nothing is left behind.
pub fn probe(experiment: &Experiment, data_root: &Path) -> Result<Measurement> {
    let Experiment { model: model_config, training, .. } = experiment;
    let data = open_if_prepared(&experiment.data, data_root)?;
    let limits = DataLimits::of(&experiment.data, data.as_ref())?;
    limits.check(experiment)?;
    let sizes = limits.vocabulary(experiment);
    let vocabulary = sizes.target;
    let synthetic = data.is_none();
    let store = match &data {
        Some(data) => data.split(Split::Train)?,
        None => stand_in::store(experiment, vocabulary)?,
    };
    let device = device::open(&experiment.run)?;
    memory::check_fits(experiment, sizes, device)?;
    let model = model::build(model_config, sizes, training.seed, training.precision, device);
    let mut adam = Adam::build(training, model.weights());
    let task = task::of(experiment, vocabulary);
    let source = task.batches(&store);
    let mut batches = source.epoch(0);
    let cost = Cost::of(model_config, sizes);
    let size = |pairs: &Vec<u32>| working_set(&cost, &source.shape(pairs));
    let largest = (0..batches.len())
        .max_by(|&a, &b| size(&batches[a]).total_cmp(&size(&batches[b])))
        .ok_or_else(|| Error::user(stream::EMPTY))?;
    batches.swap(0, largest);
    let updates = Updates { model: &*model, config: training };
    let step = |adam: &mut Adam, number: usize| {
        let pairs = &batches[number % batches.len()];
        let batch = source.collate(pairs, Device::Cpu);
        single_update(&updates, adam, &[batch], number as u64 + 1).map(|stats| stats.target_tokens)
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
    device::settle(device);
    let mut update = || {
        let begun = Instant::now();
        adam.update(model.weights(), u64::from(count) + 2, 0.0);
        device::settle(device);
        begun.elapsed().as_secs_f64()
    };
    let update = (0..UPDATES).map(|_| update()).fold(f64::INFINITY, f64::min);
    let step = seconds / f64::from(count);
    // On a machine with other work even the fastest may take longer than a whole step did: it then tells nothing.
    let update = if update < step { update } else { 0.0 };
    Ok(Measurement {
        device: device::name(device),
        threads: tch::get_num_threads() as usize,
        synthetic,
        seconds_per_token: f64::from(count) * (step - update) / tokens as f64,
        seconds_per_update: update,
        peak_memory_bytes: device::peak_memory(),
    })
}
