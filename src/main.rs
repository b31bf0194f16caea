//! The command `ablate`.

use ablate::color;
use ablate::error::Error;
use ablate::memory::Allocator;
use ablate::telemetry::console::say;
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
            say(&format!(
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
            say(&color::error(&error.to_string(), color::on_stderr()));
            ExitCode::from(error.exit_code())
        }
    }
}
