//! Trials that several processes train together. Rank 0 does the same as a single process and has the only run directory.
//! The other ranks need the prepared data, receive weights and moments from rank 0, and compute their share of every update.

use super::limits::DataLimits;
use super::memory;
use super::team::Team;
use super::trial::{Finished, Trial};
use crate::config::Experiment;
use crate::data::{Split, prepare};
use crate::device;
use crate::error::Result;
use crate::model;
use crate::signal::StopFlag;
use crate::task;
use crate::telemetry::console::print_message;
use crate::telemetry::observer::Observer;
use crate::train::adam::Adam;
use crate::train::run_state::Progress;
use crate::train::trainer::{Monitor, Trainer};
use crate::world::World;
use tch::Device;

/// Runs a trial as rank 0 of several.
///
/// # Errors
/// The errors of [`Trial::run`], and [`Error::Peer`](crate::error::Error::Peer) if another rank fails or is lost.
pub fn lead(trial: &Trial, world: &World, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Finished> {
    // Before any other call of libtorch, after which libtorch would never look for cards again.
    let device = device::open_for(&trial.experiment.run, world.local_rank);
    let team = Team::join(world, device.as_ref().ok().copied())?;
    team.end(device.and_then(|_| trial.run_in(&team, observer, stop)))
}

/// Runs a rank other than 0 until training is over.
///
/// # Errors
/// The errors of training, and [`Error::Peer`](crate::error::Error::Peer) if another rank fails or is lost.
pub fn follow(trial: &Trial, world: &World, stop: &StopFlag) -> Result<()> {
    let device = device::open_for(&trial.experiment.run, world.local_rank);
    let team = Team::join(world, device.as_ref().ok().copied())?;
    team.end(device.and_then(|device| share(trial, &team, device, stop)))
}

fn share(trial: &Trial, team: &Team, device: Device, stop: &StopFlag) -> Result<()> {
    let Experiment { model: model_config, training, .. } = trial.experiment;
    let data = prepare::open(&trial.experiment.data, trial.data_root)?;
    DataLimits::of(&trial.experiment.data, Some(&data))?.check(trial.experiment)?;
    let vocabulary = data.tokenizers.sizes();
    memory::check_fits(trial.experiment, vocabulary, device)?;
    let store = data.split(Split::Train)?;
    let model = model::build(model_config, vocabulary, training.seed, training.precision, device);
    let mut adam = Adam::build(training, model.weights());
    let ranks = &team.ranks;
    let (rank, size) = (ranks.rank(), ranks.size());
    if !team.agree(trial.experiment, data.fingerprint())? {
        print_message(&format!("rank {rank} of {size}: nothing is left to train"));
        return Ok(());
    }
    let progress = team.share(model.weights(), &adam, Progress::default())?;
    print_message(&format!("rank {rank} of {size}: training from step {}", progress.step));
    let batches = task::of(trial.experiment, vocabulary.1).batches(&store);
    let trainer = Trainer {
        model: &*model,
        config: training,
        batches: &*batches,
        checkpoints: None,
        ranks,
        stop,
        until: trial.until,
    };
    let trained = trainer.run(&mut adam, progress, &mut Silent)?;
    print_message(&format!("rank {rank} of {size}: done at step {}; rank 0 goes on to score", trained.step));
    Ok(())
}

/// The monitor of the other ranks, which does nothing: rank 0 reports and measures.
struct Silent;

impl Monitor for Silent {}
