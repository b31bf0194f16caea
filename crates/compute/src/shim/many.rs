//! Operations on all weights at once, which a GPU does in one or a few kernels.

use super::check;
use crate::error::Result;
use std::ffi::c_int;
use tch::Tensor;
use torch_sys::C_tensor;

type Pointers = *const *const C_tensor;

unsafe extern "C" {
    fn ablate_fused_adam(
        count: c_int,
        weights: Pointers,
        gradients: Pointers,
        first: Pointers,
        second: Pointers,
        step: f64,
        rate: f64,
        beta1: f64,
        beta2: f64,
        epsilon: f64,
        weight_decay: f64,
    ) -> c_int;
    fn ablate_joint_norm(count: c_int, tensors: Pointers, out: *mut *mut C_tensor) -> c_int;
    fn ablate_scale_all(count: c_int, tensors: Pointers, factor: f64) -> c_int;
    fn ablate_forget_gradients(count: c_int, weights: Pointers) -> c_int;
}

/// Adam's settings for one update.
#[derive(Debug, Clone, Copy)]
pub struct AdamStep {
    /// Number of the update, from 1.
    pub step: u64,
    pub learning_rate: f64,
    pub beta1: f64,
    pub beta2: f64,
    pub epsilon: f64,
    /// Decoupled weight decay for all weights of the call; 0 is plain Adam.
    pub weight_decay: f64,
}

fn pointers(tensors: &[Tensor]) -> Vec<*const C_tensor> {
    tensors.iter().map(|tensor| tensor.as_ptr()).collect()
}

/// Updates `weights` once from `gradients`, with the running means `first` and `second`; all four lists have the same order.
///
/// # Errors
/// If libtorch refuses them: other shapes, or a device without this kernel.
///
/// # Panics
/// If the lists have different lengths.
pub fn fused_adam(
    weights: &[Tensor],
    gradients: &[Tensor],
    first: &[Tensor],
    second: &[Tensor],
    settings: AdamStep,
) -> Result<()> {
    if weights.is_empty() {
        return Ok(());
    }
    let lists = [weights, gradients, first, second].map(pointers);
    assert!(lists.iter().all(|list| list.len() == weights.len()), "lists of one length");
    let AdamStep { step, learning_rate, beta1, beta2, epsilon, weight_decay } = settings;
    let [weights, gradients, first, second] = &lists;
    // SAFETY: each list has `weights.len()` pointers to tensors, which the caller's slices keep alive.
    check(unsafe {
        ablate_fused_adam(
            weights.len() as c_int,
            weights.as_ptr(),
            gradients.as_ptr(),
            first.as_ptr(),
            second.as_ptr(),
            step as f64,
            learning_rate,
            beta1,
            beta2,
            epsilon,
            weight_decay,
        )
    })
}

/// Returns the Euclidean norm of all numbers of all tensors, a scalar of float64 on their device.
///
/// # Errors
/// If libtorch refuses them.
///
/// # Panics
/// If there is no tensor.
pub fn joint_norm(tensors: &[Tensor]) -> Result<Tensor> {
    assert!(!tensors.is_empty(), "a norm of something");
    let (list, mut out) = (pointers(tensors), std::ptr::null_mut());
    // SAFETY: the slice keeps the tensors of all `list.len()` pointers alive; `out` is a new tensor after success.
    unsafe {
        check(ablate_joint_norm(list.len() as c_int, list.as_ptr(), &mut out))?;
        Ok(Tensor::from_ptr(out))
    }
}

/// Multiplies every number of every tensor by `factor`.
///
/// # Errors
/// If libtorch refuses them.
pub fn scale(tensors: &[Tensor], factor: f64) -> Result<()> {
    if tensors.is_empty() {
        return Ok(());
    }
    let list = pointers(tensors);
    // SAFETY: the list has `list.len()` pointers to tensors, which the slice keeps alive.
    check(unsafe { ablate_scale_all(list.len() as c_int, list.as_ptr(), factor) })
}

/// Removes the gradients of the weights until the next backward pass.
///
/// # Errors
/// If libtorch refuses them.
pub fn forget_gradients(weights: &[Tensor]) -> Result<()> {
    let list = pointers(weights);
    // SAFETY: the list has `list.len()` pointers to tensors, which the slice keeps alive.
    check(unsafe { ablate_forget_gradients(list.len() as c_int, list.as_ptr()) })
}
