//! The settings in which the rows of a sweep differ. Tables, reports and TensorBoard show each in a separate column
//! instead of repeating all of them in every label.

use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// A row's values of the settings that vary, by `section.key`: numbers, truth values and texts. A setting without a
/// value in the row, or without effect, is left out.
pub type RowSettings = BTreeMap<String, Value>;

/// A setting that differs among rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VariedSetting {
    /// `model.dropout`
    pub key: String,
    /// The name of its column: `dropout`, or the whole key if the short name is ambiguous.
    pub name: String,
    /// Whether every value is a number.
    pub numeric: bool,
    /// Whether axes, zips, points or draws vary it, so that it is a column of the table. Settings that only named rows
    /// change stand under "what changed".
    pub is_column: bool,
}

impl VariedSetting {
    /// The name for captions: `learning rate scale`.
    pub fn words(&self) -> String {
        self.name.replace(['_', '.'], " ")
    }
}

/// Returns those of `keys` in which `rows` differ, in their order. The flag says whether a key is a column; `taken`
/// holds the names of other columns.
pub fn varied(keys: &[(String, bool)], rows: &[&RowSettings], taken: &[&str]) -> Vec<VariedSetting> {
    let differing: Vec<&(String, bool)> = keys.iter().filter(|(key, _)| differs(key, rows)).collect();
    let name = |key: &str| {
        let shared = differing.iter().filter(|(other, _)| last(other) == last(key)).count() > 1;
        if shared || taken.contains(&last(key)) { key.to_string() } else { last(key).to_string() }
    };
    let setting = |(key, is_column): &(String, bool)| VariedSetting {
        key: key.clone(),
        name: name(key),
        numeric: rows.iter().filter_map(|row| row.get(key)).all(Value::is_number),
        is_column: *is_column,
    };
    differing.iter().map(|found| setting(found)).collect()
}

/// Returns whether a setting has different values in `rows`.
pub fn differs(key: &str, rows: &[&RowSettings]) -> bool {
    rows.iter().any(|row| row.get(key) != rows[0].get(key))
}

/// Returns the changes that all of several rows share, which do not tell them apart; empty for a single row.
pub fn shared<'a, T: PartialEq>(rows: impl IntoIterator<Item = &'a [T]>) -> Vec<&'a T> {
    let mut rows = rows.into_iter();
    let Some(first) = rows.next() else { return Vec::new() };
    let others: Vec<&[T]> = rows.collect();
    let in_all = |change: &&T| !others.is_empty() && others.iter().all(|row| row.contains(change));
    first.iter().filter(in_all).collect()
}

/// Returns a value without quotes; empty if the row has none.
pub fn text(value: Option<&Value>) -> String {
    match value {
        None => String::new(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn last(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: Value) -> RowSettings {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn settings_that_differ_are_columns_with_the_shortest_name_that_means_one_thing() {
        let rows = [
            row(
                json!({ "model.dropout": 0.1, "model.norm": "pre", "training.batch_tokens": 10, "model.heads": 4 }),
            ),
            row(
                json!({ "model.dropout": 0.2, "model.norm": "post", "training.batch_tokens": 20, "model.heads": 4,
                        "decoding.batch_tokens": 5, "training.steps": 8 }),
            ),
        ];
        let keys =
            ["training.batch_tokens", "model.norm", "model.dropout", "model.heads", "decoding.batch_tokens"];
        let keys: Vec<(String, bool)> = keys
            .iter()
            .chain(&["training.steps"])
            .map(|key| (key.to_string(), *key != "model.norm"))
            .collect();
        let found = varied(&keys, &[&rows[0], &rows[1]], &["steps"]);
        let shown: Vec<_> = found.iter().map(|one| (one.name.as_str(), one.numeric, one.is_column)).collect();
        assert_eq!(
            shown,
            [
                ("training.batch_tokens", true, true),
                ("norm", false, false),
                ("dropout", true, true),
                ("decoding.batch_tokens", true, true),
                ("training.steps", true, true),
            ]
        );
        assert!(varied(&keys, &[&rows[0]], &[]).is_empty() && varied(&keys, &[], &[]).is_empty());
    }

    #[test]
    fn what_all_rows_share_tells_none_apart() {
        let rows: [&[i32]; 3] = [&[1, 2, 3], &[3, 1], &[1, 3, 4]];
        assert_eq!(shared(rows), [&1, &3]);
        assert!(shared([rows[0]]).is_empty() && shared::<i32>([]).is_empty());
    }

    #[test]
    fn texts_are_shown_without_quotes_and_numbers_as_they_are_stated() {
        for (value, expected) in [
            (json!("pre"), "pre"),
            (json!(0.1), "0.1"),
            (json!(1.0), "1.0"),
            (json!(8), "8"),
            (json!(true), "true"),
        ] {
            assert_eq!(text(Some(&value)), expected);
        }
        assert_eq!(text(None), "");
    }
}
