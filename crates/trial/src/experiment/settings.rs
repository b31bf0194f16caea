//! The settings of an experiment as a flat list, as TensorBoard and comparisons show them.

use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::subsections::settings_of;
use crate::config::unread_keys::unread;
use crate::telemetry::hparams::HParamValue;
use serde_json::{Value, json};
use std::collections::BTreeMap;

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
        ("decoding.early_stopping", json!(decoding.early_stopping)),
        ("decoding.length_buckets", json!(decoding.length_buckets)),
    ] {
        *key.split('.').fold(&mut tree, |table, name| &mut table[name]) = value;
    }
    tree
}

/// Every setting that can change a result but the seed, by key, with absent ones resolved. What the parts of the model do
/// not read is left out.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let resolved = Experiment { model: experiment.model.with_head_widths_stated(), ..experiment.clone() };
    let mut settings = BTreeMap::new();
    let value = all_settings(&resolved);
    let unread: Vec<&str> = unread(&resolved.model).into_iter().map(|unread| unread.key).collect();
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(Value::as_object) else { continue };
        let read = |key: &str| key != "training.seed" && !unread.contains(&key);
        for (key, value) in settings_of(section, table).into_iter().filter(|(key, _)| read(key)) {
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
                "model.recurrent.attention_width",
                "model.recurrent.residual_from",
                "training.clip_norm",
                "training.early_stopping_patience",
                "training.packed_length",
                "training.peak_learning_rate",
            ]
        );
    }
}
