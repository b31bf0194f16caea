//! The launchers, which decide where the trials of a sweep run: one file for each. The driver knows their interface.

pub mod launcher;
pub mod local;
pub mod process;
pub mod slurm;

use crate::error::Result;
use launcher::{Launcher, Setup};
use local::Local;
use slurm::Slurm;
use slurm::slurm_spec::SlurmSpec;
use std::path::Path;

/// The launchers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LauncherKind {
    Local,
    Slurm,
}

impl LauncherKind {
    /// Checks that trials can be launched, before anything is written.
    ///
    /// # Errors
    /// A user error for invalid settings and paths, and for missing programs.
    pub fn check(self, slurm: &SlurmSpec, sweep_dir: &Path, data_root: &Path) -> Result<()> {
        match self {
            LauncherKind::Local => Ok(()),
            LauncherKind::Slurm => Slurm::check(slurm, sweep_dir, data_root),
        }
    }

    /// Opens the launcher for a sweep whose directory exists.
    pub fn open(self, setup: &Setup) -> Result<Box<dyn Launcher>> {
        Ok(match self {
            LauncherKind::Local => Box::new(Local::new(setup)),
            LauncherKind::Slurm => Box::new(Slurm::open(setup)?),
        })
    }
}
