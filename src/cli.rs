//! The words of the command line. What they do is in `commands`.

use crate::color::ColorChoice;
use crate::commands::{self, Places};
use crate::error::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};

/// Trains, decodes and scores Transformers from TOML files, and tabulates their ablations.
#[derive(Debug, Parser)]
#[command(name = "ablate", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    #[command(flatten)]
    places: Places,
    /// When to use colour and bold.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Fetch a corpus, clean it and turn it into tokens, once; goes on where it was stopped.
    ///
    /// Example: ablate prepare wmt14-en-de
    ///
    /// Example: ablate prepare experiments/multi30k/tiny.toml --source ~/multi30k
    Prepare(commands::prepare::Arguments),
    /// Train, decode and score one experiment; goes on where it was stopped.
    ///
    /// Several processes train it together where RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are set (by torchrun, or
    /// by hand; LOCAL_RANK chooses the card), or where srun started several tasks. ABLATE_PEER_TIMEOUT is how many
    /// seconds one that hangs is waited for, 1800 by default.
    ///
    /// Example: ablate train experiments/demo.toml --set model.layers=1
    Train(commands::train::Arguments),
    /// Run all trials of a sweep and print its table; does nothing twice.
    ///
    /// Example: ablate sweep sweeps/demo.toml --workers 2
    Sweep(commands::sweep::Arguments),
    /// What every trial of a sweep is at: while it runs, after it ended, from another terminal.
    ///
    /// Example: ablate status sweeps/demo.toml
    Status(commands::status::Arguments),
    /// Show what a sweep's directory holds that nobody needs any more, and remove it with --yes.
    ///
    /// Superseded runs, runs of rows that the sweep no longer has, training states of finished trials, damaged
    /// files that were set aside, temporary files. Records, scores, translations and scored weights stay.
    ///
    /// Example: ablate clean sweeps/demo.toml --yes
    Clean(commands::clean::Arguments),
    /// Score a finished run, or any translations against references.
    ///
    /// Example: ablate score --hyp out.de --ref newstest2014.de.gz
    Score(commands::score::Arguments),
    /// Score parse trees against the right ones: labelled-bracket F1, as EVALB has it.
    ///
    /// Example: ablate evalb gold.tree parsed.tree
    Evalb(commands::evalb::Arguments),
    /// Normalise, tokenise or detokenise text by Moses's rules.
    ///
    /// Example: ablate moses tokenize --language de < out.de
    Moses(commands::moses::Arguments),
    /// Constituency trees to words and sequences, and back.
    ///
    /// Example: ablate tree sequence < dev.tree
    Tree(commands::tree::Arguments),
    /// Translate lines from standard input with a finished run.
    ///
    /// Example: echo "a dog runs ." | ablate translate results/tiny/seed-1
    Translate(commands::translate::Arguments),
    /// Measure how fast an experiment trains and decodes here, where the time goes, and what the device could do.
    ///
    /// Example: ablate bench experiments/demo.toml --updates 20
    Bench(commands::bench::Arguments),
    /// Say what this machine offers for training, what is missing, and what to do about it.
    ///
    /// Example: ablate doctor --device cuda --check
    Doctor(commands::doctor::Arguments),
    /// Write a finished run's model for another toolkit: safetensors, transformers or CTranslate2.
    ///
    /// The directory holds the scored weights, the tokenizer and the configuration; a Python program
    /// that loads it is printed on standard error.
    ///
    /// Example: ablate export results/tiny/seed-1 --format ctranslate2 --out tiny-ct2
    Export(commands::export::Arguments),
    /// Print a sweep's table again, from what its trials left, and write it as Markdown, LaTeX and CSV.
    ///
    /// Example: ablate table sweeps/demo.toml
    Table(commands::table::Arguments),
    /// Compare two runs, or two rows with all their seeds: settings, scores with tests, sentences, lengths.
    ///
    /// Example: ablate compare results/demo/base results/demo/one-layer
    Compare(commands::compare::Arguments),
    /// Write a sweep's report: one web page with tables, figures and what they rest on; opens offline.
    ///
    /// Example: ablate report sweeps/demo.toml --figures figures
    Report(commands::report::Arguments),
    /// Write a sweep's TensorBoard files anew, from what its trials left.
    ///
    /// A sweep writes them as it runs; this is for runs of earlier versions, or where they were removed.
    ///
    /// Example: ablate tensorboard sweeps/demo.toml
    Tensorboard(commands::tensorboard::Arguments),
    /// Check whether the record of a finished run still holds.
    ///
    /// Example: ablate verify results/demo/base/seed-1 --decode
    Verify(commands::verify::Arguments),
    /// Print the JSON Schema of experiment, sweep or recipe files, for editors.
    ///
    /// Example: ablate schema sweep > docs/schema/sweep.json
    Schema(commands::schema::Arguments),
    /// Print a script that completes commands and options in a shell.
    ///
    /// Example: ablate completions bash > ~/.local/share/bash-completion/completions/ablate
    Completions(commands::completions::Arguments),
    /// Print the manual, or write the pages of all commands.
    ///
    /// Example: ablate man --out ~/.local/share/man/man1
    Man(commands::man::Arguments),
    /// One trial of a sweep, as the sweep's own processes run it.
    #[command(hide = true)]
    Trial(commands::trial::Arguments),
    /// One trial of a sweep, as a job of Slurm's runs it.
    #[command(hide = true)]
    Keep(commands::keep::Arguments),
    /// Time and memory of a few micro-batches, as a plan measures them.
    #[command(hide = true)]
    Probe(commands::probe::Arguments),
}

