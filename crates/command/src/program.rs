//! Code that both programs of `ablate` run around a command: it reads arguments, reports panics and sets the exit code.

use crate::cli::{Cli, Computing};
use crate::commands::Places;
use crate::device::LIBTORCH_VERSION;
use crate::error::{Error, Result};
use crate::telemetry::console::{print_error, print_message};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;

/// Environment variable by which `ablate` tells the program that computes its build: both must be of one build. Unset
/// if that program is started directly.
pub const BUILD: &str = "ABLATE_BUILD";

/// Runs the command that this process was started with; `compute` runs commands that need libtorch. `commit` is the
/// commit of the sources that the program was built from.
pub fn run(commit: &str, compute: impl FnOnce(Computing, &Places) -> Result<()>) -> ExitCode {
    let version = format!("{}\ncommit {commit}\nlibtorch {LIBTORCH_VERSION}", env!("CARGO_PKG_VERSION"));
    let cli = Cli::from_command_line(version);
    // libtorch's operations panic if memory runs out. Such a panic becomes an error for users and sweeps.
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

/// Refuses to work in a directory that was removed. Without a working directory, libtorch's matrix library ends the
/// process while it is loaded, with a message about a file of its own.
fn check_working_directory() -> Result<()> {
    match std::env::current_dir() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Err(Error::user(
            "the working directory does not exist any more; change to one that does, and give the command again",
        )),
        _ => Ok(()),
    }
}

/// Prints an error, and returns the exit code.
pub fn finish(outcome: Result<()>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            print_error(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}
