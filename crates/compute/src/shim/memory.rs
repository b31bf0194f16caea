//! The memory of tensors on the CPU, as libtorch's allocator counts it.

use super::check;
use crate::error::Result;
use std::ffi::c_int;
use std::marker::PhantomData;

#[repr(C)]
struct Counting {
    /// Only C++ creates or moves an object.
    opaque: [u8; 0],
}

unsafe extern "C" {
    fn ablate_count_memory(out: *mut *mut Counting) -> c_int;
    fn ablate_counted_peak(counting: *const Counting, peak: *mut i64) -> c_int;
    fn ablate_end_counting(counting: *mut Counting) -> c_int;
}

/// Counts the memory that this thread, and other threads for its operations, allocate for tensors, until it is dropped.
/// Earlier memory does not count and must not be freed meanwhile; memory that libraries allocate without libtorch does
/// not count either.
#[derive(Debug)]
pub struct MemoryCount {
    counting: *mut Counting,
    /// The count must end on the thread on which it began.
    of_thread: PhantomData<*const ()>,
}

impl MemoryCount {
    /// # Errors
    /// None that a caller can cause.
    pub fn start() -> Result<Self> {
        let mut counting = std::ptr::null_mut();
        // SAFETY: `counting` is written before the call ends.
        check(unsafe { ablate_count_memory(&mut counting) })?;
        Ok(MemoryCount { counting, of_thread: PhantomData })
    }

    /// Returns the most bytes that tensors have held at once since the start.
    ///
    /// # Errors
    /// None that a caller can cause.
    pub fn peak(&self) -> Result<u64> {
        let mut peak = 0;
        // SAFETY: the object lives until this one is dropped; `peak` is written before the call ends.
        check(unsafe { ablate_counted_peak(self.counting, &mut peak) })?;
        Ok(peak.max(0) as u64)
    }
}

impl Drop for MemoryCount {
    fn drop(&mut self) {
        // SAFETY: the object was made by `start`, on this thread, and is not used again.
        let _ = unsafe { ablate_end_counting(self.counting) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind, Tensor};

    #[test]
    fn the_most_bytes_at_once_are_counted() {
        let before = Tensor::zeros([1000], (Kind::Float, Device::Cpu));
        let count = MemoryCount::start().unwrap();
        assert_eq!(count.peak().unwrap(), 0);
        let kept = Tensor::zeros([4096], (Kind::Float, Device::Cpu));
        for _ in 0..3 {
            let _ = Tensor::zeros([1024], (Kind::Double, Device::Cpu));
        }
        // One of the three at a time, beside the tensor that is kept.
        assert_eq!(count.peak().unwrap(), 4 * 4096 + 8 * 1024);
        drop(count);
        let after = Tensor::zeros([1 << 20], (Kind::Float, Device::Cpu));
        assert_eq!((before.numel(), kept.numel(), after.numel()), (1000, 4096, 1 << 20));
        assert_eq!(MemoryCount::start().unwrap().peak().unwrap(), 0);
    }
}
