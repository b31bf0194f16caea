//! Copies from the host to the device without waiting: pinned memory and asynchronous copies.

use crate::shim::card;
use tch::{Device, Tensor};

/// Copies a tensor to pinned memory, from which a GPU copies asynchronously. Returns the tensor itself if the device is
/// no GPU or no such memory is available: the copy to the device is then synchronous.
pub fn pinned(tensor: Tensor, device: Device) -> Tensor {
    match device {
        Device::Cuda(_) => card::pin(&tensor).unwrap_or(tensor),
        _ => tensor,
    }
}

/// Returns the tensor on a device; the tensor itself if it is there already. On a GPU the copy queues behind earlier
/// work, and the program does not wait for it if the tensor is [`pinned`].
pub fn send(tensor: &Tensor, device: Device) -> Tensor {
    match tensor.device() == device {
        true => tensor.shallow_clone(),
        false => tensor.to_device_(device, tensor.kind(), true, false),
    }
}
