//! The objectives that a search can have: scores of a finished trial that do not use the test set.

use super::settings::mistake;
use crate::config::Experiment;
use crate::error::{Place, Result, did_you_mean};
use crate::experiment::measured::{advice_on, measured};
use crate::results::metric::{Better, METRICS, Metric, TEST, find, tag};

/// Returns the tags of these metrics that can be the objective of a search.
pub fn objectives(metrics: &[Metric]) -> Vec<String> {
    let sets = metrics.iter().flat_map(|metric| metric.recorded.iter().map(move |set| (metric, *set)));
    sets.filter(|(_, set)| *set != TEST).map(|(metric, set)| metric.tag(set)).collect()
}

/// Checks that trials of this experiment measure the score that a search looks for.
///
/// # Errors
/// A mistake at `place` if they do not.
pub fn check_measured(objective: &str, experiment: &Experiment, place: &Place) -> Result<()> {
    let known = objectives(&measured(experiment));
    if known.iter().any(|known| known == objective) {
        return Ok(());
    }
    let message = format!("search: objective = {objective:?} is not measured of these trials");
    let advice = find(&METRICS, objective).and_then(|(metric, _)| advice_on(metric, experiment));
    let advice = advice.map_or_else(|| "expected".to_string(), |advice| format!("{advice}, or use"));
    Err(mistake(message, place, format!("{advice} one of {}", known.join(", "))))
}

/// Keys that change how scores with a signature are counted.
const COUNTING: [&str; 2] = ["decoding.tokenize", "data.lowercase"];
/// Keys that change the tokens of a text, which the scores without a signature count.
const TOKENS: [&str; 4] = ["data.merges", "data.pieces", "data.vocabulary", "data.lowercase"];

/// Checks that a search does not draw what changes how its objective is counted: its draws would not compare. `drawn` are
/// its keys with their places in the file.
///
/// # Errors
/// A mistake at the first such key.
pub fn check_comparable<'a>(
    objective: &str,
    mut drawn: impl Iterator<Item = (&'a str, &'a Place)>,
) -> Result<()> {
    let Some((metric, _)) = find(&METRICS, objective) else { return Ok(()) };
    // A word or a character is the same in all tokens, unless it is lower-cased.
    let counts_tokens = !["per word", "per character", "bits per character"].contains(&metric.unit);
    let changing: &[&str] = match (metric.has_signature, counts_tokens) {
        (true, _) => &COUNTING,
        (false, true) => &TOKENS,
        (false, false) => &TOKENS[3..],
    };
    let Some((key, place)) = drawn.find(|(key, _)| changing.contains(key)) else { return Ok(()) };
    let message = format!("search: {key} changes how {objective} is counted, so that draws do not compare");
    Err(mistake(message, place, "leave it out of [search], or use an objective that does not depend on it"))
}

/// Returns whether lower or higher values of an objective are better.
///
/// # Errors
/// A mistake at `place` for a score of the test set, or for a tag that is no score of a finished trial.
pub fn check_objective(objective: &str, place: &Place) -> Result<Better> {
    let known = objectives(&METRICS);
    if let Some((metric, _)) =
        find(&METRICS, objective).filter(|_| known.iter().any(|known| known == objective))
    {
        return Ok(metric.better);
    }
    let (set, name) = objective.split_once('/').unwrap_or((objective, ""));
    if set == TEST {
        let on_dev = tag("dev", name);
        let instead = known.iter().find(|known| **known == on_dev).map_or("dev/bleu", String::as_str);
        let message = format!("search: objective = {objective:?} is a score on the test set");
        let help = format!(
            "settings that are chosen by the test set fit it, and its score says nothing any more; use {instead:?}"
        );
        return Err(mistake(message, place, help));
    }
    let guess = did_you_mean(objective, known.iter().map(String::as_str));
    let message = format!("search: objective = {objective:?} is no score of a finished trial");
    Err(mistake(message, place, format!("{guess}expected one of {}", known.join(", "))))
}
