//! sacreBLEU's conventions: its options on the command line, and its forms of output.

use super::arguments::{Arguments, Format, MetricName};
use super::output::{Report, Scored};
use crate::error::{Error, Result};
use crate::score::Interval;
use clap::ValueEnum;
use serde_json::json;
use std::ffi::OsString;

/// Options of sacreBLEU's command line, most with one dash and several letters, and their names in `ablate score`.
const SHORT_WORDS: [(&str, &str); 14] = [
    ("-tok", "--tokenize"),
    ("-lc", "--lowercase"),
    ("-sl", "--sentence-level"),
    ("-sh", "--short"),
    ("-sv", "--smooth-value"),
    ("-cc", "--chrf-char-order"),
    ("-cw", "--chrf-word-order"),
    ("-ci", "--confidence"),
    ("-cin", "--resamples"),
    ("-par", "--paired-ar"),
    ("-parn", "--resamples"),
    ("-pbs", "--paired-bs"),
    ("-pbsn", "--resamples"),
    ("--metrics", "--metric"),
];

/// The options of `ablate` that may stand before a command, each followed by a value: a copy of those of `Cli` and of
/// [`Places`](crate::commands::Places).
const GLOBAL_OPTIONS: [&str; 3] = ["--data", "--results", "--color"];

/// Rewrites options of `ablate score` that have sacreBLEU's form: `-tok intl`, and metrics separated by blanks. Other
/// words stay as they are.
pub fn words(words: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let words: Vec<OsString> = words.into_iter().collect();
    let Some(command) = command_of(&words).filter(|&place| words[place] == "score") else { return words };
    let mut changed = words[..=command].to_vec();
    let mut rest = words[command + 1..].iter().peekable();
    while let Some(word) = rest.next() {
        let known = SHORT_WORDS.iter().find(|(theirs, _)| word == theirs);
        let word = known.map_or_else(|| word.clone(), |(_, ours)| ours.into());
        let (is_end, takes_metrics) = (word == "--", word == "-m" || word == "--metric");
        changed.push(word);
        if is_end {
            changed.extend(rest.cloned());
            break;
        }
        if takes_metrics {
            let names = std::iter::from_fn(|| rest.next_if(|word| are_metrics(word)));
            let names: Vec<_> = names.map(|name| name.to_string_lossy()).collect();
            if !names.is_empty() {
                changed.push(names.join(",").into());
            }
        }
    }
    changed
}

/// The place of the word that names the command.
fn command_of(words: &[OsString]) -> Option<usize> {
    let mut place = 1;
    while let Some(word) = words.get(place)?.to_str() {
        match word {
            _ if GLOBAL_OPTIONS.contains(&word) => place += 2,
            _ if word.starts_with('-') => place += 1,
            _ => return Some(place),
        }
    }
    None
}

/// Returns whether a word names one metric, or several separated by commas.
fn are_metrics(word: &OsString) -> bool {
    let is_metric = |name: &str| MetricName::from_str(name, false).is_ok();
    word.to_str().is_some_and(|word| word.split(',').all(is_metric))
}

impl Report {
    /// The scores of the only system on the only set as sacreBLEU 2.6.0 prints them (`metrics/base.py`, `Score.format`;
    /// `utils.py`, `print_single_results`).
    ///
    /// # Errors
    /// A user error where sentences are to be scored by several metrics or as JSON, which sacreBLEU does not do.
    pub fn as_sacre_bleu(&self, arguments: &Arguments) -> Result<String> {
        if arguments.sentence_level {
            return self.sentences(arguments);
        }
        let scored = self.0.iter().map(|scored| {
            let interval = scored.interval(0, 0, arguments)?;
            let sum = scored.counts[0][0].sum();
            Ok(Printed { scored, sum, interval, decimals: arguments.decimals() })
        });
        let scored = scored.collect::<Result<Vec<_>>>()?;
        if arguments.score_only {
            return Ok(scored.iter().map(|printed| printed.score() + "\n").collect());
        }
        if arguments.format == Some(Format::Json) {
            let objects: Vec<String> = scored.iter().map(Printed::object).collect();
            return Ok(match &objects[..] {
                [only] => format!("{only}\n"),
                _ => format!("[\n{}\n]\n", objects.join(",\n")),
            });
        }
        // Lines are moved so that their scores stand below each other.
        let width = scored.iter().map(|printed| printed.title().len()).max().unwrap_or(0);
        let line = |printed: &Printed| format!("{:>width$} = {}\n", printed.title(), printed.result());
        Ok(scored.iter().map(line).collect())
    }

