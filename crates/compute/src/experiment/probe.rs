//! Times a few micro-batches of a trial, for the plan of a sweep before the first trial of its shape.

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

/// Least number of timed micro-batches, and least seconds of all together, unless [`SECONDS`] have passed.
const ENOUGH: (u32, f64) = (3, 1.0);
const SECONDS: f64 = 5.0;
/// Number of timed optimizer updates, of which the fastest counts.
const UPDATES: usize = 3;

/// Builds the model, trains it on the largest micro-batch of an epoch to warm up and to measure memory, then on a few
/// others to measure time. If the first micro-batch alone takes longer than the limit, its time is the result.
///
/// # Errors
/// The errors of training. Nothing is left on the disk.
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
    // On a busy machine even the fastest may take longer than a whole step did: then the time is unusable.
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
