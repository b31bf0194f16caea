//! The translations that a run keeps, and their scores.

use super::run_paths::hypotheses_file;
use crate::config::Experiment;
use crate::data::Split;
use crate::error::{Error, Result};
use crate::results::record::Record;
use crate::score::{
    Bleu, BleuConfig, BracketF1, ChrfConfig, Metric, MosesTokens, MultiBleuConfig, corpus_bleu,
    read_own_segments,
};
use crate::train::TaskKind;

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

/// BLEU as the paper's authors counted it: multi-bleu of Moses's tokens, compounds split. `None` if Moses has no rules
/// for the target language.
pub fn atat_bleu(
    experiment: &Experiment,
    hypotheses: &[String],
    references: &[String],
) -> Result<Option<f64>> {
    let Ok(language) = experiment.data.recipe.target_language.parse() else { return Ok(None) };
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

/// sacreBLEU's default. If the experiment lower-cases its text, both sides are lower-cased and the signature says so.
pub fn bleu_config(experiment: &Experiment) -> BleuConfig {
    BleuConfig { lowercase: experiment.data.lowercase, ..BleuConfig::default() }
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
