//! Builds the metrics of [`crate::score`] from the options of the command line.

use super::arguments::{Arguments, MetricName, TokenizerName};
use super::input::RunText;
use crate::error::{Error, Result};
use crate::moses::Language;
use crate::score::{
    BleuConfig, ChrfConfig, Metric, MosesTokens, MultiBleuConfig, Smoothing, TerConfig, TercomTokenizer,
    Tokenization,
};

const LANGUAGE_WITHOUT_MOSES: &str = "--language is for --metric multi-bleu or atat with --tokenize moses, or of runs; \
                                      add these, or leave --language out";

/// A metric with the options that act on it.
///
/// # Errors
/// A user error where options contradict each other.
fn metric(name: MetricName, arguments: &Arguments, of_runs: Option<&RunText>) -> Result<Box<dyn Metric>> {
    let of_lowercase_text = of_runs.is_some_and(|text| text.lowercase);
    let lowercase = arguments.lowercase || of_lowercase_text;
    Ok(match name {
        MetricName::Bleu => Box::new(BleuConfig {
            tokenizer: match arguments.tokenize {
                Some(TokenizerName::Moses) => {
                    return Err(Error::user(
                        "--tokenize moses is for --metric multi-bleu and atat; score bleu in a call of its own",
                    ));
                }
                Some(TokenizerName::SacreBleu(tokenizer)) => tokenizer,
                None => of_runs.map_or(Some(Tokenization::default()), |text| text.tokenize).ok_or_else(|| {
                    Error::user(
                        "the runs count BLEU with different tokenisers (decoding.tokenize): choose one with --tokenize",
                    )
                })?,
            },
            lowercase,
            smoothing: smoothing(arguments)?,
            // As on sacreBLEU's command line: a sentence of three words has no 4-grams to be right or wrong.
            effective_order: arguments.effective_order || arguments.sentence_level,
        }),
        MetricName::Chrf => {
            let default = ChrfConfig::default();
            Box::new(ChrfConfig {
                character_order: arguments.chrf_char_order.unwrap_or(default.character_order),
                word_order: arguments.chrf_word_order.unwrap_or(default.word_order),
                beta: arguments.chrf_beta.unwrap_or(default.beta),
                lowercase: arguments.chrf_lowercase || of_lowercase_text,
                whitespace: arguments.chrf_whitespace,
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
            moses: moses_tokens(arguments, of_runs)?,
            compound_split: name == MetricName::Atat,
            lowercase,
        }),
    })
}

/// The metrics asked for, by the names that they have in the output.
///
/// # Errors
/// A user error where options contradict each other, or one has nothing to act on.
pub(super) fn metrics(
    arguments: &Arguments,
    of_runs: Option<&RunText>,
) -> Result<Vec<(&'static str, Box<dyn Metric>)>> {
    let mut names = match (&arguments.metrics[..], of_runs) {
        ([], Some(text)) if text.target_language.parse::<Language>().is_ok() => {
            vec![MetricName::Bleu, MetricName::Atat]
        }
        ([], _) => vec![MetricName::Bleu],
        (names, _) => names.to_vec(),
    };
    if arguments.as_sacre_bleu() {
        names.sort();
        names.dedup();
    }
    let metrics = names.iter().map(|name| Ok((name.name(), metric(*name, arguments, of_runs)?)));
    let metrics = metrics.collect::<Result<_>>()?;
    every_option_acts(arguments, &names)?;
    Ok(metrics)
}

/// Refuses an option that has no effect on any of the metrics.
pub(super) fn every_option_acts(given: &Arguments, metrics: &[MetricName]) -> Result<()> {
    let asked = |name| metrics.contains(&name);
    let (bleu, chrf, ter) = (asked(MetricName::Bleu), asked(MetricName::Chrf), asked(MetricName::Ter));
    let multi_bleu = asked(MetricName::MultiBleu) || asked(MetricName::Atat);
    let sacre_bleu = matches!(given.tokenize, Some(TokenizerName::SacreBleu(_)));
    let moses = matches!(given.tokenize, Some(TokenizerName::Moses));
    let drawn = given.draws();
    if given.language.is_some() && !multi_bleu {
        return Err(Error::user(LANGUAGE_WITHOUT_MOSES));
    }
    for (option, is_given, acts, on) in [
        ("--tokenize", sacre_bleu, bleu, "--metric bleu"),
        ("--tokenize moses", moses, multi_bleu, "--metric multi-bleu or atat"),
        ("--normalize", given.normalize.is_some(), multi_bleu, "--metric multi-bleu or atat"),
        ("--smooth", given.smooth.is_some(), bleu, "--metric bleu"),
        ("--effective-order", given.effective_order, bleu, "--metric bleu"),
        ("--chrf-char-order", given.chrf_char_order.is_some(), chrf, "--metric chrf"),
        ("--chrf-lowercase", given.chrf_lowercase, chrf, "--metric chrf"),
        ("--chrf-word-order", given.chrf_word_order.is_some(), chrf, "--metric chrf"),
        ("--chrf-beta", given.chrf_beta.is_some(), chrf, "--metric chrf"),
        ("--chrf-whitespace", given.chrf_whitespace, chrf, "--metric chrf"),
        ("--ter-normalized", given.ter_normalized, ter, "--metric ter"),
        ("--ter-no-punct", given.ter_no_punct, ter, "--metric ter"),
        ("--ter-asian-support", given.ter_asian_support, ter, "--metric ter"),
        ("--ter-case-sensitive", given.ter_case_sensitive, ter, "--metric ter"),
        (
            "--lowercase",
            given.lowercase,
            bleu || multi_bleu,
            "--metric bleu, multi-bleu or atat (chrf has --chrf-lowercase)",
        ),
        ("--resamples", given.resamples.is_some(), drawn, "--confidence, --paired-bs and --paired-ar"),
        ("--seed", given.seed.is_some(), drawn, "--confidence, --paired-bs and --paired-ar"),
    ] {
        if is_given && !acts {
            return Err(Error::user(format!("{option} is for {on}; add that, or leave {option} out")));
        }
    }
    Ok(())
}

/// Smoothing with the value that is given beside it.
fn smoothing(arguments: &Arguments) -> Result<Smoothing> {
    match (arguments.smooth.unwrap_or_default(), arguments.smooth_value) {
        (method, None) => Ok(method),
        (Smoothing::Floor(_), Some(value)) => Ok(Smoothing::Floor(value)),
        (Smoothing::AddK(_), Some(value)) => Ok(Smoothing::AddK(value)),
        (Smoothing::Exp | Smoothing::None, Some(_)) => {
            Err(Error::user("--smooth-value is for --smooth floor and add-k; leave it out"))
        }
    }
}

/// Returns the Moses rules of multi-BLEU's tokenisation; None for tokenised text. Translations of runs are raw text.
fn moses_tokens(arguments: &Arguments, of_runs: Option<&RunText>) -> Result<Option<MosesTokens>> {
    let moses = matches!(arguments.tokenize, Some(TokenizerName::Moses)) || of_runs.is_some();
    let language = match (arguments.language, of_runs) {
        (Some(language), _) => Some(language),
        (None, Some(text)) => Some(text.target_language.parse()?),
        (None, None) => None,
    };
    match (moses, language) {
        (true, Some(language)) => {
            Ok(Some(MosesTokens { language, normalization: arguments.normalize.unwrap_or_default() }))
        }
        (true, None) => {
            Err(Error::user("--tokenize moses depends on the language; add --language de, or another"))
        }
        (false, Some(_)) => Err(Error::user(LANGUAGE_WITHOUT_MOSES)),
        (false, None) if arguments.normalize.is_some() => Err(Error::user(
            "--normalize is for --tokenize moses with a --language; add both, or leave it out",
        )),
        (false, None) => Ok(None),
    }
}
