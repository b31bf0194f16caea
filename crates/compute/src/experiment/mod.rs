//! One trial: configuration → data → model → training → decoding → scores → record.

pub mod bench;
pub mod complexity;
pub mod distributed;
pub mod doctor;
mod evaluate;
mod memory;
mod monitor;
pub mod probe;
mod provenance;
mod reporting;
pub mod single_update;
mod stand_in;
mod team;
mod trained;
mod trial;
pub mod verify;
pub mod view;
mod work;

pub use ablate_trial::experiment::*;
pub use provenance::{commit, state_commit};
pub use trained::TrainedModel;
pub use trial::{Finished, Trial};

use crate::error::Error;

/// Returns the error of a measurement that a signal stopped. No state is saved from which the same command could continue.
fn stopped() -> Error {
    Error::failed("stopped by a signal while measuring")
}
