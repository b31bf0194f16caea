//! The settings of an experiment as a flat list, for TensorBoard and comparisons.

use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::settings::resolved_settings;
use crate::telemetry::hparams::HParamValue;
use serde_json::Value;
use std::collections::BTreeMap;

/// Every setting except the seed that can change a result, by key, with absent ones resolved. Keys that the parts of
/// the model do not read are left out.
pub fn hparams(experiment: &Experiment) -> BTreeMap<String, HParamValue> {
    let shown = |value: Value| match value {
        Value::Number(number) => HParamValue::Number(number.as_f64().unwrap_or(f64::NAN)),
        Value::Bool(flag) => HParamValue::Bool(flag),
        other => HParamValue::Text(cell_text(&other)),
    };
    resolved_settings(experiment).into_iter().map(|(key, value)| (key, shown(value))).collect()
}
