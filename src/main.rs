//! The command `ablate`. It links no libtorch, so that what computes nothing starts at once; to compute, the process
//! becomes the program `ablate-torch` beside it.

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

/// The program that computes.
const COMPUTES: &str = "ablate-torch";

fn main() -> ExitCode {
    signal::refuse_writes_beyond_limits();
    program::run(env!("ABLATE_COMMIT"), |_, _| become_the_program_that_computes())
}

/// Replaces this program by the other one, with the same words, in the same process: number, parent, standard streams and
/// blocked signals stay.
///
/// # Errors
/// If that program or its libtorch is not there, or it cannot be started.
fn become_the_program_that_computes() -> Result<()> {
    let own = std::env::current_exe().map_err(Error::io("find", "this program"))?;
    // Links to the program lead to the folder that it was installed in.
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

/// As the system takes it. Neither a path nor a word of the command line holds a zero.
fn text(text: &OsStr) -> CString {
    CString::new(text.as_bytes()).unwrap_or_default()
}
