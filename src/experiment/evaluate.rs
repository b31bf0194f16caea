//! The scores of a trained model: perplexity, translations, BLEU.

use super::by_length::{ClassScores, ScoresByLength};
use super::{Stores, Trial};
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::decode::DecodingConfig;
use crate::decode::translate::translate;
use crate::error::{Error, Result};
use crate::files;
use crate::model::Network;
use crate::results::metric::{ACCURACY, ATAT, BLEU, LOSS, PERPLEXITY, WORD_PERPLEXITY, tag};
use crate::results::record::Record;
use crate::results::render::markdown;
use crate::score::{Bleu, BleuConfig, Metric, MosesTokens, MultiBleuConfig, corpus_bleu, read_own_segments};
use crate::signal::StopFlag;
use crate::telemetry::observer::Observer;
use crate::train::likelihood::likelihood;
use std::collections::BTreeMap;

/// The folder of the translations in a run directory.
pub(super) const HYPOTHESES: &str = "hypotheses";

/// Where a run keeps its translations of a split, below its directory.
pub(super) fn hypotheses_file(split: Split) -> String {
    format!("{HYPOTHESES}/{}.txt", split.name())
}

/// What a finished trial is judged by.
pub struct Scores {
    pub dev: Translated,
    /// By tag: `dev/perplexity`, `test/bleu`, …
    pub metrics: BTreeMap<String, f64>,
    /// Of every `bleu` among them.
    pub signature: String,
    /// blake3 of the files written, by their path below the run directory.
    pub checksums: BTreeMap<String, String>,
}

/// A split translated, with its references.
pub struct Translated {
    pub sources: Vec<String>,
    pub hypotheses: Vec<String>,
    /// The hypotheses as token ids, without `</s>`.
    pub tokens: Vec<Vec<u32>>,
    pub references: Vec<String>,
    pub bleu: Bleu,
}

/// Perplexity and BLEU on dev and test; writes `hypotheses/{dev,test}.txt`.
pub(super) fn final_scores(
    trial: &Trial,
    data: &Prepared,
    stores: &Stores,
    model: &dyn Network,
    observer: &mut dyn Observer,
    stop: &StopFlag,
) -> Result<Scores> {
    let mut metrics = BTreeMap::new();
    let mut checksums = BTreeMap::new();
    let mut on_dev = None;
    let folder = trial.run_dir.join(HYPOTHESES);
    files::create_dir(&folder)?;
    for (split, store) in [(Split::Dev, &stores.dev), (Split::Test, &stores.test)] {
        let name = split.name();
        observer.message(&format!("decoding {name}: {} sentences", store.len()))?;
        let found = likelihood(model, store, trial.experiment.training.micro_batch_tokens)?;
        let translated = translate_split(trial.experiment, data, store, model, split, stop)?;
        let words: usize = translated.references.iter().map(|line| line.split_whitespace().count() + 1).sum();
        let measured = [
            (LOSS, Some(found.loss())),
            (PERPLEXITY, Some(found.perplexity())),
            (WORD_PERPLEXITY, Some(found.perplexity_per(words))),
            (ACCURACY, Some(found.accuracy())),
            (BLEU, Some(translated.bleu.score)),
            (ATAT, atat_bleu(trial.experiment, &translated.hypotheses, &translated.references)?),
        ];
        metrics.extend(measured.into_iter().filter_map(|(metric, value)| Some((tag(name, metric), value?))));
        observer.message(&format!("{name}: perplexity {:.3}, {}", found.perplexity(), translated.bleu))?;
        let Translated { hypotheses, references, .. } = &translated;
        if let Some(found) = ScoresByLength::of(trial.experiment, split, store, hypotheses, references)? {
            metrics.extend(found.metrics());
            for ClassScores { class, sentences, bleu, exact_match } in &found.classes {
                observer.message(&format!(
                    "{name}, sources of {class} tokens: {sentences} sentences, BLEU {bleu:.2}, exact match {:.1} %",
                    100.0 * exact_match
                ))?;
            }
        }
        let mut text = translated.hypotheses.join("\n");
        text.push('\n');
        checksums.insert(hypotheses_file(split), blake3::hash(text.as_bytes()).to_hex().to_string());
        files::write_atomically(&trial.run_dir.join(hypotheses_file(split)), text.as_bytes())?;
        if split == Split::Dev {
            on_dev = Some(translated);
        }
    }
    let signature = bleu_config(trial.experiment).signature(1).to_string();
    let dev = on_dev.ok_or_else(|| Error::failed("the dev set was not translated"))?;
    Ok(Scores { dev, metrics, signature, checksums })
}

