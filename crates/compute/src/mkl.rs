//! Lets libtorch's matrix library use the widest vector instructions that the processor has, whoever made it.
//!
//! The MKL inside libtorch asks `mkl_serv_intel_cpu_true` before it picks its kernels and gives processors
//! of other makers old ones, although it checks for each instruction set separately. Our definition
//! comes before the library's when the program is linked. Measured: docs/performance.md.

use std::ffi::c_int;

/// "Yes": the kernels are then chosen by the instruction sets that the processor reports.
#[unsafe(no_mangle)]
pub extern "C" fn mkl_serv_intel_cpu_true() -> c_int {
    1
}
