//! `ablate score`: BLEU, chrF, TER and multi-BLEU of runs and of files, with tests of significance.

mod choice;
mod input;
mod output;

use super::{Places, print};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::moses::{Language, Normalization};
use crate::score::Smoothing;
use choice::{MetricName, TokenizerName};
use clap::Args;
use input::Given;
use output::Report;
use std::path::PathBuf;

/// What to score, and how. The options of a metric are those of sacreBLEU's command line.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Directories of finished runs, whose stored translations are scored. The first of several is the baseline.
    #[arg(value_name = "RUN", conflicts_with_all = ["hyp", "references"], required_unless_present = "hyp")]
    pub runs: Vec<PathBuf>,
    /// Of runs: dev or test. By default both.
    #[arg(long, value_name = "SPLIT", value_parser = evaluated_split, conflicts_with_all = ["hyp", "references"])]
    pub split: Option<Split>,
    /// Translations, one a line, or .sgm; plain or gzip, - for standard input. The first of several systems is the baseline.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "references")]
    pub hyp: Vec<PathBuf>,
    /// References, one a line, or .sgm; plain or gzip, - for standard input. Several are alternatives.
    #[arg(long = "ref", value_name = "FILE", num_args = 1.., requires = "hyp")]
    pub references: Vec<PathBuf>,
    /// What to score with, separated by commas. By default bleu; of runs into a language of Moses's also atat.
    #[arg(long = "metric", value_name = "METRIC", value_enum, value_delimiter = ',')]
    pub metrics: Vec<MetricName>,
    /// BLEU's tokeniser: 13a, intl, zh, char or none; by default 13a. For multi-bleu and atat: moses.
    #[arg(long, value_name = "NAME")]
    pub tokenize: Option<TokenizerName>,
    /// Language of Moses's tokeniser: de, en, fr, ja, ru or zh. Of runs the target language.
    #[arg(long, value_name = "CODE")]
    pub language: Option<Language>,
    /// What Moses does to punctuation before it tokenises: punct, unicode or none. By default punct.
    #[arg(long, value_name = "NAME")]
    pub normalize: Option<Normalization>,
    /// BLEU's smoothing: exp, floor[=VALUE], add-k[=VALUE] or none. By default exp.
    #[arg(long, value_name = "METHOD")]
    pub smooth: Option<Smoothing>,
    /// Average BLEU over the orders that the text is long enough for; for single sentences.
    #[arg(long)]
    pub effective_order: bool,
    /// Longest n-grams of words in chrF: 0 is chrF, 2 is chrF++. By default 0.
    #[arg(long, value_name = "N")]
    pub chrf_word_order: Option<usize>,
    /// How many times as important recall is to chrF as precision. By default 2.
    #[arg(long, value_name = "N")]
    pub chrf_beta: Option<u32>,
    /// Count white space in chrF.
    #[arg(long)]
    pub chrf_whitespace: bool,
    /// Decode entities and set punctuation apart before TER.
    #[arg(long)]
    pub ter_normalized: bool,
    /// Remove punctuation before TER.
    #[arg(long)]
    pub ter_no_punct: bool,
    /// Extend --ter-normalized and --ter-no-punct to Chinese and Japanese characters.
    #[arg(long)]
    pub ter_asian_support: bool,
    /// Keep capitals in TER, which lower-cases otherwise.
    #[arg(long)]
    pub ter_case_sensitive: bool,
    /// Lower-case both sides, except for TER, which has its own option. Runs on lower-cased text always do.
    #[arg(long)]
    pub lowercase: bool,
    /// Score every line: a row a line, a column a metric.
    #[arg(long, conflicts_with_all = ["confidence", "paired_bs", "paired_ar"])]
    pub sentence_level: bool,
    /// Add the 95 % interval of every score, by bootstrap.
    #[arg(long)]
    pub confidence: bool,
    /// Add intervals, and test every system against the baseline by paired bootstrap.
    #[arg(long, conflicts_with = "paired_ar")]
    pub paired_bs: bool,
    /// Test every system against the baseline by paired approximate randomisation.
    #[arg(long)]
    pub paired_ar: bool,
    /// Draws of intervals and tests. By default 1000 of a bootstrap, 10000 of a randomisation.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub resamples: Option<u32>,
    /// Seed of the draws. By default 12345.
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Print signatures in their short form.
    #[arg(long)]
    pub short: bool,
    /// Print JSON with scores at full precision.
    #[arg(long)]
    pub json: bool,
}

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

/// The sets that a finished run has translated.
fn evaluated_split(name: &str) -> Result<Split> {
    let found = [Split::Dev, Split::Test].into_iter().find(|split| split.name() == name);
    found.ok_or_else(|| Error::user("runs are scored on dev and test"))
}
