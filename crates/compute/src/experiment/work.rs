//! A running trial: its settings, data, model and files.

use super::team::Team;
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::error::Result;
use crate::model::Network;
use crate::signal::StopFlag;
use crate::task::Task;
use crate::train::checkpoint::Checkpoints;
use crate::train::run_state::Owner;
use std::path::Path;

/// The settings, data, model and files of a running trial.
pub(super) struct Work<'a> {
    pub experiment: &'a Experiment,
    pub run_dir: &'a Path,
    pub task: &'a dyn Task,
    pub data: &'a Prepared,
    pub stores: &'a Stores,
    pub owner: &'a Owner,
    pub model: &'a dyn Network,
    pub checkpoints: &'a Checkpoints,
    pub team: &'a Team,
    pub stop: &'a StopFlag,
}

/// The three splits, memory-mapped.
pub(super) struct Stores {
    pub train: Store,
    pub dev: Store,
    pub test: Store,
}

impl Stores {
    /// Opens the stores. Also reads the reference texts of dev and test, so that no damage is found late.
    pub fn open(data: &Prepared) -> Result<Self> {
        data.text(Split::Dev)?;
        data.text(Split::Test)?;
        Ok(Stores {
            train: data.split(Split::Train)?,
            dev: data.split(Split::Dev)?,
            test: data.split(Split::Test)?,
        })
    }
}
