//! `ablate score`: BLEU of a run; BLEU, chrF, TER and multi-BLEU of files, with tests of significance.

use super::{Places, print};
use crate::config::Experiment;
use crate::data::{Split, prepare};
use crate::error::{Error, Result};
use crate::experiment::{finished_run, score_translations, stored_hypotheses};
use crate::moses::{Language, Normalization};
use crate::score::{
    BOOTSTRAP_RESAMPLES, BleuConfig, ChrfConfig, Counts, Metric, MosesTokens, MultiBleuConfig,
    RANDOMIZATION_TRIALS, RESAMPLING_SEED, Smoothing, TerConfig, TercomTokenizer, Tokenization, confidence,
    paired_bootstrap, paired_randomization, read_segments,
};
use clap::{ArgGroup, Args, ValueEnum};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// What to score, and how. The options of a metric are those of sacreBLEU's command line.
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("files").multiple(true)))] // all that a run does not go with
pub struct Arguments {
    /// Directory of a finished run.
    #[arg(conflicts_with = "files", required_unless_present = "hyp")]
    pub run: Option<PathBuf>,
    /// Translations, one a line; plain or .gz. The first of several systems is the baseline.
    #[arg(long, value_name = "FILE", num_args = 1.., requires = "references", group = "files")]
    pub hyp: Vec<PathBuf>,
    /// References, one a line; plain or .gz. Several are alternatives.
    #[arg(long = "ref", value_name = "FILE", num_args = 1.., requires = "hyp", group = "files")]
    pub references: Vec<PathBuf>,
    /// What to score with, separated by commas. By default bleu.
    #[arg(long = "metric", value_name = "METRIC", value_enum, value_delimiter = ',', group = "files")]
    pub metrics: Vec<MetricName>,
    /// BLEU's tokeniser: 13a, intl, zh, char or none; by default 13a. For multi-bleu and atat: moses.
    #[arg(long, value_name = "NAME", group = "files")]
    pub tokenize: Option<TokenizerName>,
    /// Language of Moses's tokeniser: de, en, fr, ja, ru or zh.
    #[arg(long, value_name = "CODE", group = "files")]
    pub language: Option<Language>,
    /// What Moses does to punctuation before it tokenises: punct, unicode or none. By default punct.
    #[arg(long, value_name = "NAME", group = "files", requires = "language")]
    pub normalize: Option<Normalization>,
    /// BLEU's smoothing: exp, floor[=VALUE], add-k[=VALUE] or none. By default exp.
    #[arg(long, value_name = "METHOD", group = "files")]
    pub smooth: Option<Smoothing>,
    /// Average BLEU over the orders that the text is long enough for; for single sentences.
    #[arg(long, group = "files")]
    pub effective_order: bool,
    /// Longest n-grams of words in chrF: 0 is chrF, 2 is chrF++. By default 0.
    #[arg(long, value_name = "N", group = "files")]
    pub chrf_word_order: Option<usize>,
    /// How many times as important recall is to chrF as precision. By default 2.
    #[arg(long, value_name = "N", group = "files")]
    pub chrf_beta: Option<u32>,
    /// Count white space in chrF.
    #[arg(long, group = "files")]
    pub chrf_whitespace: bool,
    /// Decode entities and set punctuation apart before TER.
    #[arg(long, group = "files")]
    pub ter_normalized: bool,
    /// Remove punctuation before TER.
    #[arg(long, group = "files")]
    pub ter_no_punct: bool,
    /// Extend --ter-normalized and --ter-no-punct to Chinese and Japanese characters.
    #[arg(long, group = "files")]
    pub ter_asian_support: bool,
    /// Keep capitals in TER, which lower-cases otherwise.
    #[arg(long, group = "files")]
    pub ter_case_sensitive: bool,
    /// Lower-case both sides, except for TER, which has its own option.
    #[arg(long, group = "files")]
    pub lowercase: bool,
    /// Score every line: a row a line, a column a metric.
    #[arg(long, group = "files", conflicts_with_all = ["confidence", "paired_bs", "paired_ar"])]
    pub sentence_level: bool,
    /// Add the 95 % interval of every score, by bootstrap.
    #[arg(long, group = "files")]
    pub confidence: bool,
    /// Add intervals, and test every system against the baseline by paired bootstrap.
    #[arg(long, group = "files", conflicts_with = "paired_ar")]
    pub paired_bs: bool,
    /// Test every system against the baseline by paired approximate randomisation.
    #[arg(long, group = "files")]
    pub paired_ar: bool,
    /// Draws of intervals and tests. By default 1000 of a bootstrap, 10000 of a randomisation.
    #[arg(long, value_name = "N", group = "files", value_parser = clap::value_parser!(u32).range(1..))]
    pub resamples: Option<u32>,
    /// Seed of the draws. By default 12345.
    #[arg(long, value_name = "N", group = "files")]
    pub seed: Option<u64>,
    /// Print signatures in their short form.
    #[arg(long, group = "files")]
    pub short: bool,
    /// Print JSON with scores at full precision.
    #[arg(long)]
    pub json: bool,
}

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    match &arguments.run {
        Some(run) => score_run(run, places, arguments.json),
        None => score_files(&arguments),
    }
}

