//! The command `ablate`.

use ablate::color;
use ablate::error::Error;
use ablate::telemetry::console::say;
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
            say(&color::error(&error.to_string(), color::on_stderr()));
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
