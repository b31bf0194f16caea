//! `ablate score`: BLEU, chrF, TER and multi-BLEU of runs and of files, with tests of significance.

mod arguments;
mod choice;
pub(super) mod input;
mod output;
mod parses;
mod sacre_bleu;

pub use arguments::Arguments;
pub use sacre_bleu::words;

use super::{Places, print};
use crate::error::{Error, Result};
use input::Given;
use output::Report;
use std::path::PathBuf;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let of_files = !arguments.hyp.is_empty();
    if !of_files && !arguments.references.is_empty() {
        return Err(Error::user("--ref needs translations; add --hyp FILE, with - for standard input"));
    }
    let systems = if of_files { arguments.hyp.len() } else { arguments.runs.len() };
    if (arguments.paired_bs || arguments.paired_ar) && systems < 2 {
        return Err(Error::user(
            "a paired test compares systems; give --hyp at least two files, or name two runs",
        ));
    }
    if arguments.sentence_level && systems > 1 {
        return Err(Error::user("--sentence-level scores one system; give --hyp one file, or name one run"));
    }
    if !of_files && parses::are_scored(&arguments)? {
        return parses::run(&arguments, places);
    }
    let given = match of_files {
        true => Given::files(&arguments.hyp, references(&arguments)?)?,
        false => Given::runs(&arguments.runs, &arguments.splits(), &places.data)?,
    };
    if arguments.as_sacre_bleu() && (given.systems.len() > 1 || given.sets.len() > 1) {
        return Err(Error::user(
            "--format and --score-only print the scores of one system on one set; give --hyp one file, or name one run \
             and add --split dev or test",
        ));
    }
    let report = Report::of(&given, &arguments)?;
    match (arguments.json, arguments.sentence_level) {
        (true, _) => print(&format!("{}\n", report.json(&given, &arguments)?)),
        _ if arguments.as_sacre_bleu() => print(&report.as_sacre_bleu(&arguments)?),
        (false, true) => print(&report.sentence_table(&arguments)?),
        (false, false) => print(&report.text(&given, &arguments)?),
    }
}

/// The references of files of translations, whichever way they are given.
fn references(arguments: &Arguments) -> Result<&[PathBuf]> {
    match (&arguments.references[..], &arguments.runs[..]) {
        ([], []) => Err(Error::user("--hyp needs references; add --ref FILE, or write them before -i")),
        ([], references) | (references, []) => Ok(references),
        (_, [first, ..]) => Err(Error::user(format!(
            "{} cannot be used with both --hyp and --ref: it is neither a translation nor a reference; name runs alone, \
             or give each file by one option",
            first.display()
        ))),
    }
}