/// Scores the stored hypotheses of a run anew, against the references of its data.
fn score_run(run: &Path, places: &Places, as_json: bool) -> Result<()> {
    let (experiment, record) = finished_run(run, &[])?;
    let data = prepare::open(&experiment.data, &places.data)?;
    let atat = paper_bleu(&experiment);
    let mut text = String::new();
    let mut scores = Map::new();
    for split in [Split::Dev, Split::Test] {
        let hypotheses = stored_hypotheses(run, split)?;
        let references = data.text(split)?.target;
        let bleu = score_translations(&experiment, &hypotheses, &references)?;
        let name = split.name();
        text += &format!("{name}: {bleu}\n");
        let mut json = json!({ "bleu": bleu });
        for (key, unit) in [("perplexity", "BPE token"), ("word_perplexity", "word")] {
            if let Some(perplexity) = record.metrics.get(&format!("{name}/{key}")) {
                text += &format!("{name}: perplexity {perplexity:.4} per {unit}\n");
                json[key] = json!(perplexity);
            }
        }
        if let Some(atat) = &atat {
            let sum = atat.counts(&hypotheses, &[references])?.sum();
            text += &format!("{name}: {}\n", atat.line(&sum));
            json["atat"] = atat.json(&sum);
            json["atat"]["signature"] = json!(atat.signature(1));
        }
        scores.insert(name.to_string(), json);
    }
    if as_json {
        scores.insert("signature".into(), json!(record.signature));
        return print(&format!("{}\n", Value::Object(scores)));
    }
    text += &format!("{}\n", record.signature);
    if let Some(atat) = &atat {
        text += &format!("{}\n", atat.signature(1));
    }
    print(&text)
}

/// BLEU as the paper counted it, for a run into a language whose Moses rules are known.
fn paper_bleu(experiment: &Experiment) -> Option<MultiBleuConfig> {
    let language = experiment.data.recipe.target_language.parse().ok()?;
    let moses = Some(MosesTokens { language, normalization: Normalization::default() });
    Some(MultiBleuConfig { moses, compound_split: true, lowercase: experiment.data.lowercase })
}

/// A metric, as the command line and JSON call it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MetricName {
    Bleu,
    Chrf,
    Ter,
    /// BLEU of Moses's multi-bleu.perl, on tokenised text.
    MultiBleu,
    /// The same after splitting compounds at hyphens, as for the paper's English-German figures.
    Atat,
}

