//! The scores of a trained model: perplexity, translations, BLEU.

use super::run_paths::{HYPOTHESES, hypotheses_file};
use super::translations::{atat_bleu, bleu_config, score_translations};
use super::work::Work;
use crate::config::Experiment;
use crate::data::prepared::Prepared;
use crate::data::{Split, store::Store};
use crate::decode::DecodingConfig;
use crate::decode::translate::translate;
use crate::error::{Error, Result};
use crate::files;
use crate::model::Network;
use crate::results::metric::{ACCURACY, ATAT, BLEU, LOSS, PERPLEXITY, WORD_PERPLEXITY, tag};
use crate::results::render::markdown;
use crate::score::Bleu;
use crate::signal::StopFlag;
use crate::telemetry::observer::Observer;
use crate::train::likelihood::likelihood;
use std::collections::BTreeMap;

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
pub fn final_scores(work: &Work, observer: &mut dyn Observer) -> Result<Scores> {
    let Work { experiment, run_dir, data, stores, model, stop, .. } = *work;
    let mut metrics = BTreeMap::new();
    let mut checksums = BTreeMap::new();
    let mut on_dev = None;
    let folder = run_dir.join(HYPOTHESES);
    files::create_dir(&folder)?;
    for (split, store) in [(Split::Dev, &stores.dev), (Split::Test, &stores.test)] {
        let name = split.name();
        observer.message(&format!("decoding {name}: {} sentences", store.len()))?;
        let found = likelihood(model, store, experiment.training.micro_batch_tokens)?;
        let translated = translate_split(experiment, data, store, model, split, stop)?;
        let words: usize = translated.references.iter().map(|line| line.split_whitespace().count() + 1).sum();
        let measured = [
            (LOSS, Some(found.loss())),
            (PERPLEXITY, Some(found.perplexity())),
            (WORD_PERPLEXITY, Some(found.perplexity_per(words))),
            (ACCURACY, Some(found.accuracy())),
            (BLEU, Some(translated.bleu.score)),
            (ATAT, atat_bleu(experiment, &translated.hypotheses, &translated.references)?),
        ];
        metrics.extend(measured.into_iter().filter_map(|(metric, value)| Some((tag(name, metric), value?))));
        observer.message(&format!("{name}: perplexity {:.3}, {}", found.perplexity(), translated.bleu))?;
        let mut text = translated.hypotheses.join("\n");
        text.push('\n');
        checksums.insert(hypotheses_file(split), blake3::hash(text.as_bytes()).to_hex().to_string());
        files::write_atomically(&run_dir.join(hypotheses_file(split)), text.as_bytes())?;
        if split == Split::Dev {
            on_dev = Some(translated);
        }
    }
    let signature = bleu_config(experiment).signature(1).to_string();
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

impl Translated {
    /// The first `count` sentences with their references, as a Markdown table.
    pub fn samples(&self, count: usize) -> String {
        side_by_side(&self.sources, &self.hypotheses[..count.min(self.hypotheses.len())], &self.references)
    }
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
