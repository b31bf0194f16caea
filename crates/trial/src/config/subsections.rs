//! Tables inside a section that are sections themselves, such as `[model.attention]`: a file, a `--set` or a row
//! changes their keys one by one, and their keys are named `section.table.key`. Every other table is the value of a key
//! and is replaced as a whole.

use serde_json::{Map, Value};

/// The sections of an experiment.
pub const SECTIONS: [&str; 5] = ["data", "model", "training", "decoding", "run"];

/// The dotted names of these tables.
pub const SUBSECTIONS: [&str; 6] = [
    "model.attention",
    "model.convolutional",
    "model.recurrent",
    "model.masked",
    "training.masking",
    "training.words",
];

/// Whether the keys below `path` are separate settings: a section, or one of [`SUBSECTIONS`].
pub fn is_section(path: &str) -> bool {
    !path.contains('.') || SUBSECTIONS.contains(&path)
}

/// The settings of a `section` of an experiment in JSON, by their dotted keys.
pub fn settings_of<'a>(section: &str, table: &'a Map<String, Value>) -> Vec<(String, &'a Value)> {
    let mut found = Vec::new();
    for (name, value) in table {
        let key = format!("{section}.{name}");
        match value {
            Value::Object(inner) if is_section(&key) => found.extend(settings_of(&key, inner)),
            value => found.push((key, value)),
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::experiment::cell_text;
    use serde_json::json;

    #[test]
    fn settings_of_subsections_have_names_of_three_parts_and_other_tables_are_values() {
        let model = json!({ "heads": 8, "attention": { "score": "dot", "window": { "size": 3 } } });
        let found = settings_of("model", model.as_object().unwrap());
        let mut shown: Vec<String> =
            found.iter().map(|(key, value)| format!("{key}: {}", cell_text(value))).collect();
        shown.sort();
        assert_eq!(
            shown,
            ["model.attention.score: dot", "model.attention.window: { size = 3 }", "model.heads: 8"]
        );
    }
}
