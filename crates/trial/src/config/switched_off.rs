//! Keys that the value of another key switches off.

use super::experiment::setting_text;
use super::unread_keys::{Unread, all_unread};
use crate::model::{ModelConfig, NormKind, Projections};

/// The keys of `[model]` that a part of the model reads and that have no effect with the value of another key. An
/// experiment may state them for sweeps that change the other key.
pub fn switched_off(model: &ModelConfig) -> Vec<Unread> {
    let mut found = Vec::new();
    let mut add = |keys: &[_], because: (_, _)| found.extend(all_unread(keys, &[because]));
    if !model.feed_forward {
        let because = ("model.feed_forward", setting_text(&model.feed_forward));
        add(&["model.d_ff", "model.activation_dropout"], because.clone());
        if !model.reads_activation() {
            add(&["model.activation"], because);
        }
    }
    if model.norm_kind == NormKind::None {
        let because = ("model.norm_kind", setting_text(&model.norm_kind));
        add(&["model.norm"], because.clone());
        if !model.has_bottlenecks() {
            add(&["model.layer_norm_epsilon"], because);
        }
    }
    if model.attention.projections == Projections::None {
        // No projections: there is nothing with biases or first values.
        let because = ("model.attention.projections", setting_text(&model.attention.projections));
        add(&["model.attention_biases"], because.clone());
        if model.initialisation.is_of_projections() {
            add(&["model.initialisation"], because);
        }
    }
    found
}
