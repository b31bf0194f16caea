//! The command `ablate`.

use ablate::allocator::Allocator;
use ablate::error::Error;
use ablate::telemetry::console::{print_error, print_message};
use ablate::{shim, signal};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    signal::refuse_writes_beyond_limits();
    shim::end_where_memory_runs_out();
    let cli = ablate::cli::Cli::from_command_line();
    // libtorch's plain operations panic where memory runs out; people and sweeps get the error instead.
    std::panic::set_hook(Box::new(|panic| {
        if Error::from_panic(panic.payload()).is_none() {
            print_message(&format!(
                "{panic}\nThis is a bug in ablate; please report it with the command and its files."
            ));
        }
    }));
    let outcome =
        std::panic::catch_unwind(|| cli.run()).unwrap_or_else(|panic| match Error::from_panic(&*panic) {
            Some(error) => Err(error),
            None => std::process::exit(101),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// Without a working directory, libtorch's matrix library ends the process while the program is loaded, with a message about
/// a file of its own. The functions in this section run before that.
#[cfg(target_os = "linux")]
#[used]
#[unsafe(link_section = ".preinit_array")]
static CHECK_WORKING_DIRECTORY: extern "C" fn() = check_working_directory;

#[cfg(target_os = "linux")]
extern "C" fn check_working_directory() {
    const MESSAGE: &str = "error: the working directory does not exist any more; change to one that does, and give the command again\n";
    let mut buffer = [0u8; libc::PATH_MAX as usize];
    // SAFETY: the buffer is as long as stated, and so is the message. Nothing of Rust's runtime is needed, which has not
    // started.
    unsafe {
        let found = libc::getcwd(buffer.as_mut_ptr().cast(), buffer.len());
        if found.is_null() && *libc::__errno_location() == libc::ENOENT {
            libc::write(libc::STDERR_FILENO, MESSAGE.as_ptr().cast(), MESSAGE.len());
            libc::_exit(2);
        }
    }
}
