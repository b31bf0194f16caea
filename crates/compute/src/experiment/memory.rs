//! The check, before a model is built, that the machine's memory is enough to train it.

use crate::config::Experiment;
use crate::device;
use crate::error::Result;
use crate::model::VocabularySizes;
use crate::model::cost::Cost;
use crate::train::memory_estimate;
use tch::Device;

/// Refuses a model that the machine's memory cannot hold: the kernel would let the process grow and then kill it. Cards
/// are not checked, because they refuse such an allocation themselves.
///
/// # Errors
/// The errors of [`memory_estimate::check_fits`].
pub(super) fn check_fits(
    experiment: &Experiment,
    vocabulary: impl Into<VocabularySizes>,
    device: Device,
) -> Result<()> {
    match device {
        Device::Cpu => {
            let cost = Cost::of(&experiment.model, vocabulary);
            memory_estimate::check_fits(&cost, &experiment.training, device::reachable_memory())
        }
        _ => Ok(()),
    }
}
