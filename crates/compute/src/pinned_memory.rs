//! Tensors from the host to the device without waiting: pinned memory and asynchronous copies.

use crate::shim::card;
use tch::{Device, Tensor};

/// The same numbers in memory that a GPU copies from while the processor goes on; the tensor itself where the device
/// is no GPU, and where no such memory is to be had: its copy is then waited for.
pub fn pinned(tensor: Tensor, device: Device) -> Tensor {
    match device {
        Device::Cuda(_) => card::pin(&tensor).unwrap_or(tensor),
        _ => tensor,
    }
}

/// The tensor on a device; itself where it is there already. On a GPU the copy queues behind the work that was asked
/// for before, and nobody waits for it if the tensor is [`pinned`].
pub fn send(tensor: &Tensor, device: Device) -> Tensor {
    match tensor.device() == device {
        true => tensor.shallow_clone(),
        false => tensor.to_device_(device, tensor.kind(), true, false),
    }
}
