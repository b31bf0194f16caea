//! `ablate translate`: standard input to standard output.

use ablate_base::error::{Error, Result};
use ablate_base::signal::StopFlag;
use ablate_command::commands::translate::Arguments;
use ablate_command::commands::{Places, print, read_standard_input};
use ablate_compute::data::tokenizer::EncodeCache;
use ablate_compute::decode::search::Hypothesis;
use ablate_compute::decode::translate::translate;
use ablate_compute::experiment::TrainedModel;
use ablate_compute::train::TaskKind;
use ablate_sweep::sweep::settings;
use serde_json::json;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    settings::require(
        &arguments.sets,
        |key| key.starts_with("decoding.") || key.starts_with("run."),
        "cannot change how a trained model translates",
        "expected keys of [decoding] or [run], as in decoding.beam=4",
    )?;
    if arguments.beam == Some(0) {
        return Err(Error::user("--beam 0 is out of range: expected 1 or more"));
    }
    let mut sets = arguments.sets;
    sets.extend(arguments.beam.map(|beam| format!("decoding.beam={beam}")));
    let TrainedModel { experiment, data, model } = TrainedModel::load(&arguments.run, &places.data, &sets)?;
    let other = match experiment.task() {
        TaskKind::Translation => None,
        TaskKind::LanguageModelling => {
            Some("a language model, which translates nothing; `ablate generate` lets it write")
        }
        TaskKind::MaskedLanguageModelling => Some(
            "a masked language model, which writes nothing: model.decoder = \"none\"; a model with a decoder that is \
             trained on sentence pairs translates",
        ),
    };
    if let Some(other) = other {
        return Err(Error::user(format!("{} is {other}", arguments.run.display())));
    }
    let n_best = arguments.n_best.unwrap_or(1);
    if n_best == 0 || n_best > experiment.decoding.beam {
        let beam = experiment.decoding.beam;
        return Err(Error::user(format!(
            "--n-best {n_best} with a beam of {beam}: use 1 to {beam}, or a wider --beam"
        )));
    }
    let text = read_standard_input()?;
    let mut cache = EncodeCache::default();
    let sources: Vec<Vec<u32>> = text.lines().map(|line| data.encode_source(line, &mut cache)).collect();
    let stop = StopFlag::never();
    let found = translate(
        &*model,
        &experiment.decoding,
        data.tokenizers.target().len(),
        &sources,
        n_best,
        &stop,
        &mut |_| (),
    )?;
    let mut output = String::new();
    let translation = |tokens: &[u32]| data.decode_target(tokens);
    for ((line, best), source) in found.iter().enumerate().zip(text.lines()) {
        if arguments.json {
            let one = |found: &Hypothesis| json!({"text": translation(&found.tokens), "score": found.score});
            let found: Vec<_> = best.iter().map(one).collect();
            output += &format!("{}\n", json!({"source": source, "translations": found}));
            continue;
        }
        for hypothesis in best {
            if arguments.n_best.is_some() {
                output += &format!("{line} ||| {} ||| ", hypothesis.score);
            }
            output += &translation(&hypothesis.tokens);
            output.push('\n');
        }
    }
    print(&output)
}
