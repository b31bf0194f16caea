//! What libtorch has and tch does not offer, and kernels of our own, as small C++ functions: `src/shim/*.cpp`, compiled
//! by `build.rs` against libtorch's headers.
//!
//! A further `.cpp` in this folder is found by itself. Its functions are `extern "C"`, catch every exception by
//! `guarded` of `shim.hpp` where there can be one, and are declared and wrapped safely in a file beside this one. Only what libtorch_cpu and
//! libc10 define may be used, so that the program is not tied to CUDA.

pub mod card;
pub mod decoding;
pub mod graph;
pub mod many;
pub mod memory;
pub mod nccl;
pub mod process_group;

use crate::error::{Error, OUT_OF_MEMORY_CODE, Result};
use std::ffi::{CStr, c_char, c_int};

unsafe extern "C" {
    fn ablate_last_error() -> *const c_char;
    fn ablate_end_where_memory_runs_out(code: c_int);
}

/// Ends the process with the exit code of [`Error::OutOfMemory`] where a thread of a C++ library's runs out of memory and
/// nobody catches its exception. It would end by SIGABRT otherwise.
pub fn end_where_memory_runs_out() {
    // SAFETY: the call sets a handler of the C++ runtime and does nothing else.
    unsafe { ablate_end_where_memory_runs_out(OUT_OF_MEMORY_CODE.into()) }
}

/// libtorch's error as ours: running out of memory has an exit code of its own.
pub fn torch_error(error: tch::TchError) -> Error {
    Error::from_torch_message(&error.to_string())
}

/// What a function of the shim gave back: nothing, or the error that it left for this thread.
fn check(code: c_int) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the text ends in a zero and stays until this thread's next call into the shim.
    let text = unsafe { CStr::from_ptr(ablate_last_error()) };
    Err(Error::from_torch_message(&text.to_string_lossy()))
}

#[cfg(test)]
mod tests {
    use crate::error::{Error, MEMORY_REMEDY};

    #[test]
    fn a_panic_of_libtorch_for_lack_of_memory_is_an_error() {
        let zeros = || tch::Tensor::zeros([1 << 60], (tch::Kind::Int8, tch::Device::Cpu));
        let panic = std::panic::catch_unwind(zeros).unwrap_err();
        let error = Error::from_panic(&*panic).unwrap();
        assert_eq!(error.exit_code(), 4);
        let told = format!(
            "out of memory: DefaultCPUAllocator: can't allocate memory: you tried to allocate {} bytes",
            1u64 << 60
        );
        assert!(error.to_string().starts_with(&told), "{error}");
        assert!(error.to_string().ends_with(&format!("; {MEMORY_REMEDY}")), "{error}");
    }
}
