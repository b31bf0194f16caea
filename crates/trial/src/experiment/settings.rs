//! The settings of an experiment as a flat list, as TensorBoard and comparisons show them.

use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::subsections::settings_of;
use crate::telemetry::hparams::HParamValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// An experiment with every setting that has a value, by section and key: also those that files and records leave out
/// while they have their default.
pub fn all_settings(experiment: &Experiment) -> Value {
    let Experiment { data, model, decoding, .. } = experiment;
    let mut tree = serde_json::to_value(experiment).unwrap_or_default();
    for (section, key, value) in [
        ("data", "vocabulary", json!(data.vocabulary)),
        ("model", "activation", json!(model.activation)),
        ("model", "feed_forward", json!(model.feed_forward)),
        ("model", "residual", json!(model.residual)),
        ("decoding", "early_stopping", json!(decoding.early_stopping)),
        ("decoding", "length_buckets", json!(decoding.length_buckets)),
    ] {
        tree[section][key] = value;
    }
    tree
}

/// Every setting that can change a result but the seed, by key, with absent ones resolved.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let resolved = Experiment { model: experiment.model.with_head_widths_stated(), ..experiment.clone() };
    let mut settings = BTreeMap::new();
    let value = all_settings(&resolved);
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(Value::as_object) else { continue };
        let settings_but_seed =
            settings_of(section, table).into_iter().filter(|(key, _)| key != "training.seed");
        for (key, value) in settings_but_seed {
            let value = match value {
                Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
                Value::Bool(flag) => HParamValue::Bool(*flag),
                Value::Null => HParamValue::Text(String::new()),
                other => HParamValue::Text(cell_text(other)),
            };
            settings.insert(key, value);
        }
    }
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
                "model.d_k",
                "model.d_v",
                "model.embedding_multiple",
                "model.embedding_rows",
                "training.clip_norm",
                "training.early_stopping_patience",
                "training.packed_length",
                "training.peak_learning_rate",
            ]
        );
    }
}
