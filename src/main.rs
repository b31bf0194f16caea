//! The command `ablate`. It does not link libtorch, so that commands without computation start at once. For the others,
//! the process execs the program `ablate-torch` beside it.

mod libtorch;

use ablate_base::allocator::Allocator;
use ablate_base::error::{Error, Result};
use ablate_base::signal;
use ablate_command::program::{self, BUILD};
use std::ffi::{CString, OsStr, c_char};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

/// Name of the program that computes.
const COMPUTES: &str = "ablate-torch";

fn main() -> ExitCode {
    signal::refuse_writes_beyond_limits();
    program::run(env!("ABLATE_COMMIT"), |_, _| become_the_program_that_computes())
}

/// Replaces this program by `ablate-torch`, with the same arguments, in the same process: process number, parent,
/// standard streams and blocked signals stay.
///
/// # Errors
/// If that program or its libtorch is missing, or it cannot be started.
fn become_the_program_that_computes() -> Result<()> {
    let own = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    // Links are resolved, because `ablate-torch` is in the folder into which the program was installed.
    let program = own.canonicalize().unwrap_or(own).with_file_name(COMPUTES);
    let failed = |error: std::io::Error| {
        Error::failed(format!(
            "cannot start {}, the part of ablate that computes: {error}; build or install ablate again (`cargo build \
             --release`, `cargo install --path .`), which puts both programs into one folder",
            program.display()
        ))
    };
    if let Some(folder) = program.parent().filter(|_| program.exists()) {
        libtorch::check(folder)?;
    }
    let words: Vec<CString> = std::env::args_os().map(|word| text(&word)).collect();
    let words: Vec<*const c_char> =
        words.iter().map(|word| word.as_ptr()).chain([std::ptr::null()]).collect();
    // SAFETY: this process has one thread. `execv` is given texts that end in a zero, in a list that ends in a null, all of
    // which live until it returns; `Command` is not used because it would unblock the signals that a sweep holds back.
    unsafe {
        std::env::set_var(BUILD, env!("ABLATE_BUILD"));
        libc::execv(text(program.as_os_str()).as_ptr(), words.as_ptr());
    }
    Err(failed(std::io::Error::last_os_error()))
}

/// Converts a path or an argument to a C string. Neither can contain a zero byte.
fn text(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).unwrap_or_default()
}
