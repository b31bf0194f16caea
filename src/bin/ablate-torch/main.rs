//! The part of the command `ablate` that computes with libtorch. `ablate` execs it; users do not start it.

mod bench;
mod complexity;
mod doctor;
mod export;
mod generate;
mod probe;
mod train;
mod translate;
mod trial;
mod verify;

use ablate_base::allocator::Allocator;
use ablate_base::error::{Error, Result};
use ablate_base::signal;
use ablate_command::cli::Computing;
use ablate_command::commands::Places;
use ablate_command::program::{self, BUILD};
use ablate_compute::{experiment, shim};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    signal::refuse_writes_beyond_limits();
    shim::end_where_memory_runs_out();
    let commit = env!("ABLATE_COMMIT");
    experiment::state_commit(commit);
    match check_build() {
        Ok(()) => program::run(commit, compute),
        error => program::finish(error),
    }
}

/// Checks that `ablate`, which execs this program, is of the same build.
///
/// # Errors
/// If the builds differ: one of the two programs was built or installed alone.
fn check_build() -> Result<()> {
    let own = env!("ABLATE_BUILD");
    match std::env::var(BUILD) {
        Ok(other) if other != own => Err(Error::failed(format!(
            "ablate is version {other}, but ablate-torch beside it is version {own}; build or install ablate again (`cargo \
             build --release`, `cargo install --path .`)"
        ))),
        _ => Ok(()),
    }
}

fn compute(command: Computing, places: &Places) -> Result<()> {
    match command {
        Computing::Train(arguments) => train::run(arguments, places),
        Computing::Translate(arguments) => translate::run(arguments, places),
        Computing::Generate(arguments) => generate::run(arguments, places),
        Computing::Bench(arguments) => bench::run(arguments, places),
        Computing::Complexity(arguments) => complexity::run(arguments),
        Computing::Doctor(arguments) => doctor::run(arguments),
        Computing::Export(arguments) => export::run(arguments, places),
        Computing::Verify(arguments) => verify::run(arguments, places),
        Computing::Trial(arguments) => trial::run(arguments, places),
        Computing::Probe(arguments) => probe::run(arguments, places),
    }
}
