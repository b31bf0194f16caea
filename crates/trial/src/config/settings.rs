//! The settings of an experiment, each with its value: also those that files and records leave out while they have their
//! default.

use super::experiment::Experiment;
use super::subsections::settings_of;
use super::unread_keys::unread;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Values by `section.key`.
pub type Settings = BTreeMap<String, Value>;

/// An experiment with every setting that has a value, by section and key: also those that files and records leave out
/// while they have their default.
pub fn all_settings(experiment: &Experiment) -> Value {
    let Experiment { data, model, decoding, .. } = experiment;
    let mut tree = serde_json::to_value(experiment).unwrap_or_default();
    for (key, value) in [
        ("data.vocabulary", json!(data.vocabulary)),
        ("model.encoder", json!(model.encoder)),
        ("model.decoder", json!(model.decoder)),
        ("model.activation", json!(model.activation)),
        ("model.attention.projections", json!(model.attention.projections)),
        ("model.attention.score", json!(model.attention.score)),
        ("model.attention.span", json!(model.attention.span)),
        ("model.feed_forward", json!(model.feed_forward)),
        ("model.residual", json!(model.residual)),
        ("model.softmax_bias", json!(model.softmax_bias)),
        ("model.convolutional", json!(model.convolutional)),
        ("model.recurrent", json!(model.recurrent)),
        ("decoding.early_stopping", json!(decoding.early_stopping)),
        ("decoding.length_buckets", json!(decoding.length_buckets)),
    ] {
        *key.split('.').fold(&mut tree, |table, name| &mut table[name]) = value;
    }
    tree
}

/// Every setting that has a value and can change a result, by key, but the seed. What the parts of the model do not read is
/// left out.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::json_schema::sections;
    use schemars::generate::SchemaSettings;

    /// A setting without a value means something else than any value would; every other one is shown.
    #[test]
    fn no_setting_that_has_a_value_is_left_out() {
        let tree = all_settings(&Experiment::of_generated_text());
        let mut generator = SchemaSettings::draft07().into_generator();
        let mut left_out = Vec::new();
        for (section, keys) in sections(&mut generator) {
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
