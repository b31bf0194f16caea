//! The command line: its commands and their options. `commands` implements them.

use crate::color;
use crate::commands::{self, Places};
use crate::error::Result;
use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};

/// Train, decode and score Transformers that TOML files describe, and print tables of their ablations.
#[derive(Debug, Parser)]
#[command(name = "ablate", version, propagate_version = true, max_term_width = 100)]
pub struct Cli {
    // `GLOBAL_OPTIONS` in `commands/score/sacre_bleu` repeats the names of these options.
    #[command(flatten)]
    places: Places,
    /// When to use colours and bold text; `auto` is on terminals, unless NO_COLOR is set or TERM is dumb.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t)]
    color: ColorChoice,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Download a corpus, clean it and turn it into tokens. Done once; continues after an interruption.
    ///
    /// Example: ablate prepare wmt14-en-de
    ///
    /// Example: ablate prepare experiments/multi30k/tiny.toml --source ~/multi30k
    Prepare(commands::prepare::Arguments),
    /// Train, decode and score one experiment. Continues after an interruption.
    ///
    /// Several processes train one model together if RANK, WORLD_SIZE, MASTER_ADDR and MASTER_PORT are set (by torchrun
    /// or by hand; LOCAL_RANK chooses the GPU), or if srun started several tasks. ABLATE_PEER_TIMEOUT is the number of
    /// seconds to wait for a process that does not answer, 1800 by default.
    ///
    /// Example: ablate train experiments/demo.toml --set model.layers=1
    Train(commands::train::Arguments),
    /// Run all trials of a sweep and print its table. Finished trials are not trained again.
    ///
    /// Example: ablate sweep sweeps/demo.toml --workers 2
    Sweep(commands::sweep::Arguments),
    /// Show the state of every trial of a sweep, while it runs or afterwards, also from another terminal.
    ///
    /// Example: ablate status sweeps/demo.toml
    Status(commands::status::Arguments),
    /// List files of a sweep that are no longer needed, and remove them after confirmation or with --yes.
    ///
    /// These are superseded runs, runs of rows that the sweep no longer has, training states of finished trials,
    /// damaged files that were set aside, files of Slurm jobs that are over, and temporary files. Records, scores,
    /// translations and scored weights stay.
    ///
    /// Example: ablate clean sweeps/demo.toml --yes
    Clean(commands::clean::Arguments),
    /// Score finished runs, or any translations against references.
    ///
    /// Example: ablate score --hyp out.de --ref newstest2014.de.gz
    ///
    /// Example: ablate score newstest2014.de -i out.de -m bleu --format text
    Score(commands::score::Arguments),
    /// Score parse trees against reference trees: labelled-bracket F1, computed as by EVALB.
    ///
    /// Example: ablate evalb gold.tree parsed.tree
    Evalb(commands::evalb::Arguments),
    /// Normalise, tokenise or detokenise text by Moses's rules.
    ///
    /// Example: ablate moses tokenize --language de < out.de
    Moses(commands::moses::Arguments),
    /// Convert constituency trees to words and sequences, and back.
    ///
    /// Example: ablate tree sequence < dev.tree
    Tree(commands::tree::Arguments),
    /// Translate lines from standard input with a finished run.
    ///
    /// All of standard input is read before the first translation is printed.
    ///
    /// Example: echo "a dog runs ." | ablate translate results/multi30k-tiny/seed-1
    Translate(commands::translate::Arguments),
    /// Let a finished run of a language model write, by chance or always the most probable token.
    ///
    /// Example: ablate generate results/shakespeare-char/seed-1 --prompt ROMEO: --top-k 40
    Generate(commands::generate::Arguments),
    /// Measure the speed of training and decoding on this machine, how the time is spent, and the peak of the device.
    ///
    /// Example: ablate bench experiments/demo.toml --updates 20
    Bench(commands::bench::Arguments),
    /// Measure what layers cost by the length of a sequence and by their width: Table 1 of the paper.
    ///
    /// Time, memory and operations of one layer of each kind, exponents of length and width beside the stated ones, the
    /// operations that follow on each other, and the number of layers between two positions (docs/complexity.md).
    ///
    /// Example: ablate complexity --widths 64 --lengths 64,128,256,512 --repeat 3
    ///
    /// Example: ablate complexity --out results/table1
    Complexity(commands::complexity::Arguments),
    /// Report what this machine offers for training, what is missing, and how to correct it.
    ///
    /// Example: ablate doctor --device cuda --check
    Doctor(commands::doctor::Arguments),
    /// Write a finished run's model for another toolkit: safetensors, transformers, CTranslate2 or word2vec.
    ///
    /// The directory holds the scored weights, the tokenizer and the configuration; a Python program
    /// that loads it is printed on standard error.
    ///
    /// Example: ablate export results/multi30k-tiny/seed-1 --format ctranslate2 --out tiny-ct2
    Export(commands::export::Arguments),
    /// Print the table of a sweep again from its run directories, and write it as Markdown, LaTeX and CSV.
    ///
    /// Example: ablate table sweeps/demo.toml
    Table(commands::table::Arguments),
    /// Compare two runs, or two rows with all their seeds: settings, scores with tests, sentences, lengths.
    ///
    /// Example: ablate compare results/demo/base results/demo/one-layer
    Compare(commands::compare::Arguments),
    /// Write the report of a sweep: one web page with tables, figures and provenance, which opens offline.
    ///
    /// Example: ablate report sweeps/demo.toml --figures figures
    Report(commands::report::Arguments),
    /// Write the TensorBoard files of a sweep again from its run directories.
    ///
    /// A sweep writes these files while it runs. Use this command for runs of earlier versions, or if the files were
    /// removed.
    ///
    /// Example: ablate tensorboard sweeps/demo.toml
    Tensorboard(commands::tensorboard::Arguments),
    /// Check whether the record of a finished run still agrees with its files and scores.
    ///
    /// Example: ablate verify results/demo/base/seed-1 --decode
    Verify(commands::verify::Arguments),
    /// Print what experiment, sweep or recipe files may hold: as JSON Schema, which editors use to complete and check
    /// keys, or as a page for readers.
    ///
    /// Example: ablate schema sweep --format markdown
    ///
    /// Example: ablate schema --out docs
    Schema(commands::schema::Arguments),
    /// Print a script with which a shell completes commands and options.
    ///
    /// Example: ablate completions bash > ~/.local/share/bash-completion/completions/ablate
    Completions(commands::completions::Arguments),
    /// Print the manual, or write the pages of all commands.
    ///
    /// Example: ablate man --out ~/.local/share/man/man1
    Man(commands::man::Arguments),
    /// Run one trial of a sweep; started by the sweep.
    #[command(hide = true)]
    Trial(commands::trial::Arguments),
    /// Run one trial of a sweep in a Slurm job; started by the sweep.
    #[command(hide = true)]
    Keep(commands::keep::Arguments),
    /// Measure time and memory of a few micro-batches; started by a plan.
    #[command(hide = true)]
    Probe(commands::probe::Arguments),
}

