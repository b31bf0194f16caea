//! `ablate translate`: translates lines of standard input; a parser turns sentences into trees.

use ablate_base::constituency_tree::WORD;
use ablate_base::error::{Error, Result};
use ablate_base::signal::StopFlag;
use ablate_base::tree_repair;
use ablate_base::white_space::words;
use ablate_command::commands::translate::Arguments;
use ablate_command::commands::{Places, print, read_standard_input};
use ablate_compute::data::tokenizer::EncodeCache;
use ablate_compute::decode::search::Hypothesis;
use ablate_compute::decode::translate::{check_lengths, translate};
use ablate_compute::experiment::TrainedModel;
use ablate_compute::train::TaskKind;
use ablate_sweep::sweep::settings;
use ablate_trial::telemetry::console::print_message;
use serde_json::json;

/// Number of tokens of a line that are translated by every model, however short the sentences of its training were. The
/// memory of attention grows with the square of this number.
const MOST_TOKENS: usize = 10_000;

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
        TaskKind::Translation | TaskKind::Parsing => None,
        TaskKind::LanguageModelling => {
            Some("a language model, which translates nothing; `ablate generate` lets it write")
        }
        TaskKind::MaskedLanguageModelling => Some(
            "a masked language model, which writes nothing: model.decoder = \"none\"; a model with a decoder that is \
             trained on sentence pairs translates",
        ),
        TaskKind::WordVectors => Some(
            "of word vectors, which write nothing: model.encoder = \"none\" and model.decoder = \"none\"; a model with a \
             decoder that is trained on sentence pairs translates",
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
    let parser = experiment.data.recipe.tree_leaves();
    let lines: Vec<String> = text
        .lines()
        .map(|line| if parser.is_some() { tree_repair::escaped(line) } else { line.to_string() })
        .collect();
    let sources: Vec<Vec<u32>> = lines.iter().map(|line| data.encode_source(line, &mut cache)).collect();
    let place = |number: usize| format!("standard input, line {number}");
    check_lengths(&*model, &sources, &place)?;
    let max_length = experiment.data.max_length;
    let most = max_length.saturating_mul(100).max(MOST_TOKENS);
    if let Some(at) = sources.iter().position(|source| source.len() > most) {
        return Err(Error::user(format!(
            "{} has {} tokens, and lines of more than {most} are refused: the model was trained on at most \
             data.max_length = {max_length} tokens; give it one sentence a line",
            place(at + 1),
            sources[at].len()
        )));
    }
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
    // The output of a parser is shown as a tree over the words.
    let written = |line: usize, tokens: &[u32]| -> (String, bool) {
        let written = data.decode_target(tokens);
        let Some(leaves) = parser else { return (written, false) };
        let words = words(&lines[line]).map(|word| (WORD, word));
        let (tree, defects) = tree_repair::repair(&written, leaves, words);
        (tree.map(|tree| tree.to_string()).unwrap_or_default(), !defects.is_none())
    };
    let mut repaired = 0;
    for ((line, best), source) in found.iter().enumerate().zip(text.lines()) {
        if arguments.json {
            let one = |found: &Hypothesis| {
                let (text, malformed) = written(line, &found.tokens);
                let mut value = json!({"text": text, "score": found.score});
                if parser.is_some() {
                    value["malformed"] = malformed.into();
                }
                value
            };
            let found: Vec<_> = best.iter().map(one).collect();
            output += &format!("{}\n", json!({"source": source, "translations": found}));
            continue;
        }
        for hypothesis in best {
            if arguments.n_best.is_some() {
                output += &format!("{line} ||| {} ||| ", hypothesis.score);
            }
            let (text, malformed) = written(line, &hypothesis.tokens);
            repaired += usize::from(malformed);
            output += &text;
            output.push('\n');
        }
    }
    if repaired > 0 {
        print_message(&format!("{repaired} of the parses were no trees and are repaired"));
    }
    print(&output)
}
