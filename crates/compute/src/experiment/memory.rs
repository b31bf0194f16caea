//! Whether a model can be trained here at all, known before it is built.

use crate::config::Experiment;
use crate::device;
use crate::error::Result;
use crate::model::VocabularySizes;
use crate::model::cost::Cost;
use crate::train::memory_estimate;
use tch::Device;

/// Refuses a model that the memory of the machine cannot hold, which the kernel would let grow and then kill. A card
/// refuses by itself what it cannot hold.
///
/// # Errors
/// As for [`memory_estimate::check_fits`].
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
