//! The graph of operations that libtorch records for the backward pass.

use super::check;
use crate::error::Result;
use std::ffi::c_int;
use tch::Tensor;
use torch_sys::C_tensor;

unsafe extern "C" {
    fn ablate_longest_chain(tensor: *const C_tensor, out: *mut i64) -> c_int;
}

/// Returns the length of the longest chain of operations behind `tensor`, views included; 0 if no graph is recorded.
///
/// # Errors
/// None that a caller can cause.
pub fn longest_chain(tensor: &Tensor) -> Result<i64> {
    let mut length = 0;
    // SAFETY: the tensor lives through the call; `length` is written before it ends.
    check(unsafe { ablate_longest_chain(tensor.as_ptr(), &mut length) })?;
    Ok(length)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn the_longest_of_several_chains_counts() {
        let x = Tensor::ones([3], (Kind::Double, Device::Cpu));
        assert_eq!(longest_chain(&x).unwrap(), 0);
        let x = x.set_requires_grad(true);
        assert_eq!(longest_chain(&x).unwrap(), 0);
        let (one, two) = (x.exp(), x.exp().sin());
        assert_eq!(longest_chain(&one).unwrap(), 1);
        assert_eq!(longest_chain(&(&one * &two)).unwrap(), 3);
        // The number of paths has 40 bits, and the chain is longer than a stack holds.
        let doubled = (0..40).fold(x.shallow_clone(), |x, _| &x + &x);
        assert_eq!(longest_chain(&doubled).unwrap(), 40);
        let long = (0..100_000).fold(x.shallow_clone(), |x, _| x * 1.0);
        assert_eq!(longest_chain(&long).unwrap(), 100_000);
    }
}
