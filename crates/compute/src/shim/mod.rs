//! Functions of libtorch that tch does not offer, and own kernels, as small C++ functions: `src/shim/*.cpp`, compiled
//! by `build.rs` against libtorch's headers.
//!
//! A further `.cpp` in this folder is compiled without any declaration. Its functions are `extern "C"`, catch every
//! exception by `guarded` of `shim.hpp` if there can be one, and are declared and wrapped safely in a file beside this
//! one. They may use only symbols of libtorch_cpu and libc10, so that the program does not depend on CUDA.

pub mod card;
pub mod decoding;
pub mod graph;
pub mod many;
pub mod memory;
pub mod nccl;
pub mod process_group;

use crate::error::{Error, OUT_OF_MEMORY_CODE, Result};
use std::ffi::{CStr, c_char, c_int};
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::channel;
use std::time::Duration;

unsafe extern "C" {
    fn ablate_last_error() -> *const c_char;
    fn ablate_end_where_memory_runs_out(code: c_int);
}

/// Ends the process with the exit code of [`Error::OutOfMemory`] if a thread of a C++ library runs out of memory and
/// its exception is not caught. Otherwise the process would end by SIGABRT.
pub fn end_where_memory_runs_out() {
    // SAFETY: the call sets a handler of the C++ runtime and does nothing else.
    unsafe { ablate_end_where_memory_runs_out(OUT_OF_MEMORY_CODE.into()) }
}

/// Converts libtorch's error to ours: running out of memory has an exit code of its own.
pub fn torch_error(error: tch::TchError) -> Error {
    Error::from_torch_message(&error.to_string())
}

/// Converts the result of a shim function: success, or the error that it left for this thread.
fn check(code: c_int) -> Result<()> {
    if code == 0 {
        return Ok(());
    }
    // SAFETY: the text ends in a zero and stays until this thread's next call into the shim.
    let text = unsafe { CStr::from_ptr(ablate_last_error()) };
    Err(Error::from_torch_message(&text.to_string_lossy()))
}

/// Runs work that may never end on a thread, and waits for it as long as `patience`. A thread that does not finish in
/// time ends with the process.
///
/// # Errors
/// The error of `work`; the message of `late` after `patience`; an error if no thread can be started.
///
/// # Panics
/// If `work` panicked, with the same message: libtorch's operations panic if memory runs out.
fn in_time<T: Send + 'static>(
    patience: Duration,
    late: impl FnOnce() -> String,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let (sender, receiver) = channel();
    std::thread::Builder::new()
        // The receiver is gone if the time was up.
        .spawn(move || drop(sender.send(catch_unwind(AssertUnwindSafe(work)))))
        .map_err(|error| Error::failed(format!("cannot start a thread: {error}")))?;
    match receiver.recv_timeout(patience) {
        Ok(ended) => ended.unwrap_or_else(|panic| resume_unwind(panic)),
        Err(_) => Err(Error::failed(late())),
    }
}

#[cfg(test)]
mod tests {
    use super::in_time;
    use crate::error::{Error, MEMORY_REMEDY, Result};
    use std::sync::mpsc::channel;
    use std::time::Duration;

    #[test]
    fn only_what_does_not_end_in_time_is_told_as_late() {
        let (patience, late) = (Duration::from_secs(60), || "late".to_string());
        assert_eq!(in_time(patience, late, || Ok(7)).unwrap(), 7);
        let error = in_time(patience, late, || -> Result<()> { Err(Error::user("wrong")) }).unwrap_err();
        assert!(error.exit_code() == 2 && error.to_string().contains("wrong"), "{error}");
        let panic = std::panic::catch_unwind(move || {
            in_time(patience, late, || -> Result<()> { panic!("std::bad_alloc") })
        });
        assert_eq!(Error::from_panic(&*panic.unwrap_err()).unwrap().exit_code(), 4);
        let (_silent, listening) = channel::<()>();
        let wait = move || listening.recv().map_err(|error| Error::failed(error.to_string()));
        let error = in_time(Duration::from_millis(10), late, wait).unwrap_err();
        assert!(error.to_string().contains("late"), "{error}");
    }

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
