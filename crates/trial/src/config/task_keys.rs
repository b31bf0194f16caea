//! Keys of `[training]` that only some tasks read.

use super::experiment::{Experiment, setting_text};
use super::unread_keys::Unread;
use crate::data::masking::MaskingConfig;
use crate::model::ModelConfig;
use crate::train::{BlockReading, PrefixLoss, TaskKind, TrainingConfig};

/// The keys that only a language model reads, one that predicts what follows.
const LANGUAGE_MODELLING: [&str; 2] = ["training.direction", "training.first_input"];

/// The keys that only the training of a masked language model reads.
const MASKING: [&str; 4] = [
    "training.masking.rate",
    "training.masking.hidden",
    "training.masking.random",
    "training.masking.copies",
];

/// The keys that the task of an experiment does not read, with the choices that make it so.
pub fn unread_by_task(experiment: &Experiment) -> Vec<Unread> {
    let recipe = || vec![("data.recipe", setting_text(&experiment.data.recipe.name))];
    let decoder = || no_decoder(&experiment.model);
    let task = experiment.task();
    let mut found = Vec::new();
    let mut add = |keys: &[&'static str], because: Vec<(&'static str, String)>| {
        found.extend(keys.iter().map(|&key| Unread { key, because: because.clone() }));
    };
    match task {
        TaskKind::LanguageModelling => add(&MASKING, decoder()),
        TaskKind::MaskedLanguageModelling => add(&LANGUAGE_MODELLING, decoder()),
        TaskKind::Translation | TaskKind::Parsing => {
            add(&LANGUAGE_MODELLING, recipe());
            add(&MASKING, recipe());
        }
    }
    if !experiment.reads_prefixes() {
        let because = match task {
            TaskKind::Translation | TaskKind::Parsing => {
                vec![("model.encoder", setting_text(&experiment.model.encoder))]
            }
            TaskKind::LanguageModelling | TaskKind::MaskedLanguageModelling => recipe(),
        };
        add(&["training.prefix_loss"], because);
    }
    found
}

/// The settings of training with the keys that the task of `experiment` does not read at their defaults.
pub(super) fn without_unread_by_task(experiment: &Experiment) -> TrainingConfig {
    let mut training = experiment.training.clone();
    if !experiment.reads_prefixes() {
        training.prefix_loss = PrefixLoss::default();
    }
    if experiment.task() != TaskKind::LanguageModelling {
        BlockReading { direction: training.direction, first_input: training.first_input } =
            BlockReading::default();
    }
    if experiment.task() != TaskKind::MaskedLanguageModelling {
        training.masking = MaskingConfig::default();
    }
    training
}

/// The choice of the decoder, as a reason.
pub(super) fn no_decoder(model: &ModelConfig) -> Vec<(&'static str, String)> {
    vec![("model.decoder", setting_text(&model.decoder))]
}
