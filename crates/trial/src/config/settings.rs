//! The settings of an experiment, each with its value, including those that files and records leave out while they have
//! their default.

use super::experiment::Experiment;
use super::json_schema::{SECTIONS_WITH_KEYS, stated_default};
use super::subsections::settings_of;
use super::unread_keys::unread;
use serde_json::Value;
use std::collections::BTreeMap;

/// Values by `section.key`.
pub type Settings = BTreeMap<String, Value>;

/// An experiment with every setting that has a value, by section and key, including those that files and records leave
/// out while they have their default.
pub fn all_settings(experiment: &Experiment) -> Value {
    let mut tree = serde_json::to_value(experiment).unwrap_or_default();
    for (section, keys) in SECTIONS_WITH_KEYS.iter() {
        for (key, schema) in keys {
            let Some(default) = stated_default(schema) else { continue };
            let table = section.split('.').fold(&mut tree, |table, name| &mut table[name]);
            if table.get(key).is_none() {
                table[key] = default.clone();
            }
        }
    }
    tree
}

/// Every setting that has a value and can change a result, by key, without the seed and without keys that the parts of
/// the model do not read.
pub fn settings_by_key(experiment: &Experiment) -> Settings {
    let mut settings = Settings::new();
    let tree = all_settings(experiment);
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = tree.get(section).and_then(Value::as_object) else { continue };
        settings.extend(settings_of(section, table).into_iter().map(|(key, value)| (key, value.clone())));
    }
    let unread: Vec<&str> = unread(&experiment.model).into_iter().map(|unread| unread.key).collect();
    settings
        .retain(|key, value| key != "training.seed" && !value.is_null() && !unread.contains(&key.as_str()));
    settings
}

/// Does the same with absent widths of heads resolved.
pub fn resolved_settings(experiment: &Experiment) -> Settings {
    let model = experiment.model.with_head_widths_stated();
    settings_by_key(&Experiment { model, ..experiment.clone() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A setting without a value has a meaning that no value has; every other setting is shown.
    #[test]
    fn no_setting_that_has_a_value_is_left_out() {
        let tree = all_settings(&Experiment::of_generated_text());
        let mut left_out = Vec::new();
        for (section, keys) in SECTIONS_WITH_KEYS.iter() {
            let table = section.split('.').fold(&tree, |tree, name| &tree[name]);
            let missing = keys.keys().filter(|key| table.get(*key).is_none());
            left_out.extend(missing.map(|key| format!("{section}.{key}")));
        }
        left_out.retain(|key| !key.starts_with("run."));
        left_out.sort();
        assert_eq!(
            left_out,
            [
                "data.max_train_length",
                "model.attention.cross_score",
                "model.attention.decoder_span",
                "model.convolutional.attention_layers",
                "model.d_k",
                "model.d_v",
                "model.embedding_deviation",
                "model.embedding_multiple",
                "model.embedding_rows",
                "model.recurrent.attention_width",
                "model.recurrent.residual_from",
                "training.clip_norm",
                "training.early_stopping_patience",
                "training.lowest_learning_rate",
                "training.masking.copies",
                "training.packed_length",
                "training.peak_learning_rate",
            ]
        );
    }

    #[test]
    fn settings_are_listed_by_key_without_the_seed() {
        let settings = settings_by_key(&Experiment::of_generated_text());
        assert_eq!(settings["model.dropout"], json!(0.1));
        assert_eq!(settings["model.activation"], json!("relu"));
        assert!(
            !settings.contains_key("training.seed") && !settings.keys().any(|key| key.starts_with("run."))
        );
        assert!(settings.values().all(|value| !value.is_null()));
    }
}
