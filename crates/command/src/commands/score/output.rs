//! Scores of every system on every set, as text and as JSON.

use super::arguments::Arguments;
use super::choice::metrics;
use super::input::{Given, Set};
use crate::error::{Error, Result};
use crate::score::{
    BOOTSTRAP_RESAMPLES, Counts, Interval, Metric, RANDOMIZATION_TRIALS, RESAMPLING_SEED, confidence,
    paired_bootstrap, paired_randomization,
};
use serde_json::{Map, Value, json};

/// The counts of every metric.
pub(super) struct Report(pub(super) Vec<Scored>);

/// A metric and its counts, by set and system.
pub(super) struct Scored {
    name: &'static str,
    pub(super) metric: Box<dyn Metric>,
    pub(super) signature: String,
    pub(super) counts: Vec<Vec<Counts>>,
}

impl Report {
    /// # Errors
    /// A user error where options contradict each other or texts do not pair up.
    pub fn of(given: &Given, arguments: &Arguments) -> Result<Report> {
        let scored = metrics(arguments, given.of_runs.as_ref())?.into_iter().map(|(name, metric)| {
            let of_set = |set: &Set| {
                let systems = set.hypotheses.iter().zip(&given.systems);
                let counts = systems.map(|(hypotheses, system)| {
                    let counts = metric.counts(hypotheses, &set.references);
                    counts.map_err(|error| Error::user(format!("{system}: {error}")))
                });
                counts.collect::<Result<Vec<_>>>()
            };
            let counts = given.sets.iter().map(of_set).collect::<Result<_>>()?;
            let signature = signature(metric.as_ref(), given.sets[0].references.len(), arguments);
            Ok(Scored { name, metric, signature, counts })
        });
        Ok(Report(scored.collect::<Result<_>>()?))
    }

    /// Returns the scores of every metric with its signature below, and the perplexities in the records of runs.
    pub fn text(&self, given: &Given, arguments: &Arguments) -> Result<String> {
        let several = given.systems.len() > 1;
        let shown = |set: &Set, system: usize| {
            let split = set.split.map(|split| format!("{}: ", split.name())).unwrap_or_default();
            let system = if several { format!("{}: ", given.systems[system]) } else { String::new() };
            split + &system
        };
        let mut text = String::new();
        for scored in &self.0 {
            for (number, set) in given.sets.iter().enumerate() {
                for system in 0..given.systems.len() {
                    let (line, _) = scored.outcome(number, system, arguments)?;
                    text += &format!("{}{line}\n", shown(set, system));
                }
            }
            text += &format!("{}\n", scored.signature);
        }
        for set in given.sets.iter().filter(|_| arguments.metrics.is_empty()) {
            for (system, recorded) in set.recorded.iter().enumerate() {
                for (metric, value) in recorded {
                    text += &format!("{}perplexity {value:.4} {}\n", shown(set, system), metric.unit);
                }
            }
        }
        Ok(text)
    }

    /// Returns an object by metric, or a list of such objects with the systems' names; for runs, this for each set.
    pub fn json(&self, given: &Given, arguments: &Arguments) -> Result<Value> {
        let mut sets = Map::new();
        for (number, set) in given.sets.iter().enumerate() {
            let mut systems = Vec::new();
            for (system, path) in given.systems.iter().enumerate() {
                let mut object = Map::new();
                for scored in &self.0 {
                    let (_, mut json) = scored.outcome(number, system, arguments)?;
                    json["signature"] = json!(scored.signature);
                    object.insert(scored.name.to_string(), json);
                }
                if arguments.metrics.is_empty() {
                    let recorded = set.recorded[system].iter();
                    object.extend(recorded.map(|(metric, value)| (metric.name.to_string(), json!(value))));
                }
                if given.systems.len() > 1 {
                    let key = if given.of_runs.is_some() { "run" } else { "file" };
                    object.insert(key.to_string(), json!(path));
                }
                systems.push(Value::Object(object));
            }
            let json = match given.systems.len() {
                1 => systems.remove(0),
                _ => json!({ "systems": systems }),
            };
            match set.split {
                Some(split) => sets.insert(split.name().to_string(), json),
                None => return Ok(json),
            };
        }
        Ok(Value::Object(sets))
    }