    /// Returns one line per sentence.
    fn sentences(&self, arguments: &Arguments) -> Result<String> {
        let [scored] = &self.0[..] else {
            return Err(Error::user(
                "--sentence-level with --format or --score-only takes one metric; leave these two out for a table of \
                 several",
            ));
        };
        if arguments.format == Some(Format::Json) {
            return Err(Error::user("--format json has no form for sentences; use --json, or --format text"));
        }
        let mut text = String::new();
        for row in scored.counts[0][0].rows() {
            let sum = row.to_vec();
            let printed = Printed { scored, sum, interval: None, decimals: arguments.decimals() };
            text += &match arguments.score_only {
                true => printed.score(),
                false => format!("{} = {}", printed.title(), printed.result()),
            };
            text.push('\n');
        }
        Ok(text)
    }
}

/// A score that is printed.
struct Printed<'a> {
    scored: &'a Scored,
    sum: Vec<u64>,
    interval: Option<Interval>,
    decimals: usize,
}

impl Printed<'_> {
    /// Left of the score: metric and signature.
    fn title(&self) -> String {
        format!("{}|{}", self.scored.metric.name(), self.scored.signature)
    }

    /// The score, with its interval.
    fn score(&self) -> String {
        let decimals = self.decimals;
        let score = format!("{:.decimals$}", self.scored.metric.score(&self.sum));
        match self.confidence() {
            Some([mean, half_width]) => format!("{score} (μ = {mean} ± {half_width})"),
            None => score,
        }
    }

    /// Mean and half width of the interval; none where all draws score 0.
    fn confidence(&self) -> Option<[String; 2]> {
        let (interval, decimals) =
            (self.interval.as_ref().filter(|interval| interval.mean > 0.0)?, self.decimals);
        Some([interval.mean, interval.half_width].map(|value| format!("{value:.decimals$}")))
    }

    /// The score, with its interval and its parts.
    fn result(&self) -> String {
        let details = self.scored.metric.details(&self.sum).map(|details| format!(" {details}"));
        self.score() + &details.unwrap_or_default()
    }

    /// Returns the JSON object with the keys in sacreBLEU's order, those of the signature last.
    fn object(&self) -> String {
        // The text is a formatted number, so that it can be read as one.
        let number = |text: &str| json!(text.parse::<f64>().unwrap_or_default());
        let decimals = self.decimals;
        let mut entries = vec![
            ("name", json!(self.scored.metric.name())),
            ("score", number(&format!("{:.decimals$}", self.scored.metric.score(&self.sum)))),
            ("signature", json!(self.scored.signature)),
        ];
        if let Some([mean, half_width]) = self.confidence() {
            entries.push(("confidence_mean", number(&mean)));
            entries.push(("confidence_var", number(&half_width)));
            entries.push(("confidence", json!(format!("μ = {mean} ± {half_width}"))));
        }
        entries
            .extend(self.scored.metric.details(&self.sum).map(|details| ("verbose_score", json!(details))));
        let pairs = self.scored.signature.split('|').filter_map(|pair| pair.split_once(':'));
        entries.extend(pairs.map(|(key, value)| (key, json!(value))));
        let lines: Vec<String> =
            entries.iter().map(|(key, value)| format!(" {}: {value}", json!(key))).collect();
        format!("{{\n{}\n}}", lines.join(",\n"))
    }
}
