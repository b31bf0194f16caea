//! `ablate tree`: converts constituency trees to a parser's inputs and outputs, and back.

use super::score::input::read_lines;
use super::{print, read_standard_input};
use crate::constituency_tree::{EXAMPLE, LeafForm, Tree};
use crate::error::{Error, Result};
use crate::telemetry::console::print_message;
use crate::tree_repair;
use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    step: Step,
}

#[derive(Debug, Subcommand)]
enum Step {
    /// Print the words of each tree, which are the input of a parser.
    ///
    /// Example: ablate tree words < dev.tree > dev.words
    Words,
    /// Print each tree as a sequence, which is the output of a parser.
    ///
    /// Traces, functions and tags are left out, as in Vinyals et al. 2015: (S (NP XX XX )NP (VP XX )VP )S
    ///
    /// Example: ablate tree sequence < dev.tree > dev.sequences
    Sequence {
        /// Print the tag of each word in place of XX.
        #[arg(long)]
        tags: bool,
    },
    /// Print the tree that each sequence represents, or an empty line if it represents none.
    ///
    /// Example: ablate tree restore --like dev.tree < parsed.sequences > parsed.tree
    Restore {
        /// File of trees, one per line, in the order of the sequences, plain or compressed (.gz, .bz2, .xz, .zst). Their
        /// words and tags replace XX.
        #[arg(long, value_name = "FILE")]
        like: PathBuf,
        /// The sequences have tags in place of XX, which the trees are given.
        #[arg(long)]
        tags: bool,
        /// Repair a sequence that represents no tree, as is done with what a trained parser writes.
        #[arg(long)]
        repair: bool,
    },
}

fn leaves(tags: bool) -> LeafForm {
    if tags { LeafForm::Tag } else { LeafForm::Word }
}

pub fn run(arguments: Arguments) -> Result<()> {
    let input = read_standard_input()?;
    let lines = || (1..).zip(input.split_terminator('\n'));
    let output = match arguments.step {
        Step::Words => each_tree(lines(), |tree| tree.sentence())?,
        Step::Sequence { tags } => each_tree(lines(), |tree| tree.sequence(leaves(tags)))?,
        Step::Restore { like, tags, repair } => {
            let name = like.display().to_string();
            let like = read_lines(&like)?;
            let sequences = lines().count();
            if like.len() != sequences {
                return Err(Error::user(format!(
                    "{name} has {} lines, but standard input has {sequences}; expected a sequence for each tree",
                    like.len()
                )));
            }
            let mut broken = Vec::new();
            let mut output = String::new();
            for ((number, sequence), like) in lines().zip(&like) {
                let like = read_tree(&format!("{name}: line {number}"), like)?;
                let form = leaves(tags);
                match Tree::from_sequence(sequence, form, like.leaves()) {
                    Ok(tree) => output += &tree.to_string(),
                    Err(problem) => {
                        broken.push(format!("line {number}: {problem}"));
                        let repaired = repair.then(|| tree_repair::repair(sequence, form, like.leaves()).0);
                        output += &repaired.flatten().map(|tree| tree.to_string()).unwrap_or_default();
                    }
                }
                output.push('\n');
            }
            if let Some(first) = broken.first() {
                print_message(&format!(
                    "{} of {sequences} sequences are no tree; the first: {first}",
                    broken.len()
                ));
            }
            output
        }
    };
    print(&output)
}

fn each_tree<'a>(
    lines: impl Iterator<Item = (usize, &'a str)>,
    form: impl Fn(&Tree) -> String,
) -> Result<String> {
    let mut output = String::new();
    for (number, line) in lines {
        output += &form(&read_tree(&format!("standard input: line {number}"), line)?);
        output.push('\n');
    }
    Ok(output)
}

/// The tree that a line holds; `place` is where the line stands.
pub fn read_tree(place: &str, line: &str) -> Result<Tree> {
    Tree::parse(line).map_err(|problem| {
        Error::user(format!("{place}: {problem}; expected a tree a line, such as {EXAMPLE}"))
    })
}