    /// Returns one line per sentence: the only system's scores in the order of the metrics, separated by tabs.
    ///
    /// # Errors
    /// A user error where there are two sets.
    pub fn sentence_table(&self, arguments: &Arguments) -> Result<String> {
        let column = |scored: &Scored| -> Vec<f64> {
            scored.counts[0][0].rows().map(|row| scored.metric.score(row)).collect()
        };
        if self.0.iter().any(|scored| scored.counts.len() > 1) {
            return Err(Error::user("--sentence-level prints one table; add --split dev or test, or --json"));
        }
        let columns: Vec<Vec<f64>> = self.0.iter().map(column).collect();
        let decimals = arguments.decimals();
        let mut text = String::new();
        for line in 0..columns.first().map_or(0, Vec::len) {
            let scores: Vec<String> =
                columns.iter().map(|column| format!("{:.decimals$}", column[line])).collect();
            text += &(scores.join("\t") + "\n");
        }
        Ok(text)
    }
}

impl Scored {
    /// The score of one system on one set as a line and as JSON, with the interval and the test asked for.
    fn outcome(&self, set: usize, system: usize, arguments: &Arguments) -> Result<(String, Value)> {
        let (metric, counts, baseline) =
            (self.metric.as_ref(), &self.counts[set][system], &self.counts[set][0]);
        let sum = counts.sum();
        let decimals = arguments.decimals();
        let mut line = format!("{} = {:.decimals$}", metric.name(), metric.score(&sum));
        if let Some(details) = metric.details(&sum) {
            line += &format!(" {details}");
        }
        let mut json = metric.json(&sum);
        let seed = arguments.seed.unwrap_or(RESAMPLING_SEED);
        if arguments.sentence_level {
            json["sentences"] = counts.rows().map(|row| metric.score(row)).collect();
        }
        if let Some(interval) = self.interval(set, system, arguments)? {
            line += &format!(" (μ = {:.decimals$} ± {:.decimals$})", interval.mean, interval.half_width);
            json["confidence"] = json!(interval);
        }
        let p_value = match (randomization_trials(arguments), bootstrap_resamples(arguments)) {
            _ if system == 0 => None,
            (Some(trials), _) => Some(paired_randomization(metric, baseline, counts, trials, seed)?),
            (None, Some(resamples)) if arguments.paired_bs => {
                Some(paired_bootstrap(metric, baseline, counts, resamples, seed)?)
            }
            _ => None,
        };
        if let Some(p_value) = p_value {
            let equal = metric.score(&sum) == metric.score(&baseline.sum());
            line += &format!(" (p = {p_value:.4}{})", if equal { ", but the scores are equal" } else { "" });
            json["p_value"] = json!(p_value);
        }
        Ok((line, json))
    }

    /// The confidence interval of one system's score on one set, if it is asked for.
    pub(super) fn interval(
        &self,
        set: usize,
        system: usize,
        arguments: &Arguments,
    ) -> Result<Option<Interval>> {
        let seed = arguments.seed.unwrap_or(RESAMPLING_SEED);
        let of = |resamples| confidence(self.metric.as_ref(), &self.counts[set][system], resamples, seed);
        bootstrap_resamples(arguments).map(of).transpose()
    }
}

/// Returns the number of bootstrap resamples that the arguments ask for; None without a bootstrap.
fn bootstrap_resamples(arguments: &Arguments) -> Option<u32> {
    let asked = arguments.confidence || arguments.paired_bs;
    asked.then(|| arguments.resamples.unwrap_or(BOOTSTRAP_RESAMPLES))
}

/// Returns the number of trials of approximate randomisation that the arguments ask for; None without such a test.
fn randomization_trials(arguments: &Arguments) -> Option<u32> {
    arguments.paired_ar.then(|| arguments.resamples.unwrap_or(RANDOMIZATION_TRIALS))
}

/// The signature of scores and tests.
fn signature(metric: &dyn Metric, references: usize, arguments: &Arguments) -> String {
    let mut signature = metric.signature(references);
    let (resamples, trials) = (bootstrap_resamples(arguments), randomization_trials(arguments));
    if let Some(resamples) = resamples {
        signature = signature.with_bootstrap(resamples);
    }
    if let Some(trials) = trials {
        signature = signature.with_randomization(trials);
    }
    if resamples.or(trials).is_some() {
        signature = signature.with_seed(arguments.seed.unwrap_or(RESAMPLING_SEED));
    }
    if arguments.short { signature.short() } else { signature.to_string() }
}