impl MetricName {
    fn name(self) -> &'static str {
        match self {
            MetricName::Bleu => "bleu",
            MetricName::Chrf => "chrf",
            MetricName::Ter => "ter",
            MetricName::MultiBleu => "multi-bleu",
            MetricName::Atat => "atat",
        }
    }

    /// # Errors
    /// A user error where options contradict each other.
    fn metric(self, arguments: &Arguments) -> Result<Box<dyn Metric>> {
        Ok(match self {
            MetricName::Bleu => Box::new(BleuConfig {
                tokenizer: match arguments.tokenize {
                    Some(TokenizerName::Moses) => {
                        return Err(Error::user(
                            "--tokenize moses is for --metric multi-bleu and atat; score bleu in a call of its own",
                        ));
                    }
                    Some(TokenizerName::SacreBleu(tokenizer)) => tokenizer,
                    None => Tokenization::default(),
                },
                lowercase: arguments.lowercase,
                smoothing: arguments.smooth.unwrap_or_default(),
                effective_order: arguments.effective_order,
            }),
            MetricName::Chrf => {
                let default = ChrfConfig::default();
                Box::new(ChrfConfig {
                    word_order: arguments.chrf_word_order.unwrap_or(default.word_order),
                    beta: arguments.chrf_beta.unwrap_or(default.beta),
                    lowercase: arguments.lowercase,
                    whitespace: arguments.chrf_whitespace,
                    ..default
                })
            }
            MetricName::Ter => Box::new(TerConfig {
                tokenizer: TercomTokenizer {
                    normalized: arguments.ter_normalized,
                    no_punct: arguments.ter_no_punct,
                    asian_support: arguments.ter_asian_support,
                    case_sensitive: arguments.ter_case_sensitive,
                },
            }),
            MetricName::MultiBleu | MetricName::Atat => Box::new(MultiBleuConfig {
                moses: moses_tokens(arguments)?,
                compound_split: self == MetricName::Atat,
                lowercase: arguments.lowercase,
            }),
        })
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

/// How multi-BLEU tokenises, if it does.
fn moses_tokens(arguments: &Arguments) -> Result<Option<MosesTokens>> {
    match (arguments.tokenize, arguments.language) {
        (Some(TokenizerName::Moses), Some(language)) => {
            Ok(Some(MosesTokens { language, normalization: arguments.normalize.unwrap_or_default() }))
        }
        (Some(TokenizerName::Moses), None) => {
            Err(Error::user("--tokenize moses depends on the language; add --language de, or another"))
        }
        (_, Some(_)) => Err(Error::user("--language is for --tokenize moses; add that, or leave it out")),
        (_, None) => Ok(None),
    }
}

/// Scores files of translations against files of references.
fn score_files(arguments: &Arguments) -> Result<()> {
    if (arguments.paired_bs || arguments.paired_ar) && arguments.hyp.len() < 2 {
        return Err(Error::user("a paired test compares systems; give --hyp at least two files"));
    }
    if arguments.sentence_level && arguments.hyp.len() > 1 {
        return Err(Error::user("--sentence-level scores one system; give --hyp one file"));
    }
    let systems = arguments.hyp.iter().map(read_segments).collect::<Result<Vec<_>>>()?;
    let references = arguments.references.iter().map(read_segments).collect::<Result<Vec<_>>>()?;
    let metrics = if arguments.metrics.is_empty() { &[MetricName::Bleu] } else { &arguments.metrics[..] };
    let mut scored = Vec::new();
    for &name in metrics {
        let metric = name.metric(arguments)?;
        let counts = systems.iter().zip(&arguments.hyp).map(|(hypotheses, path)| {
            let counts = metric.counts(hypotheses, &references);
            counts.map_err(|error| Error::user(format!("{}: {error}", path.display())))
        });
        let counts = counts.collect::<Result<Vec<_>>>()?;
        scored.push(Scored { name: name.name(), metric, counts });
    }
    if arguments.sentence_level && !arguments.json {
        return print(&sentence_table(&scored));
    }
    let mut objects = vec![Map::new(); systems.len()];
    let mut text = String::new();
    for scored in &scored {
        let signature = signature(scored.metric.as_ref(), arguments);
        for (index, path) in arguments.hyp.iter().enumerate() {
            let (line, mut json) = scored.outcome(index, arguments)?;
            if systems.len() > 1 {
                text += &format!("{}: ", path.display());
            }
            text += &format!("{line}\n");
            json["signature"] = json!(signature);
            objects[index].insert(scored.name.to_string(), json);
        }
        text += &format!("{signature}\n");
    }
    if !arguments.json {
        return print(&text);
    }
    let json = match &mut objects[..] {
        [object] => json!(object),
        objects => {
            for (object, path) in objects.iter_mut().zip(&arguments.hyp) {
                object.insert("file".to_string(), json!(path.display().to_string()));
            }
            json!({ "systems": objects })
        }
    };
    print(&format!("{json}\n"))
}

/// A metric and what it has counted in each system.
struct Scored {
    name: &'static str,
    metric: Box<dyn Metric>,
    counts: Vec<Counts>,
}

impl Scored {
    /// The score of one system as a line and as JSON, with the interval and the test asked for.
    fn outcome(&self, index: usize, arguments: &Arguments) -> Result<(String, Value)> {
        let (metric, counts, baseline) = (self.metric.as_ref(), &self.counts[index], &self.counts[0]);
        let sum = counts.sum();
        let (mut line, mut json) = (metric.line(&sum), metric.json(&sum));
        let seed = arguments.seed.unwrap_or(RESAMPLING_SEED);
        if arguments.sentence_level {
            json["sentences"] = counts.rows().map(|row| metric.score(row)).collect();
        }
        if let Some(resamples) = bootstrap_resamples(arguments) {
            let interval = confidence(metric, counts, resamples, seed)?;
            line += &format!(" (μ = {:.2} ± {:.2})", interval.mean, interval.half_width);
            json["confidence"] = json!(interval);
        }
        let p_value = match (randomization_trials(arguments), bootstrap_resamples(arguments)) {
            _ if index == 0 => None,
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
}

/// How many bootstrap resamples the arguments ask for, if any.
fn bootstrap_resamples(arguments: &Arguments) -> Option<u32> {
    let asked = arguments.confidence || arguments.paired_bs;
    asked.then(|| arguments.resamples.unwrap_or(BOOTSTRAP_RESAMPLES))
}

/// How many trials of approximate randomisation the arguments ask for, if any.
fn randomization_trials(arguments: &Arguments) -> Option<u32> {
    arguments.paired_ar.then(|| arguments.resamples.unwrap_or(RANDOMIZATION_TRIALS))
}

/// The signature of scores and tests.
fn signature(metric: &dyn Metric, arguments: &Arguments) -> String {
    let mut signature = metric.signature(arguments.references.len());
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

/// A row a line of text: its scores in the order of the metrics, separated by tabs.
fn sentence_table(scored: &[Scored]) -> String {
    let column = |scored: &Scored| -> Vec<f64> {
        scored.counts.iter().flat_map(Counts::rows).map(|row| scored.metric.score(row)).collect()
    };
    let columns: Vec<Vec<f64>> = scored.iter().map(column).collect();
    let mut text = String::new();
    for line in 0..columns.first().map_or(0, Vec::len) {
        let scores: Vec<String> = columns.iter().map(|column| format!("{:.2}", column[line])).collect();
        text += &(scores.join("\t") + "\n");
    }
    text
}
