//! The translations that a run keeps, and their scores.

use super::run_paths::hypotheses_file;
use crate::config::Experiment;
use crate::data::{Recipe, Split};
use crate::error::{Error, Result};
use crate::moses::Language;
use crate::results::record::Record;
use crate::score::{
    Bleu, BleuConfig, BracketF1, ChrfConfig, Metric, MosesTokens, MultiBleuConfig, Tokenization, corpus_bleu,
    read_own_segments,
};
use crate::train::TaskKind;

/// Codes of languages that are written without blanks between words.
const LANGUAGES_WITHOUT_BLANKS: [&str; 9] = ["bo", "dz", "ja", "km", "lo", "my", "th", "yue", "zh"];

/// Returns a note for a recipe of sentence pairs whose target language is written without blanks, if BLEU is counted with
/// the usual tokeniser, which takes a whole phrase for a word there.
pub fn note_on_bleu(recipe: &Recipe, tokenize: Tokenization) -> Option<String> {
    let language = &recipe.target_language;
    // As in zh-CN or zh_Hans.
    let code = language.split(['-', '_']).next().unwrap_or_default();
    let translates = !recipe.is_running_text() && recipe.tree_leaves().is_none();
    let is_usual = tokenize == Tokenization::default();
    (translates && is_usual && LANGUAGES_WITHOUT_BLANKS.contains(&code)).then(|| {
        let other =
            if ["zh", "yue"].contains(&code) { Tokenization::Chinese } else { Tokenization::Character };
        format!(
            "note: BLEU is counted with the tokeniser {}, which does not segment {language:?}; decoding.tokenize = \"{}\" does",
            tokenize.name(),
            other.name()
        )
    })
}

/// The score of the output of an experiment's models, as it is counted sentence by sentence.
pub fn metric_of(experiment: &Experiment) -> Box<dyn Metric> {
    match experiment.task() {
        TaskKind::Parsing => Box::new(BracketF1),
        TaskKind::Translation
        | TaskKind::LanguageModelling
        | TaskKind::MaskedLanguageModelling
        | TaskKind::WordVectors => Box::new(bleu_config(experiment)),
    }
}

/// BLEU of an experiment's translations against one reference each.
pub fn score_translations(
    experiment: &Experiment,
    hypotheses: &[String],
    references: &[String],
) -> Result<Bleu> {
    corpus_bleu(&bleu_config(experiment), hypotheses, &[references.to_vec()])
}

/// The target language of an experiment's text, if Moses has rules for it.
pub(super) fn moses_language(experiment: &Experiment) -> Option<Language> {
    experiment.data.recipe.target_language.parse().ok()
}

/// BLEU as the paper's authors counted it: multi-bleu of Moses's tokens, compounds split. `None` if Moses has no rules
/// for the target language.
pub fn atat_bleu(
    experiment: &Experiment,
    hypotheses: &[String],
    references: &[String],
) -> Result<Option<f64>> {
    let Some(language) = moses_language(experiment) else { return Ok(None) };
    let moses = Some(MosesTokens { language, normalization: Default::default() });
    let config = MultiBleuConfig { moses, compound_split: true, lowercase: experiment.data.lowercase };
    let counts = config.counts(hypotheses, &[references.to_vec()])?;
    Ok(Some(config.score(&counts.sum())))
}

/// chrF2 of an experiment's translations, with sacreBLEU's defaults. If the experiment lower-cases its text, both sides
/// are lower-cased.
pub fn chrf(experiment: &Experiment, hypotheses: &[String], references: &[String]) -> Result<f64> {
    let config = ChrfConfig { lowercase: experiment.data.lowercase, ..ChrfConfig::default() };
    let counts = config.counts(hypotheses, &[references.to_vec()])?;
    Ok(config.score(&counts.sum()))
}

/// sacreBLEU's default, with the experiment's tokeniser. If the experiment lower-cases its text, both sides are
/// lower-cased. The signature says both.
pub fn bleu_config(experiment: &Experiment) -> BleuConfig {
    let (lowercase, tokenizer) = (experiment.data.lowercase, experiment.decoding.tokenize);
    BleuConfig { lowercase, tokenizer, ..BleuConfig::default() }
}

/// Reads the hypotheses of a finished run, and checks them against the checksum in its record.
///
/// # Errors
/// A user error if the file is missing, and a failure if it differs from the record.
pub fn recorded_hypotheses(run_dir: &std::path::Path, record: &Record, split: Split) -> Result<Vec<String>> {
    let hypotheses = stored_hypotheses(run_dir, split)?;
    record.check_file(run_dir, &hypotheses_file(split))?;
    Ok(hypotheses)
}

/// Reads the hypotheses of a run without checking them.
pub fn stored_hypotheses(run_dir: &std::path::Path, split: Split) -> Result<Vec<String>> {
    let path = run_dir.join(hypotheses_file(split));
    if !path.exists() {
        return Err(Error::user(format!("{} is missing; is the run finished?", path.display())));
    }
    read_own_segments(&path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::{Corpus, GeneratedCorpus};

    #[test]
    fn a_language_without_blanks_is_noted_with_a_tokeniser_that_segments_it() {
        let note = |language: &str| {
            let corpus = Corpus::Generated(GeneratedCorpus { train: 1, dev: 1, test: 1, seed: 1 });
            note_on_bleu(&Recipe::new("pairs", "en", language, corpus), Tokenization::default())
        };
        assert_eq!(
            note("zh-CN").unwrap(),
            "note: BLEU is counted with the tokeniser 13a, which does not segment \"zh-CN\"; decoding.tokenize = \"zh\" does"
        );
        assert!(note("ja").unwrap().ends_with("decoding.tokenize = \"char\" does"));
        assert_eq!(["de", "ko", "zho"].map(note), [None, None, None]);
    }
}
