//! The command line of `ablate score`.

use crate::data::Split;
use crate::error::{Error, Result};
use crate::moses::{Language, Normalization};
use crate::score::{Smoothing, Tokenization};
use clap::{Args, ValueEnum};
use std::path::PathBuf;
use std::str::FromStr;

/// The arguments of `ablate score`: they state what is scored, and how. The options of a metric are those of sacreBLEU's
/// command line.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Directories of finished runs whose stored translations are scored. The first of several is the baseline. With
    /// --hyp, files of references, as on sacreBLEU's command line.
    #[arg(value_name = "RUN", required_unless_present_any = ["hyp", "references"])]
    pub runs: Vec<PathBuf>,
    /// Set of the runs to score: dev or test. By default both.
    #[arg(long, value_name = "SPLIT", value_parser = evaluated_split, conflicts_with_all = ["hyp", "references"])]
    pub split: Option<Split>,
    /// Files of translations: one sentence per line or .sgm, plain or compressed (.gz, .bz2, .xz, .zst), - for standard
    /// input. The first of several systems is the baseline.
    #[arg(short = 'i', long, visible_alias = "input", value_name = "FILE", num_args = 1..)]
    pub hyp: Vec<PathBuf>,
    /// Files of references: one sentence per line or .sgm, plain or compressed, - for standard input. Several files are
    /// alternative references. They can also stand before -i without this option.
    #[arg(long = "ref", value_name = "FILE", num_args = 1..)]
    pub references: Vec<PathBuf>,
    /// Metrics, separated by commas or blanks. By default bleu, and for runs whose target language Moses supports also
    /// atat.
    #[arg(
        short,
        long = "metric",
        visible_alias = "metrics",
        value_name = "METRIC",
        value_enum,
        value_delimiter = ','
    )]
    pub metrics: Vec<MetricName>,
    /// Tokeniser of BLEU: 13a, intl, zh, char or none. The default is 13a, and for runs their decoding.tokenize. multi-bleu
    /// and atat take moses or, by default, the text of files as it is given. The text of runs they always tokenise by moses.
    #[arg(long, value_name = "NAME")]
    pub tokenize: Option<TokenizerName>,
    /// Language of Moses's tokeniser: de, en, fr, ja, ru or zh. For runs it is the target language.
    #[arg(long, value_name = "CODE")]
    pub language: Option<Language>,
    /// How Moses normalises punctuation before it tokenises: punct, unicode or none. By default punct.
    #[arg(long, value_name = "NAME")]
    pub normalize: Option<Normalization>,
    /// Smoothing of BLEU: exp, floor[=VALUE], add-k[=VALUE] or none. By default exp.
    #[arg(short, long, visible_alias = "smooth-method", value_name = "METHOD")]
    pub smooth: Option<Smoothing>,
    /// The value of floor or add-k smoothing.
    #[arg(long, value_name = "VALUE", requires = "smooth")]
    pub smooth_value: Option<f64>,
    /// Average BLEU only over the n-gram orders for which the text is long enough. --sentence-level does so always.
    #[arg(long)]
    pub effective_order: bool,
    /// Longest character n-grams that chrF counts. By default 6.
    #[arg(long, value_name = "N")]
    pub chrf_char_order: Option<usize>,
    /// Longest word n-grams that chrF counts: 0 gives chrF, 2 gives chrF++. By default 0.
    #[arg(long, value_name = "N")]
    pub chrf_word_order: Option<usize>,
    /// Weight of recall relative to precision in chrF. By default 2.
    #[arg(long, value_name = "N")]
    pub chrf_beta: Option<u32>,
    /// Count white space in chrF.
    #[arg(long)]
    pub chrf_whitespace: bool,
    /// Lower-case both sides for chrF.
    #[arg(long)]
    pub chrf_lowercase: bool,
    /// Decode entities and separate punctuation before computing TER.
    #[arg(long)]
    pub ter_normalized: bool,
    /// Remove punctuation before computing TER.
    #[arg(long)]
    pub ter_no_punct: bool,
    /// Extend --ter-normalized and --ter-no-punct to Chinese and Japanese characters.
    #[arg(long)]
    pub ter_asian_support: bool,
    /// Distinguish upper and lower case in TER, which ignores case otherwise.
    #[arg(long)]
    pub ter_case_sensitive: bool,
    /// Lower-case both sides for BLEU and multi-BLEU; chrF and TER have options of their own. Runs on lower-cased text are
    /// always scored so.
    #[arg(long)]
    pub lowercase: bool,
    /// Score every line on its own: one output line per sentence, one column per metric.
    #[arg(long, conflicts_with_all = ["confidence", "paired_bs", "paired_ar"])]
    pub sentence_level: bool,
    /// Add the 95 % confidence interval of every score, by bootstrap.
    #[arg(long)]
    pub confidence: bool,
    /// Add intervals, and test every system against the baseline by paired bootstrap.
    #[arg(long, conflicts_with = "paired_ar")]
    pub paired_bs: bool,
    /// Test every system against the baseline by paired approximate randomisation.
    #[arg(long)]
    pub paired_ar: bool,
    /// Number of draws for intervals and tests. By default 1000 for bootstrap and 10000 for randomisation.
    #[arg(
        long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000_000),
        aliases = ["confidence-n", "paired-bs-n", "paired-ar-n"]
    )]
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
    /// Print one system's scores as sacreBLEU prints them: text or json, BLEU first, then chrF and TER, with one decimal.
    #[arg(short, long, value_enum, value_name = "FORMAT", conflicts_with = "json")]
    pub format: Option<Format>,
    /// Print nothing but the scores of one system, in that order and with one decimal.
    #[arg(short = 'b', long, conflicts_with = "json")]
    pub score_only: bool,
    /// Number of decimals. By default 2, and 1 with --format and --score-only.
    #[arg(short, long, value_name = "N", conflicts_with = "json", value_parser = clap::value_parser!(u8).range(0..=17))]
    pub width: Option<u8>,
}

