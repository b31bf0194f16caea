//! The command `ablate`.

use ablate::error::Error;
use ablate::telemetry::console::{say, say_error};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = ablate::cli::Cli::from_command_line();
    // libtorch's plain operations panic where memory runs out; people and sweeps get the error instead.
    std::panic::set_hook(Box::new(|panic| {
        if out_of_memory(panic.payload()).is_none() {
            say(&format!(
                "{panic}\nThis is a bug in ablate; please report it with the command and its files."
            ));
        }
    }));
    let outcome =
        std::panic::catch_unwind(|| cli.run()).unwrap_or_else(|panic| match out_of_memory(&*panic) {
            Some(error) => Err(error),
            None => std::process::exit(101),
        });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say_error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// The error behind a panic of libtorch's for lack of memory.
fn out_of_memory(panic: &(dyn std::any::Any + Send)) -> Option<Error> {
    let text = panic.downcast_ref::<String>()?;
    let error = Error::from_torch_message(text);
    matches!(error, Error::OutOfMemory(_)).then_some(error)
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
