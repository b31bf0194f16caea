//! The scores of a trained model: perplexity, translations, BLEU.

use super::{Stores, Trial};
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::decode::translate::translate;
use crate::error::{Error, Result};
use crate::files;
use crate::model::Transformer;
use crate::results::record::Record;
use crate::score::{Bleu, BleuConfig, corpus_bleu, read_segments};
use crate::signal::StopFlag;
use crate::telemetry::observer::Observer;
use crate::train::likelihood::likelihood;
use std::collections::BTreeMap;

/// What a finished trial is judged by.
pub struct Scores {
    /// By tag: `dev/perplexity`, `test/bleu`, …
    pub metrics: BTreeMap<String, f64>,
    /// Of every BLEU among them.
    pub signature: String,
    /// blake3 of the files written, by their path below the run directory.
    pub checksums: BTreeMap<String, String>,
}

/// A split translated, with its references.
pub struct Translated {
    pub sources: Vec<String>,
    pub hypotheses: Vec<String>,
    pub references: Vec<String>,
    pub bleu: Bleu,
}

/// Perplexity and BLEU on dev and test; writes `hypotheses/{dev,test}.txt`.
pub(super) fn final_scores(
    trial: &Trial,
    data: &Prepared,
    stores: &Stores,
    model: &Transformer,
    observer: &mut dyn Observer,
    stop: &StopFlag,
) -> Result<Scores> {
    let mut metrics = BTreeMap::new();
    let mut checksums = BTreeMap::new();
    let folder = trial.run_dir.join("hypotheses");
    files::create_dir(&folder)?;
    for (split, store) in [(Split::Dev, &stores.dev), (Split::Test, &stores.test)] {
        let name = split.name();
        observer.message(&format!("decoding {name}: {} sentences", store.len()))?;
        let found = likelihood(model, store, trial.experiment.training.micro_batch_tokens)?;
        let translated = translate_split(trial.experiment, data, store, model, split, stop)?;
        let words: usize = translated.references.iter().map(|line| line.split_whitespace().count() + 1).sum();
        metrics.insert(format!("{name}/loss"), found.loss());
        metrics.insert(format!("{name}/perplexity"), found.perplexity());
        metrics.insert(format!("{name}/word_perplexity"), found.perplexity_per(words));
        metrics.insert(format!("{name}/accuracy"), found.accuracy());
        metrics.insert(format!("{name}/bleu"), translated.bleu.score);
        observer.message(&format!("{name}: perplexity {:.3}, {}", found.perplexity(), translated.bleu))?;
        let mut text = translated.hypotheses.join("\n");
        text.push('\n');
        checksums
            .insert(format!("hypotheses/{name}.txt"), blake3::hash(text.as_bytes()).to_hex().to_string());
        files::write_atomically(&folder.join(format!("{name}.txt")), text.as_bytes())?;
    }
    let signature = bleu_config(trial.experiment).signature(1).to_string();
    Ok(Scores { metrics, signature, checksums })
}

/// Translates a split and scores it.
pub(super) fn translate_split(
    experiment: &Experiment,
    data: &Prepared,
    store: &Store,
    model: &Transformer,
    split: Split,
    stop: &StopFlag,
) -> Result<Translated> {
    let text = data.text(split)?;
    let sources: Vec<Vec<u32>> = (0..store.len()).map(|i| store.source(i)).collect();
    let found = translate(model, &experiment.decoding, data.tokenizer.len(), &sources, 1, stop, &mut |_| ())?;
    let hypotheses: Vec<String> = found.iter().map(|best| data.decode_target(&best[0].tokens)).collect();
    let bleu = score_translations(experiment, &hypotheses, &text.target)?;
    Ok(Translated { sources: text.source, hypotheses, references: text.target, bleu })
}

/// BLEU of an experiment's translations against one reference each.
pub fn score_translations(
    experiment: &Experiment,
    hypotheses: &[String],
    references: &[String],
) -> Result<Bleu> {
    corpus_bleu(&bleu_config(experiment), hypotheses, &[references.to_vec()])
}

/// sacreBLEU's default. Where the experiment lower-cases its text, both sides are lower-cased and
/// the signature says so.
pub fn bleu_config(experiment: &Experiment) -> BleuConfig {
    BleuConfig { lowercase: experiment.data.lowercase, ..BleuConfig::default() }
}

impl Translated {
    /// The first sentences with their references, as a Markdown table.
    pub fn samples(&self) -> String {
        let cell = |text: &str| text.replace('|', "\\|");
        let mut table = String::from("| source | translation | reference |\n| --- | --- | --- |\n");
        for ((source, hypothesis), reference) in
            self.sources.iter().zip(&self.hypotheses).zip(&self.references).take(8)
        {
            table += &format!("| {} | {} | {} |\n", cell(source), cell(hypothesis), cell(reference));
        }
        table
    }
}

/// The hypotheses of a finished run, which must be those that its record has the checksum of.
///
/// # Errors
/// A user error if the file is missing, and a failure if it is not as recorded.
pub fn recorded_hypotheses(run_dir: &std::path::Path, record: &Record, split: Split) -> Result<Vec<String>> {
    let name = format!("hypotheses/{}.txt", split.name());
    let path = run_dir.join(&name);
    let hypotheses = stored_hypotheses(run_dir, split)?;
    let bytes = std::fs::read(&path).map_err(Error::io("read", &path))?;
    match record.checksums.get(&name) {
        Some(recorded) if *recorded == blake3::hash(&bytes).to_hex().as_str() => Ok(hypotheses),
        _ => Err(Error::failed(format!("{} is not as recorded", path.display()))),
    }
}

/// Reading hypotheses of a run back, for scoring it again.
pub fn stored_hypotheses(run_dir: &std::path::Path, split: Split) -> Result<Vec<String>> {
    let path = run_dir.join("hypotheses").join(format!("{}.txt", split.name()));
    if !path.exists() {
        return Err(Error::user(format!("{} is missing; is the run finished?", path.display())));
    }
    read_segments(&path)
}
