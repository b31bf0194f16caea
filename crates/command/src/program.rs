//! Both programs of `ablate` do this around a command: they read its words, report its panics and set the exit code.

use crate::cli::{Cli, Computing};
use crate::commands::Places;
use crate::device::LIBTORCH_VERSION;
use crate::error::{Error, Result};
use crate::telemetry::console::{print_error, print_message};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// By this variable of the environment `ablate` tells the program that computes which build it is: both must be of one
/// build. Absent where somebody starts that program directly.
pub const BUILD: &str = "ABLATE_BUILD";

/// Does what the words say that this process was started with; `compute` does what needs libtorch. `commit` is that of the
/// sources that the program was built from.
pub fn run(commit: &str, compute: impl FnOnce(Computing, &Places) -> Result<()>) -> ExitCode {
    let version = format!("{}\ncommit {commit}\nlibtorch {LIBTORCH_VERSION}", env!("CARGO_PKG_VERSION"));
    let cli = Cli::from_command_line(version);
    // libtorch's plain operations panic where memory runs out; people and sweeps get the error instead.
    std::panic::set_hook(Box::new(|panic| {
        if Error::from_panic(panic.payload()).is_none() {
            print_message(&format!(
                "{panic}\nThis is a bug in ablate; please report it with the command and its files."
            ));
        }
    }));
    let run = || check_working_directory().and_then(|()| cli.run(compute));
    let outcome =
        catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| match Error::from_panic(&*panic) {
            Some(error) => Err(error),
            None => std::process::exit(101),
        });
    finish(outcome)
}

/// Refuses to work where no path leads from. Without a working directory, libtorch's matrix library ends the process while it
/// is loaded, with a message about a file of its own.
fn check_working_directory() -> Result<()> {
    match std::env::current_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::user(
            "the working directory does not exist any more; change to one that does, and give the command again",
        )),
        _ => Ok(()),
    }
}

/// Tells an error, and gives the exit code.
pub fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}
