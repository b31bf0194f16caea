//! Keys of `[training]` that only some tasks read.

use super::experiment::{Experiment, setting_text};
use super::unread_keys::{Because, Unread, all_unread, at_defaults};
use crate::train::{TaskKind, TrainingConfig};

/// The keys that only a language model that predicts the next token reads.
const LANGUAGE_MODELLING: [&str; 2] = ["training.direction", "training.first_input"];

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

/// The keys that the task of an experiment does not read, with the settings that are the reason.
pub fn unread_by_task(experiment: &Experiment) -> Vec<Unread> {
    let task = experiment.task();
    let mut found = Vec::new();
    let mut add = |keys: &[_], because: Because| found.extend(all_unread(keys, &because));
    match task {
        TaskKind::LanguageModelling => {
            add(&MASKING, decoder(experiment));
            add(&WORDS, decoder(experiment));
        }
        TaskKind::MaskedLanguageModelling => {
            add(&LANGUAGE_MODELLING, decoder(experiment));
            add(&WORDS, encoder(experiment));
        }
        TaskKind::WordVectors => {
            add(&LANGUAGE_MODELLING, decoder(experiment));
            add(&MASKING, encoder(experiment));
            // There is no distribution over the vocabulary that could be smoothed.
            add(
                &["training.label_smoothing", "training.r_drop"],
                [encoder(experiment), decoder(experiment)].concat(),
            );
        }
        TaskKind::Translation | TaskKind::Parsing => {
            add(&LANGUAGE_MODELLING, recipe(experiment));
            add(&MASKING, recipe(experiment));
            add(&WORDS, recipe(experiment));
        }
    }
    if !experiment.reads_prefixes() {
        let because = if task.has_pairs() { encoder(experiment) } else { recipe(experiment) };
        add(&["training.prefix_loss"], because);
    }
    found
}

/// The settings of training with the keys that the task of `experiment` does not read at their defaults.
pub(super) fn without_unread_by_task(experiment: &Experiment) -> TrainingConfig {
    at_defaults(&experiment.training, unread_by_task(experiment))
}

fn recipe(experiment: &Experiment) -> Because {
    vec![("data.recipe", setting_text(&experiment.data.recipe.name))]
}

fn encoder(experiment: &Experiment) -> Because {
    vec![("model.encoder", setting_text(&experiment.model.encoder))]
}

/// The choice of the decoder, as a [`Because`].
pub(super) fn decoder(experiment: &Experiment) -> Because {
    vec![("model.decoder", setting_text(&experiment.model.decoder))]
}
