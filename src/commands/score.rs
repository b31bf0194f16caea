//! `ablate score`: BLEU of a run or of files.

use super::Places;
use super::print;
use crate::cli::ScoreArguments;
use crate::config::load_experiment;
use crate::data::{Split, prepare};
use crate::error::{Error, Result};
use crate::experiment::{CONFIG_FILE, score_translations, stored_hypotheses};
use crate::results::record::Record;
use crate::score::{Bleu, BleuConfig, corpus_bleu, read_segments};
use serde_json::json;
use std::path::Path;

pub fn run(arguments: ScoreArguments, places: &Places) -> Result<()> {
    match (&arguments.run, &arguments.hyp) {
        (Some(run), _) => score_run(run, places, arguments.json),
        (None, Some(hyp)) => score_files(hyp, &arguments),
        (None, None) => Err(Error::user("give a run directory, or --hyp FILE and --ref FILE")),
    }
}

/// Scores the stored hypotheses of a run anew, against the references of its data.
fn score_run(run: &Path, places: &Places, as_json: bool) -> Result<()> {
    let config = run.join(CONFIG_FILE);
    if !config.exists() {
        return Err(Error::user(format!(
            "{} is not a run directory: it has no {CONFIG_FILE}",
            run.display()
        )));
    }
    let Some(record) = Record::load(run)? else {
        return Err(Error::user(format!("{} is not finished: it has no record.json yet", run.display())));
    };
    let experiment = load_experiment(&config, &[])?;
    let data = prepare::open(&experiment.data, &places.data)?;
    let mut text = String::new();
    let mut scores = serde_json::Map::new();
    for split in [Split::Dev, Split::Test] {
        let bleu =
            score_translations(&experiment, &stored_hypotheses(run, split)?, &data.text(split)?.target)?;
        let name = split.name();
        let perplexity = record.metrics.get(&format!("{name}/perplexity")).copied();
        text += &format!("{name}: {bleu}\n");
        if let Some(perplexity) = perplexity {
            text += &format!("{name}: perplexity {perplexity:.4} per BPE token\n");
        }
        scores.insert(name.to_string(), json!({ "bleu": bleu, "perplexity": perplexity }));
    }
    if as_json {
        scores.insert("signature".into(), json!(record.signature));
        return print(&format!("{}\n", serde_json::Value::Object(scores)));
    }
    print(&format!("{text}{}\n", record.signature))
}

fn score_files(hyp: &Path, arguments: &ScoreArguments) -> Result<()> {
    let hypotheses = read_segments(hyp)?;
    let references = arguments.references.iter().map(read_segments).collect::<Result<Vec<_>>>()?;
    let config = BleuConfig { lowercase: arguments.lowercase, ..BleuConfig::default() };
    let bleu: Bleu = corpus_bleu(&config, &hypotheses, &references)?;
    let signature = config.signature(references.len()).to_string();
    match arguments.json {
        true => print(&format!("{}\n", json!({ "bleu": bleu, "signature": signature }))),
        false => print(&format!("{bleu}\n{signature}\n")),
    }
}
