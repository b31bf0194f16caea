//! `ablate score`: BLEU, chrF, TER and multi-BLEU of runs and of files, with tests of significance.

mod arguments;
mod choice;
mod input;
mod output;

pub use arguments::Arguments;

use super::{Places, print};
use crate::error::{Error, Result};
use input::Given;
use output::Report;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    let systems = arguments.runs.len().max(arguments.hyp.len());
    if (arguments.paired_bs || arguments.paired_ar) && systems < 2 {
        return Err(Error::user(
            "a paired test compares systems; give --hyp at least two files, or name two runs",
        ));
    }
    if arguments.sentence_level && systems > 1 {
        return Err(Error::user("--sentence-level scores one system; give --hyp one file, or name one run"));
    }
    let given = match arguments.runs.is_empty() {
        true => Given::files(&arguments.hyp, &arguments.references)?,
        false => Given::runs(&arguments.runs, arguments.split, &places.data)?,
    };
    let report = Report::of(&given, &arguments)?;
    match (arguments.json, arguments.sentence_level) {
        (true, _) => print(&format!("{}\n", report.json(&given, &arguments)?)),
        (false, true) => print(&report.sentence_table()?),
        (false, false) => print(&report.text(&given, &arguments)?),
    }
}
