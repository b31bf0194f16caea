//! The command `ablate`.

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    match ablate::cli::Cli::parse().run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}
