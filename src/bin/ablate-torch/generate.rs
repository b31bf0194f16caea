//! `ablate generate`: lets a language model write text.

use ablate_base::error::{Error, Result};
use ablate_command::commands::generate::Arguments;
use ablate_command::commands::{Places, print};
use ablate_compute::decode::sample::{Request, Sampling, generate};
use ablate_compute::experiment::TrainedModel;
use ablate_compute::train::{FirstInput, TaskKind, TrainingConfig};
use ablate_sweep::sweep::settings;
use ablate_trial::telemetry::console::print_message;
use serde_json::json;

pub fn run(arguments: Arguments, places: &Places) -> Result<()> {
    settings::require(
        &arguments.sets,
        |key| key.starts_with("run."),
        "cannot change what a trained model writes",
        "expected keys of [run], as in run.device=\"cpu\"",
    )?;
    let sampling = sampling(&arguments)?;
    let TrainedModel { experiment, data, model } =
        TrainedModel::load(&arguments.run, &places.data, &arguments.sets)?;
    let other = match experiment.task() {
        TaskKind::LanguageModelling => None,
        TaskKind::Translation | TaskKind::Parsing => {
            Some("is no language model: it reads a source; `ablate translate` lets it translate")
        }
        TaskKind::MaskedLanguageModelling => Some(
            "is a masked language model, which continues no text: model.decoder = \"none\"; a model with a decoder and \
             model.encoder = \"none\" does",
        ),
        TaskKind::WordVectors => Some(
            "has word vectors, which write nothing: model.encoder = \"none\" and model.decoder = \"none\"; a model with a \
             decoder does",
        ),
    };
    if let Some(other) = other {
        return Err(Error::user(format!("{} {other}", arguments.run.display())));
    }
    // A model that reads backward continues the prompt to the left, from its beginning.
    let TrainingConfig { direction, first_input, .. } = experiment.training;
    let prompt = data.encode_text(&arguments.prompt);
    if data.decode_text(&prompt).contains(char::REPLACEMENT_CHARACTER)
        && !arguments.prompt.contains(char::REPLACEMENT_CHARACTER)
    {
        print_message(
            "note: the prompt has characters that the training text does not have; the model reads each of them as the unknown \
             token, which is shown as \u{FFFD}",
        );
    }
    let prompt = direction.turned(prompt);
    // A model that reads `<s>` only once in an epoch begins behind the end of a line instead.
    let line_end = match first_input {
        FirstInput::PreviousToken if prompt.is_empty() => direction.turned(data.line_end()),
        FirstInput::PreviousToken | FirstInput::Bos => Vec::new(),
    };
    let request = Request {
        prompt: &[&line_end[..], &prompt].concat(),
        first_input,
        tokens: arguments.tokens,
        sampling,
        seed: arguments.seed,
        vocabulary: data.tokenizers.target().len(),
        window: experiment.data.max_length,
    };
    let written = generate(&*model, &request, &mut |_| Ok(()))?;
    let text = data.decode_text(&direction.turned([&prompt[..], &written].concat()));
    if arguments.json {
        let label = |&id: &u32| data.tokenizers.target().label(id);
        let tokens: Vec<String> = written.iter().map(label).collect();
        return print(&format!("{}\n", json!({"prompt": arguments.prompt, "text": text, "tokens": tokens})));
    }
    print(&format!("{text}\n"))
}

/// Returns the sampling that the options state.
///
/// # Errors
/// A user error that names the invalid option.
fn sampling(arguments: &Arguments) -> Result<Sampling> {
    let &Arguments { temperature, top_k, top_p, tokens, .. } = arguments;
    let refuse = |option: &str, value: String, accepted: &str| {
        Err(Error::user(format!("{option} {value} is out of range: use {accepted}")))
    };
    match (top_k, top_p) {
        _ if !(temperature.is_finite() && temperature >= 0.0) => {
            refuse("--temperature", temperature.to_string(), "a finite number, 0 or more")
        }
        _ if tokens == 0 => refuse("--tokens", tokens.to_string(), "1 or more"),
        (Some(0), _) => refuse("--top-k", "0".into(), "1 or more, or leave it out"),
        (_, Some(share)) if !(share > 0.0 && share <= 1.0) => {
            refuse("--top-p", share.to_string(), "a number above 0, at most 1, or leave it out")
        }
        _ => Ok(Sampling { temperature, top_k, top_p }),
    }
}
