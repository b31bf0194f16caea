//! Computes the scores of a finished trial, and writes the scored hypotheses.

use super::by_length::{ClassScores, ScoresByLength};
use super::run_paths::{HYPOTHESES, hypotheses_file};
use super::work::Work;
use crate::data::{Split, store::Store};
use crate::error::Result;
use crate::files;
use crate::results::metric::{accuracy_of, perplexity_of, tag};
use crate::results::record::Record;
use crate::task::{Output, Written};
use crate::telemetry::observer::Observer;
use std::collections::BTreeMap;

/// The scores that judge a finished trial.
pub struct Scores {
    /// The texts that the model has written for dev. They are absent if the task has no texts to score.
    pub dev: Option<Output>,
    /// The values by their tags: `dev/perplexity`, `test/bleu`, …
    pub metrics: BTreeMap<String, f64>,
    /// The signature of the task's scores among them. It is empty if there are none.
    pub signature: String,
    /// The blake3 hashes of the files written, by their paths below the run directory.
    pub checksums: BTreeMap<String, String>,
}

/// Computes all metrics on dev and test that a record can hold. Writes `hypotheses/{dev,test}.txt` if the model writes
/// texts that are scored.
pub fn final_scores(work: &Work, observer: &mut dyn Observer) -> Result<Scores> {
    let Work { run_dir, task, stores, .. } = *work;
    let mut metrics: BTreeMap<String, f64> = BTreeMap::new();
    let mut checksums = BTreeMap::new();
    let mut on_dev = None;
    for (split, store) in [(Split::Dev, &stores.dev), (Split::Test, &stores.test)] {
        let Some(written) = task.written() else {
            metrics.extend(metrics_of_likelihood(work, split, store, observer)?);
            continue;
        };
        files::create_dir(&run_dir.join(HYPOTHESES))?;
        let (found, output) = metrics_of_texts(work, written, split, store, observer)?;
        metrics.extend(found);
        let mut text = output.hypotheses.join("\n");
        text.push('\n');
        checksums.insert(hypotheses_file(split), blake3::hash(text.as_bytes()).to_hex().to_string());
        files::write_atomically(&run_dir.join(hypotheses_file(split)), text.as_bytes())?;
        if split == Split::Dev {
            on_dev = Some(output);
        }
    }
    let (metrics, left_out): (BTreeMap<_, _>, BTreeMap<_, _>) =
        metrics.into_iter().partition(|(_, value)| Record::can_hold(*value));
    for tag in left_out.keys() {
        observer.message(&format!("{tag} is left out of the scores, because it is not finite"))?;
    }
    let signature = task.written().map_or_else(String::new, |written| written.signature());
    Ok(Scores { dev: on_dev, metrics, signature, checksums })
}

/// Computes the metrics of a split by their tags, for a task without texts to score.
fn metrics_of_likelihood(
    work: &Work,
    split: Split,
    store: &Store,
    observer: &mut dyn Observer,
) -> Result<Vec<(String, f64)>> {
    let Work { experiment, task, data, model, .. } = *work;
    let found = task.likelihood(model, store)?;
    let measures = task.measures(&found, &data.text(split)?.target);
    let kind = experiment.task();
    let (measured, of) = match perplexity_of(kind) {
        Some(perplexity) => (format!("{perplexity} {:.3}", found.perplexity()), "tokens"),
        None => (format!("{} {:.4}", accuracy_of(kind), found.accuracy()), "predictions"),
    };
    let measured = measured.replace('_', " ");
    let of_second_texts = found
        .next_sentence_accuracy()
        .map_or_else(String::new, |share| format!(", {:.1} % of second texts judged rightly", 100.0 * share));
    observer.message(&format!(
        "{}: loss {:.4}, {measured} over {} {of}{of_second_texts}",
        split.name(),
        found.loss(),
        found.tokens
    ))?;
    Ok(tagged(split, measures))
}

/// Lets the model write the texts of a split. Returns the metrics of the split by their tags, and the texts.
fn metrics_of_texts(
    work: &Work,
    written: &dyn Written,
    split: Split,
    store: &Store,
    observer: &mut dyn Observer,
) -> Result<(Vec<(String, f64)>, Output)> {
    let Work { experiment, task, data, model, stop, .. } = *work;
    let name = split.name();
    observer.message(&format!("decoding {name}: {} sentences", store.len()))?;
    let found = task.likelihood(model, store)?;
    let output = written.output(model, data, store, split, stop)?;
    let Output { hypotheses, references, scores, .. } = &output;
    let mut measures = task.measures(&found, references);
    measures.extend(scores.iter().map(|score| (score.metric, score.value)));
    measures.extend(written.further_scores(hypotheses, references)?);
    let texts: String = scores
        .iter()
        .filter(|score| !score.text.is_empty())
        .map(|score| format!(", {}", score.text))
        .collect();
    observer.message(&format!("{name}: perplexity {:.3}{texts}", found.perplexity()))?;
    let mut metrics = tagged(split, measures);
    if let Some(found) = ScoresByLength::of(experiment, split, store, hypotheses, references)? {
        metrics.extend(found.metrics());
        for ClassScores { class, sentences, bleu, exact_match } in &found.classes {
            observer.message(&format!(
                "{name}, sources of {class} tokens: {sentences} sentences, BLEU {bleu:.2}, exact match {:.1} %",
                100.0 * exact_match
            ))?;
        }
    }
    Ok((metrics, output))
}

/// Returns the values of metrics by their tags on a split.
fn tagged(split: Split, measures: Vec<(&str, f64)>) -> Vec<(String, f64)> {
    measures.into_iter().map(|(metric, value)| (tag(split.name(), metric), value)).collect()
}
