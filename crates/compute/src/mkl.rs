//! Lets libtorch's matrix library use the processor's widest vector instructions, whoever made the processor.
//!
//! The MKL inside libtorch asks `mkl_serv_intel_cpu_true` before it picks its kernels, and gives processors of other
//! makers old kernels, although it checks for each instruction set separately. This definition comes before the
//! library's when the program is linked. Measured: docs/performance.md.

use std::ffi::c_int;

/// Returns 1 for "yes": MKL then chooses kernels by the instruction sets that the processor reports.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> c_int {
    1
}
