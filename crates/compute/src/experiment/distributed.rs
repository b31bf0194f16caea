//! A trial that several processes train together. Rank 0 runs it as one process would, and it alone has a run directory;
//! the others need the prepared data, take weights and moments from rank 0, and do their share of every update.

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
/// Those of [`Trial::run`], and [`Error::Peer`](crate::error::Error::Peer) if another rank fails or is lost.
pub fn lead(trial: &Trial, world: &World, observer: &mut dyn Observer, stop: &StopFlag) -> Result<Finished> {
    // Before anything else of libtorch's, which would settle that there are no cards.
    let device = device::open_for(&trial.experiment.run, world.local_rank);
    let team = Team::join(world, device.as_ref().ok().copied())?;
    team.end(device.and_then(|_| trial.run_in(&team, observer, stop)))
}

/// Does the share of another rank than 0, until training is over.
///
/// # Errors
/// Those of training, and [`Error::Peer`](crate::error::Error::Peer) if another rank fails or is lost.
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

/// Rank 0 tells and measures.
struct Silent;

impl Monitor for Silent {}
