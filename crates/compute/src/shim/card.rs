//! A GPU's memory as counted by libtorch's allocator, pinned memory, and a choice of kernels.

use super::check;
use crate::error::Result;
use std::ffi::c_int;
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn ablate_card_memory(index: c_int, current: *mut i64, peak: *mut i64, reserved: *mut i64) -> c_int;
    fn ablate_forget_card_peak(index: c_int) -> c_int;
    fn ablate_pin(tensor: *const C_tensor, out: *mut *mut C_tensor) -> c_int;
    fn ablate_choose_card_kernels() -> c_int;
    #[cfg(test)]
    fn ablate_card_may_use_tf32(may: *mut bool) -> c_int;
}

/// Bytes of this process on a card, without CUDA's context.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory {
    /// Bytes in tensors at this moment.
    pub current: u64,
    /// Most bytes in tensors at once.
    pub peak: u64,
    /// Most bytes that were reserved on the card for tensors.
    pub reserved_peak: u64,
}

/// # Errors
/// If CUDA is not in use.
pub fn memory(index: usize) -> Result<Memory> {
    let (mut current, mut peak, mut reserved) = (0, 0, 0);
    // SAFETY: the three are written before the call ends.
    check(unsafe { ablate_card_memory(index as c_int, &mut current, &mut peak, &mut reserved) })?;
    let [current, peak, reserved_peak] = [current, peak, reserved].map(|bytes: i64| bytes.max(0) as u64);
    Ok(Memory { current, peak, reserved_peak })
}

/// Resets the peaks of [`memory`].
///
/// # Errors
/// If CUDA is not in use.
pub fn forget_peak(index: usize) -> Result<()> {
    // SAFETY: takes nothing but a number.
    check(unsafe { ablate_forget_card_peak(index as c_int) })
}

/// Copies a tensor to page-locked memory, from which a card copies while the processor continues.
///
/// # Errors
/// If CUDA is not in use, or no such memory is left.
pub fn pin(tensor: &Tensor) -> Result<Tensor> {
    let mut out = std::ptr::null_mut();
    // SAFETY: the tensor lives through the call; `out` is a new tensor after success.
    unsafe {
        check(ablate_pin(tensor.as_ptr(), &mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// Excludes cuDNN's attention from libtorch's choice of kernels, because it plans anew for each shape of a batch, and
/// forbids TF32 for float32, because TF32 is a thousand times as coarse.
///
/// # Errors
/// If libtorch refuses.
pub fn choose_kernels() -> Result<()> {
    // SAFETY: sets switches of libtorch.
    check(unsafe { ablate_choose_card_kernels() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The switches exist without a card. By default libtorch allows TF32 for cuDNN.
    #[test]
    fn no_kernel_of_a_card_computes_float32_in_tf32() {
        choose_kernels().unwrap();
        let mut may = true;
        // SAFETY: the answer is written before the call ends.
        check(unsafe { ablate_card_may_use_tf32(&mut may) }).unwrap();
        assert!(!may);
    }
}