/// Forms of output that are sacreBLEU's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// A line for each metric: name, signature, score, parts.
    Text,
    /// An object for each metric.
    Json,
}

impl Arguments {
    /// Returns whether the output has sacreBLEU's form.
    pub fn as_sacre_bleu(&self) -> bool {
        self.format.is_some() || self.score_only
    }

    /// Returns the sets of runs to score: the one that is asked for, or both.
    pub fn splits(&self) -> Vec<Split> {
        self.split.map_or(vec![Split::Dev, Split::Test], |split| vec![split])
    }

    /// Returns whether anything is drawn at random: resamples for intervals, or for paired tests.
    pub fn draws(&self) -> bool {
        self.confidence || self.paired_bs || self.paired_ar
    }

    /// Returns the number of decimals of scores that people read.
    pub fn decimals(&self) -> usize {
        self.width.map_or(if self.as_sacre_bleu() { 1 } else { 2 }, usize::from)
    }
}

/// The sets that a finished run has translated.
fn evaluated_split(name: &str) -> Result<Split> {
    let found = [Split::Dev, Split::Test].into_iter().find(|split| split.name() == name);
    found.ok_or_else(|| Error::user("runs are scored on dev and test"))
}

/// A metric, as the command line and JSON call it, in the order in which sacreBLEU prints them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum MetricName {
    Bleu,
    Chrf,
    Ter,
    /// BLEU as computed by Moses's multi-bleu.perl on tokenised text.
    MultiBleu,
    /// multi-bleu after splitting compounds at hyphens, as for the paper's English-German figures.
    Atat,
}

impl MetricName {
    pub fn name(self) -> &'static str {
        match self {
            MetricName::Bleu => "bleu",
            MetricName::Chrf => "chrf",
            MetricName::Ter => "ter",
            MetricName::MultiBleu => "multi-bleu",
            MetricName::Atat => "atat",
        }
    }
}

/// A tokeniser, as the command line calls it.
#[derive(Debug, Clone, Copy)]
pub enum TokenizerName {
    SacreBleu(Tokenization),
    Moses,
}

impl FromStr for TokenizerName {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self> {
        match name {
            "moses" => Ok(TokenizerName::Moses),
            _ => name.parse().map(TokenizerName::SacreBleu),
        }
    }
}
