//! The words of the command line. What they do is in `commands`.

use crate::commands::{self, Places};
use crate::error::Result;
use clap::{Parser, Subcommand};

/// Trains, decodes and scores Transformers from TOML files, and tabulates their ablations.
#[derive(Debug, Parser)]
#[command(name = "ablate", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    places: Places,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn an experiment's corpus into tokens, once.
    ///
    /// Example: ablate prepare experiments/multi30k/tiny.toml --source ~/multi30k
    Prepare(commands::prepare::Arguments),
    /// Train, decode and score one experiment; goes on where it was stopped.
    ///
    /// Example: ablate train experiments/demo.toml --set model.layers=1
    Train(commands::train::Arguments),
    /// Run all trials of a sweep and print its table; does nothing twice.
    ///
    /// Example: ablate sweep sweeps/demo.toml --workers 2
    Sweep(commands::sweep::Arguments),
    /// Score a finished run, or any translations against references.
    ///
    /// Example: ablate score --hyp out.de --ref newstest2014.de.gz
    Score(commands::score::Arguments),
    /// Translate lines from standard input with a finished run.
    ///
    /// Example: echo "a dog runs ." | ablate translate results/tiny/seed-1
    Translate(commands::translate::Arguments),
    /// Print a sweep's table again, from what its trials left.
    ///
    /// Example: ablate table sweeps/demo.toml
    Table(commands::table::Arguments),
    /// Check whether the record of a finished run still holds.
    ///
    /// Example: ablate verify results/demo/base/seed-1 --decode
    Verify(commands::verify::Arguments),
    /// One trial of a sweep, as the sweep's own processes run it.
    #[command(hide = true)]
    Trial(commands::trial::Arguments),
    /// Time and memory of a few micro-batches, as a plan measures them.
    #[command(hide = true)]
    Probe(commands::probe::Arguments),
}

impl Cli {
    /// Does what the command line says.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Prepare(arguments) => commands::prepare::run(arguments, &self.places),
            Command::Train(arguments) => commands::train::run(arguments, &self.places),
            Command::Sweep(arguments) => commands::sweep::run(arguments, &self.places),
            Command::Score(arguments) => commands::score::run(arguments, &self.places),
            Command::Translate(arguments) => commands::translate::run(arguments, &self.places),
            Command::Table(arguments) => commands::table::run(arguments, &self.places),
            Command::Verify(arguments) => commands::verify::run(arguments, &self.places),
            Command::Trial(arguments) => commands::trial::run(arguments, &self.places),
            Command::Probe(arguments) => commands::probe::run(arguments, &self.places),
        }
    }
}
