//! The settings of an experiment as a flat list, as TensorBoard and comparisons show them.

use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::subsections::settings_of;
use crate::config::unread_keys::unread;
use crate::telemetry::hparams::HParamValue;
use std::collections::BTreeMap;

/// Every setting that can change a result but the seed, by key, with absent ones resolved. What the parts of the model do
/// not read is left out.
pub fn settings(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let resolved = Experiment { model: experiment.model.with_head_widths_stated(), ..experiment.clone() };
    let mut settings = BTreeMap::new();
    let value = serde_json::to_value(&resolved).unwrap_or_default();
    let unread: Vec<&str> = unread(&resolved.model).into_iter().map(|unread| unread.key).collect();
    for section in ["data", "model", "training", "decoding"] {
        let Some(table) = value.get(section).and_then(serde_json::Value::as_object) else { continue };
        let read = |key: &str| key != "training.seed" && !unread.contains(&key);
        for (key, value) in settings_of(section, table).into_iter().filter(|(key, _)| read(key)) {
            let value = match value {
                serde_json::Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
                serde_json::Value::Bool(flag) => HParamValue::Bool(*flag),
                serde_json::Value::Null => HParamValue::Text(String::new()),
                other => HParamValue::Text(cell_text(other)),
            };
            settings.insert(key, value);
        }
    }
    settings
}
