//! `ablate evalb`: labelled-bracket F1 of parse trees.

use super::print;
use super::score::input::read_lines;
use super::tree::read_tree;
use crate::error::{Error, Result};
use crate::score::{Brackets, CUTOFF, EvalbCounts, evalb, percent};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub struct Arguments {
    /// File of reference trees in Penn Treebank form, one tree per line, plain or compressed (.gz, .bz2, .xz, .zst).
    pub gold: PathBuf,
    /// File of trees to score. Line n is compared with line n of the reference trees. An empty line is a sentence
    /// without a tree.
    pub test: PathBuf,
    /// Print one JSON object instead of lines.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments) -> Result<()> {
    let [gold, test] = [&arguments.gold, &arguments.test].map(|path| read_lines(path));
    let (gold, test) = (gold?, test?);
    if gold.len() != test.len() {
        return Err(Error::user(format!(
            "{} has {} lines, but {} has {}; line n of one must belong to line n of the other",
            arguments.gold.display(),
            gold.len(),
            arguments.test.display(),
            test.len()
        )));
    }
    let mut pairs = Vec::with_capacity(gold.len());
    for (number, (gold, test)) in gold.iter().zip(&test).enumerate() {
        let right = parse(&arguments.gold, number, gold)?;
        let found = (!test.trim().is_empty()).then(|| parse(&arguments.test, number, test)).transpose()?;
        pairs.push((right, found));
    }
    let [all, short] = evalb(&pairs);
    if all.sentences == 0 && all.errors > 0 {
        return Err(Error::user(format!(
            "no tree of {} has the words of its reference tree in {}; line n of one must belong to line n of the other",
            arguments.test.display(),
            arguments.gold.display()
        )));
    }
    if arguments.json {
        return print(&format!("{}\n", document(&all, &short)));
    }
    print(&format!("{}\nat most {CUTOFF} words:\n{}", lines(&all), lines(&short)))
}

fn parse(path: &Path, number: usize, text: &str) -> Result<Brackets> {
    read_tree(&format!("{}:{}", path.display(), number + 1), text).map(|tree| Brackets::of(&tree))
}

/// Returns EVALB's counts and scores as JSON: for all sentences, and for the short ones.
pub(super) fn document(all: &EvalbCounts, short: &EvalbCounts) -> Value {
    json!({ "all": values(all), format!("at_most_{CUTOFF}_words"): values(short) })
}

fn values(counts: &EvalbCounts) -> Value {
    json!({
        "sentences": counts.sentences, "errors": counts.errors, "skipped": counts.skipped,
        "matched": counts.matched, "gold": counts.gold, "test": counts.test,
        "recall": counts.recall(), "precision": counts.precision(), "f1": counts.f1(),
        "complete_match": percent(counts.complete, counts.sentences),
        "average_crossing": counts.average_crossing(),
        "no_crossing": percent(counts.none_crossing, counts.sentences),
        "two_or_less_crossing": percent(counts.few_crossing, counts.sentences),
        "tagging_accuracy": percent(counts.right_tags, counts.words),
    })
}

pub(super) fn lines(counts: &EvalbCounts) -> String {
    format!(
        "F1 {:.2} (recall {:.2}, precision {:.2}); {} sentences, {} with other words, {} without a tree\n\
         complete match {:.2} %, tagging accuracy {:.2} %, crossing brackets {:.2} a sentence, none in {:.2} %\n",
        counts.f1(),
        counts.recall(),
        counts.precision(),
        counts.sentences,
        counts.errors,
        counts.skipped,
        percent(counts.complete, counts.sentences),
        percent(counts.right_tags, counts.words),
        counts.average_crossing(),
        percent(counts.none_crossing, counts.sentences),
    )
}