impl Cli {
    /// The words that this process was started with. Ends it at `--help` and at mistakes.
    pub fn from_command_line() -> Cli {
        let choice = ColorChoice::of_words(std::env::args_os());
        choice.apply();
        let matches = Cli::command().color(choice.for_clap()).get_matches();
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Does what the command line says.
    pub fn run(self) -> Result<()> {
        match self.command {
            Command::Prepare(arguments) => commands::prepare::run(arguments, &self.places),
            Command::Train(arguments) => commands::train::run(arguments, &self.places),
            Command::Sweep(arguments) => commands::sweep::run(arguments, &self.places),
            Command::Status(arguments) => commands::status::run(arguments, &self.places),
            Command::Clean(arguments) => commands::clean::run(arguments, &self.places),
            Command::Score(arguments) => commands::score::run(arguments, &self.places),
            Command::Evalb(arguments) => commands::evalb::run(arguments),
            Command::Moses(arguments) => commands::moses::run(arguments),
            Command::Tree(arguments) => commands::tree::run(arguments),
            Command::Translate(arguments) => commands::translate::run(arguments, &self.places),
            Command::Bench(arguments) => commands::bench::run(arguments, &self.places),
            Command::Doctor(arguments) => commands::doctor::run(arguments),
            Command::Export(arguments) => commands::export::run(arguments, &self.places),
            Command::Table(arguments) => commands::table::run(arguments, &self.places),
            Command::Compare(arguments) => commands::compare::run(arguments, &self.places),
            Command::Report(arguments) => commands::report::run(arguments, &self.places),
            Command::Tensorboard(arguments) => commands::tensorboard::run(arguments, &self.places),
            Command::Verify(arguments) => commands::verify::run(arguments, &self.places),
            Command::Schema(arguments) => commands::schema::run(arguments),
            Command::Completions(arguments) => commands::completions::run(arguments, Cli::command()),
            Command::Man(arguments) => commands::man::run(arguments, Cli::command()),
            Command::Trial(arguments) => commands::trial::run(arguments, &self.places),
            Command::Keep(arguments) => commands::keep::run(arguments, &self.places),
            Command::Probe(arguments) => commands::probe::run(arguments, &self.places),
        }
    }
}
