//! The parses of runs, scored as EVALB does.

use super::Arguments;
use super::choice::every_option_acts;
use crate::commands::{Places, evalb, print};
use crate::error::{Error, Result};
use crate::experiment::{finished_run, open_data, recorded_hypotheses};
use crate::score::evalb_of_lines;
use crate::train::TaskKind;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Whether the named runs are parsers. A path that is no finished run counts as another model; the scoring refuses it later.
///
/// # Errors
/// A user error where some are and others are not.
pub(super) fn are_scored(arguments: &Arguments) -> Result<bool> {
    let is_parser = |run: &Path| {
        run.is_dir()
            && finished_run(run, &[]).is_ok_and(|(experiment, _)| experiment.task() == TaskKind::Parsing)
    };
    let (parsers, others): (Vec<_>, Vec<_>) = arguments.runs.iter().partition(|run| is_parser(run));
    match (parsers.first(), others.first()) {
        (Some(parser), Some(other)) => Err(Error::user(format!(
            "{} is a parser, which is scored by EVALB, and {} is none; score them one by one",
            parser.display(),
            other.display()
        ))),
        (parser, _) => Ok(parser.is_some()),
    }
}

/// Prints EVALB's scores of the stored parses of each run.
///
/// # Errors
/// A user error for options of other metrics, and where the data of a run are not prepared; a failure where parses are not
/// as recorded.
pub(super) fn run(arguments: &Arguments, places: &Places) -> Result<()> {
    let shaped = arguments.width.is_some() || arguments.short;
    if shaped
        || !arguments.metrics.is_empty()
        || arguments.sentence_level
        || arguments.as_sacre_bleu()
        || arguments.draws()
    {
        return Err(Error::user(
            "the parses of a run are scored by EVALB alone, as a whole; of the options, --split and --json apply",
        ));
    }
    every_option_acts(arguments, &[])?;
    let splits = arguments.splits();
    let mut text = String::new();
    let mut found = Vec::new();
    for run in &arguments.runs {
        let (experiment, record) = finished_run(run, &[])?;
        let data = open_data(run, (&experiment, &record), &places.data)?;
        let mut values = Map::from_iter([("run".to_string(), json!(run.display().to_string()))]);
        for &split in &splits {
            let hypotheses = recorded_hypotheses(run, &record, split)?;
            let [all, short] = evalb_of_lines(&hypotheses, &data.text(split)?.target)?;
            text += &format!(
                "{} on {}\n{}at most {} words:\n{}",
                run.display(),
                split.name(),
                evalb::lines(&all),
                crate::score::CUTOFF,
                evalb::lines(&short)
            );
            values.insert(split.name().to_string(), evalb::document(&all, &short));
        }
        found.push(Value::Object(values));
    }
    match arguments.json {
        true => print(&format!("{}\n", json!({ "runs": found }))),
        false => print(&text),
    }
}