/// Translates a split and scores it.
pub(super) fn translate_split(
    experiment: &Experiment,
    data: &Prepared,
    store: &Store,
    model: &dyn Network,
    split: Split,
    stop: &StopFlag,
) -> Result<Translated> {
    let text = data.text(split)?;
    let sources = data.sources_to_translate(store, store.len());
    let found = translate(
        model,
        &experiment.decoding,
        data.tokenizers.target().len(),
        &sources,
        1,
        stop,
        &mut |_| (),
    )?;
    let tokens: Vec<Vec<u32>> = found.into_iter().map(|mut best| best.swap_remove(0).tokens).collect();
    let hypotheses: Vec<String> = tokens.iter().map(|ids| data.decode_target(ids)).collect();
    let bleu = score_translations(experiment, &hypotheses, &text.target)?;
    Ok(Translated { sources: text.source, hypotheses, tokens, references: text.target, bleu })
}

/// The first `count` sentences of the dev set, translated greedily and laid out to be read. Cheap, and the same
/// for every setting of the search.
pub(super) fn dev_samples(
    experiment: &Experiment,
    data: &Prepared,
    store: &Store,
    model: &dyn Network,
    count: usize,
) -> Result<String> {
    let text = data.text(Split::Dev)?;
    let config = DecodingConfig { beam: 1, ..experiment.decoding.clone() };
    let sources = data.sources_to_translate(store, count);
    let vocabulary = data.tokenizers.target().len();
    // Too little work to be stopped in: the training loop looks at the flag right after it.
    let found = translate(model, &config, vocabulary, &sources, 1, &StopFlag::never(), &mut |_| ())?;
    let hypotheses: Vec<String> = found.iter().map(|best| data.decode_target(&best[0].tokens)).collect();
    Ok(side_by_side(&text.source, &hypotheses, &text.target))
}

/// BLEU of an experiment's translations against one reference each.
pub fn score_translations(
    experiment: &Experiment,
    hypotheses: &[String],
    references: &[String],
) -> Result<Bleu> {
    corpus_bleu(&bleu_config(experiment), hypotheses, &[references.to_vec()])
}

/// BLEU as the paper's authors counted it: multi-bleu of Moses's tokens, compounds split. Absent where Moses has no rules
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

/// sacreBLEU's default. Where the experiment lower-cases its text, both sides are lower-cased and
/// the signature says so.
pub fn bleu_config(experiment: &Experiment) -> BleuConfig {
    BleuConfig { lowercase: experiment.data.lowercase, ..BleuConfig::default() }
}

impl Translated {
    /// The first `count` sentences with their references, as a Markdown table.
    pub fn samples(&self, count: usize) -> String {
        side_by_side(&self.sources, &self.hypotheses[..count.min(self.hypotheses.len())], &self.references)
    }
}

/// The hypotheses of a finished run, which must be those that its record has the checksum of.
///
/// # Errors
/// A user error if the file is missing, and a failure if it is not as recorded.
pub fn recorded_hypotheses(run_dir: &std::path::Path, record: &Record, split: Split) -> Result<Vec<String>> {
    let hypotheses = stored_hypotheses(run_dir, split)?;
    record.check_file(run_dir, &hypotheses_file(split))?;
    Ok(hypotheses)
}

/// As many sentences as have a hypothesis, as a Markdown table.
fn side_by_side(sources: &[String], hypotheses: &[String], references: &[String]) -> String {
    let mut table = String::from("| source | translation | reference |\n| --- | --- | --- |\n");
    for ((source, hypothesis), reference) in sources.iter().zip(hypotheses).zip(references) {
        let [source, hypothesis, reference] =
            [source, hypothesis, reference].map(|text| markdown::escape(text));
        table += &format!("| {source} | {hypothesis} | {reference} |\n");
    }
    table
}

/// The hypotheses of a run as they are now.
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

    #[test]
    fn sentences_stand_side_by_side_whatever_they_hold() {
        let lines = |text: &str| text.split('/').map(String::from).collect::<Vec<_>>();
        let table = side_by_side(&lines("a|b/c/d"), &lines("*x*/<s>"), &lines("y_/z/w"));
        assert_eq!(
            table,
            "| source | translation | reference |\n| --- | --- | --- |\n| a\\|b | \\*x\\* | y\\_ |\n| c | &lt;s> | z |\n"
        );
    }
}