/// A command that needs libtorch.
#[derive(Debug)]
pub enum Computing {
    Train(commands::train::Arguments),
    Translate(commands::translate::Arguments),
    Generate(commands::generate::Arguments),
    Bench(commands::bench::Arguments),
    Complexity(commands::complexity::Arguments),
    Doctor(commands::doctor::Arguments),
    Export(commands::export::Arguments),
    Verify(commands::verify::Arguments),
    Trial(commands::trial::Arguments),
    Probe(commands::probe::Arguments),
}

/// Lets options take negative numbers as values, so that the error names the option that does not accept one.
fn take_negative_numbers(command: clap::Command) -> clap::Command {
    command
        .mut_args(|argument| match argument.get_action().takes_values() {
            true => argument.allow_negative_numbers(true),
            false => argument,
        })
        .mut_subcommands(take_negative_numbers)
}

impl Cli {
    /// Reads the words that this process was started with. Ends the process at `--help`, at `--version`, which prints
    /// `version`, and at mistakes.
    pub fn from_command_line(version: String) -> Cli {
        let choice = color::choice_of_words(std::env::args_os());
        color::apply(choice);
        let words = commands::score::words(std::env::args_os());
        // clap keeps texts that live as long as the process.
        let command = take_negative_numbers(Cli::command()).long_version(&*version.leak());
        let matches = command.color(choice).get_matches_from(words);
        Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit())
    }

    /// Runs the command; `compute` runs the commands that need libtorch.
    pub fn run(self, compute: impl FnOnce(Computing, &Places) -> Result<()>) -> Result<()> {
        match self.command {
            Command::Prepare(arguments) => commands::prepare::run(arguments, &self.places),
            Command::Train(arguments) => compute(Computing::Train(arguments), &self.places),
            Command::Sweep(arguments) => commands::sweep::run(arguments, &self.places),
            Command::Status(arguments) => commands::status::run(arguments, &self.places),
            Command::Clean(arguments) => commands::clean::run(arguments, &self.places),
            Command::Score(arguments) => commands::score::run(arguments, &self.places),
            Command::Evalb(arguments) => commands::evalb::run(arguments),
            Command::Moses(arguments) => commands::moses::run(arguments),
            Command::Tree(arguments) => commands::tree::run(arguments),
            Command::Translate(arguments) => compute(Computing::Translate(arguments), &self.places),
            Command::Generate(arguments) => compute(Computing::Generate(arguments), &self.places),
            Command::Bench(arguments) => compute(Computing::Bench(arguments), &self.places),
            Command::Complexity(arguments) => compute(Computing::Complexity(arguments), &self.places),
            Command::Doctor(arguments) => compute(Computing::Doctor(arguments), &self.places),
            Command::Export(arguments) => compute(Computing::Export(arguments), &self.places),
            Command::Table(arguments) => commands::table::run(arguments, &self.places),
            Command::Compare(arguments) => commands::compare::run(arguments, &self.places),
            Command::Report(arguments) => commands::report::run(arguments, &self.places),
            Command::Tensorboard(arguments) => commands::tensorboard::run(arguments, &self.places),
            Command::Verify(arguments) => compute(Computing::Verify(arguments), &self.places),
            Command::Schema(arguments) => commands::schema::run(arguments),
            Command::Completions(arguments) => commands::completions::run(arguments, Cli::command()),
            Command::Man(arguments) => commands::man::run(arguments, Cli::command()),
            Command::Trial(arguments) => compute(Computing::Trial(arguments), &self.places),
            Command::Keep(arguments) => commands::keep::run(arguments, &self.places),
            Command::Probe(arguments) => compute(Computing::Probe(arguments), &self.places),
        }
    }
}
