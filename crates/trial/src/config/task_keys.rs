//! Keys of `[training]` that only some tasks read.

use super::experiment::{Experiment, setting_text};
use super::unread_keys::Unread;
use crate::train::TaskKind;

/// The keys that only the training of a masked language model reads.
const MASKING: [&str; 4] = [
    "training.masking.rate",
    "training.masking.hidden",
    "training.masking.random",
    "training.masking.copies",
];

/// The keys that only the training of word vectors reads.
const WORDS: [&str; 5] = [
    "training.words.model",
    "training.words.window",
    "training.words.negatives",
    "training.words.noise_exponent",
    "training.words.subsampling",
];

/// Settings as a reason, keys and values as in a file.
type Because = Vec<(&'static str, String)>;

/// The keys that the task of an experiment does not read.
pub fn unread_by_task(experiment: &Experiment) -> Vec<Unread> {
    let task = experiment.task();
    let mut found = Vec::new();
    let mut add = |keys: &[&'static str], because: Because| {
        found.extend(keys.iter().map(|&key| Unread { key, because: because.clone() }));
    };
    match task {
        TaskKind::LanguageModelling => {}
        TaskKind::MaskedLanguageModelling | TaskKind::WordVectors => {
            add(&["training.direction"], decoder(experiment));
        }
        TaskKind::Translation | TaskKind::Parsing => add(&["training.direction"], recipe(experiment)),
    }
    match task {
        TaskKind::MaskedLanguageModelling => {}
        TaskKind::LanguageModelling => add(&MASKING, decoder(experiment)),
        TaskKind::WordVectors => add(&MASKING, encoder(experiment)),
        TaskKind::Translation | TaskKind::Parsing => add(&MASKING, recipe(experiment)),
    }
    match task {
        TaskKind::WordVectors => {
            // There is no distribution over the vocabulary to be smoothed.
            add(&["training.label_smoothing"], [encoder(experiment), decoder(experiment)].concat());
        }
        TaskKind::LanguageModelling => add(&WORDS, decoder(experiment)),
        TaskKind::MaskedLanguageModelling => add(&WORDS, encoder(experiment)),
        TaskKind::Translation | TaskKind::Parsing => add(&WORDS, recipe(experiment)),
    }
    if !experiment.reads_prefixes() {
        let because = if task.has_pairs() { encoder(experiment) } else { recipe(experiment) };
        add(&["training.prefix_loss"], because);
    }
    found
}

fn recipe(experiment: &Experiment) -> Because {
    vec![("data.recipe", setting_text(&experiment.data.recipe.name))]
}

fn encoder(experiment: &Experiment) -> Because {
    vec![("model.encoder", setting_text(&experiment.model.encoder))]
}

/// The choice of the decoder, as a reason.
pub fn decoder(experiment: &Experiment) -> Because {
    vec![("model.decoder", setting_text(&experiment.model.decoder))]
}
