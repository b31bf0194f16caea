//! The settings in which the rows of a sweep differ, and the values of each row.

use super::trial::Trial;
use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::idle_settings::idle;
use crate::config::settings::resolved_settings;
use crate::results::varied::{self, RowSettings, VariedSetting};
use serde_json::Value;

/// Names of columns that are not settings, and words for a row itself.
const TAKEN: [&str; 7] = ["row", "group", "n", "seed", "seeds", "parameters", "steps"];

/// Returns the settings that differ among rows, each given by one of its trials, and the values that every row has. Settings
/// that axes, zips, points and draws vary come first, in the order of the sweep.
pub fn varied(rows: &[&Trial]) -> (Vec<VariedSetting>, Vec<RowSettings>) {
    let mut keys: Vec<(String, bool)> = Vec::new();
    let of_factors = rows.iter().flat_map(|trial| &trial.varied).map(|key| (key, true));
    let of_rows = rows.iter().flat_map(|trial| &trial.changes).map(|(key, _)| (key, false));
    for (key, is_column) in of_factors.chain(of_rows) {
        if !keys.iter().any(|(known, _)| known == key) {
            keys.push((key.clone(), is_column));
        }
    }
    let mut values: Vec<RowSettings> = rows.iter().map(|trial| values(&trial.experiment, &keys)).collect();
    let settings = varied::varied(&keys, &values.iter().collect::<Vec<_>>(), &TAKEN);
    values.iter_mut().for_each(|row| row.retain(|key, _| settings.iter().any(|setting| setting.key == *key)));
    (settings, values)
}

/// Returns the final values, without those that another setting switches off.
fn values(experiment: &Experiment, keys: &[(String, bool)]) -> RowSettings {
    let off: Vec<&str> = idle(experiment).into_iter().filter(|idle| idle.off).map(|idle| idle.key).collect();
    let mut all = resolved_settings(experiment);
    let wanted = keys.iter().filter(|(key, _)| !off.contains(&key.as_str()));
    wanted.filter_map(|(key, _)| Some((key.clone(), scalar(all.remove(key)?)))).collect()
}

/// Turns a value that is no number, truth value or text into a text.
fn scalar(value: Value) -> Value {
    match value {
        Value::Number(_) | Value::Bool(_) | Value::String(_) => value,
        other => Value::String(cell_text(&other)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::examples::of_demo;
    use serde_json::json;

    /// Names of the settings with whether they are columns; the values of each row; the name that is left of each row.
    type Found = (Vec<(String, bool)>, Vec<Value>, Vec<Option<String>>);

    fn found(sweep: &str) -> Found {
        let (_, trials) = of_demo(&format!("seeds = [1]\n{sweep}"));
        let (settings, values) = varied(&trials.iter().collect::<Vec<_>>());
        (
            settings.into_iter().map(|setting| (setting.name, setting.is_column)).collect(),
            values.into_iter().map(|row| json!(row)).collect(),
            trials.into_iter().map(|trial| trial.name).collect(),
        )
    }

    fn names(found: &[(String, bool)]) -> Vec<(&str, bool)> {
        found.iter().map(|(name, is_column)| (name.as_str(), *is_column)).collect()
    }

    #[test]
    fn every_axis_that_has_several_values_is_a_column_and_rows_need_no_name() {
        let (settings, values, labels) = found(
            "[axes]\n\"training.learning_rate_scale\" = [0.5, 1.0]\n\"model.position\" = [\"none\", { relative = 4 }]\n\
             \"model.heads\" = [2]\n",
        );
        assert_eq!(names(&settings), [("learning_rate_scale", true), ("position", true)]);
        assert_eq!(
            values[..2],
            [
                json!({ "training.learning_rate_scale": 0.5, "model.position": "none" }),
                json!({ "training.learning_rate_scale": 0.5, "model.position": "{ relative = 4 }" }),
            ]
        );
        assert_eq!(labels, vec![None; 4]);
    }

    #[test]
    fn named_rows_keep_their_names_and_what_they_change_is_no_column() {
        let (settings, values, labels) = found(
            "[[row]]\nlabel = \"base\"\n[[row]]\nlabel = \"deep\"\nset = { \"model.layers\" = 3, \"model.d_ff\" = 64 }\n\
             [axes]\n\"model.activation\" = [\"relu\", \"gelu\"]\n\"model.d_k\" = [16, 8]\n",
        );
        assert_eq!(
            names(&settings),
            [("activation", true), ("d_k", true), ("layers", false), ("d_ff", false)]
        );
        // Settings that are left out of files have their defaults.
        assert_eq!(
            values[0],
            json!({ "model.activation": "relu", "model.d_k": 16, "model.layers": 2, "model.d_ff": 128 })
        );
        assert_eq!(labels[3..5], [Some("base".to_string()), Some("deep".to_string())]);
    }

    #[test]
    fn what_has_no_effect_in_a_row_has_no_value_there() {
        let (settings, values, labels) = found(
            "[axes]\n\"model.position\" = [\"learned\", \"none\"]\n\
             \"model.learned_positions\" = { values = [128, 512], when = { \"model.position\" = \"learned\" } }\n",
        );
        assert_eq!(names(&settings), [("position", true), ("learned_positions", true)]);
        assert_eq!(values[1], json!({ "model.position": "learned", "model.learned_positions": 512 }));
        assert_eq!(values[2], json!({ "model.position": "none" }));
        assert_eq!(labels, vec![None; 3]);
    }

    #[test]
    fn points_zips_and_draws_have_their_labels_and_columns() {
        let (settings, values, labels) = found(
            "[[section]]\nlabel = \"width\"\n[[section.zip]]\nlabels = [\"narrow\", \"wide\"]\n\
             \"model.d_model\" = [32, 128]\n\"model.heads\" = [2, 8]\n\
             [[section]]\nlabel = \"search\"\n[section.random]\nseed = 1\ncount = 2\n\
             \"model.dropout\" = { uniform = [0.0, 0.2] }\n[[row]]\nlabel = \"base\"\n",
        );
        assert_eq!(names(&settings), [("d_model", true), ("heads", true), ("dropout", true)]);
        assert!(values.iter().all(|row| row["model.dropout"].is_number() && row["model.heads"].is_number()));
        let expected = ["base", "width,narrow", "width,wide", "search,draw-001", "search,draw-002"];
        assert_eq!(labels, expected.map(|label| Some(label.to_string())));
    }
}
