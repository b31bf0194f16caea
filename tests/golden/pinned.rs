//! Comparison of computed values with the pinned ones.

use ablate::config::RESULT_VERSION;
use serde_json::{Map, Value, json};
use std::path::Path;

/// Compares `computed`, by case, with what the file `section` has for it, or writes the file; see `main.rs`. A number may
/// differ by the part `tolerance` of its pinned value.
pub fn hold(section: &str, tolerance: f64, computed: Map<String, Value>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/fixtures/golden/{section}.json"));
    let write = std::env::var_os("ABLATE_GOLDEN").is_some_and(|word| word == "write");
    let pinned: Value = match std::fs::read_to_string(&path) {
        Ok(text) => serde_json::from_str(&text).unwrap(),
        Err(_) => json!({"result_version": 0, "cases": {}}),
    };
    let same_version = pinned["result_version"] == RESULT_VERSION;
    let cases = pinned["cases"].as_object().unwrap();
    let mut faults = Vec::new();
    if same_version {
        for (case, value) in cases {
            match computed.get(case) {
                Some(found) => differences(case, value, found, tolerance, &mut faults),
                None => faults.push(format!("{case}: pinned, but no longer computed")),
            }
        }
    }
    assert!(
        faults.is_empty(),
        "{section}: results of version {RESULT_VERSION} have changed. If that is meant, raise RESULT_VERSION \
         (crates/trial/src/config/identity.rs), say why in CHANGELOG.md and write the values anew:\n{}",
        faults.join("\n")
    );
    if write {
        let lines: Vec<String> =
            computed.iter().map(|(case, value)| format!("{}: {value}", json!(case))).collect();
        let text =
            format!("{{\"result_version\": {RESULT_VERSION}, \"cases\": {{\n{}\n}}}}\n", lines.join(",\n"));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
        return;
    }
    assert!(
        same_version,
        "{section}: the pinned values are of another RESULT_VERSION than {RESULT_VERSION}: write them anew"
    );
    let new: Vec<&String> = computed.keys().filter(|case| !cases.contains_key(*case)).collect();
    assert!(new.is_empty(), "{section}: not pinned yet, write them: {new:?}");
}

/// Appends a line for every place where `found` is not `pinned`; numbers may differ by the part `tolerance`.
fn differences(place: &str, pinned: &Value, found: &Value, tolerance: f64, faults: &mut Vec<String>) {
    match (pinned, found) {
        (Value::Array(before), Value::Array(after)) if before.len() == after.len() => {
            for (index, (before, after)) in before.iter().zip(after).enumerate() {
                differences(&format!("{place}[{index}]"), before, after, tolerance, faults);
            }
        }
        (Value::Object(before), Value::Object(after)) if before.keys().eq(after.keys()) => {
            for (key, before) in before {
                differences(&format!("{place}.{key}"), before, &after[key], tolerance, faults);
            }
        }
        (Value::Number(before), Value::Number(after)) => {
            let [before, after] = [before, after].map(|number| number.as_f64().unwrap());
            if (before - after).abs() > tolerance * before.abs() {
                faults.push(format!("{place}: {before} was pinned, {after} is computed"));
            }
        }
        _ if pinned == found => {}
        _ => faults.push(format!("{place}: {pinned} was pinned, {found} is computed")),
    }
}

#[test]
fn differences_are_found_wherever_they_are() {
    let found = |pinned: Value, found: Value| {
        let mut faults = Vec::new();
        differences("case", &pinned, &found, 1e-9, &mut faults);
        faults.len()
    };
    assert_eq!(found(json!({"a": [1.0, "x"]}), json!({"a": [1.0 + 1e-12, "x"]})), 0);
    assert_eq!(found(json!({"a": [1.0, "x"]}), json!({"a": [1.0 + 1e-8, "y"]})), 2);
    assert_eq!(found(json!([1.0]), json!([1.0, 2.0])), 1);
    assert_eq!(found(json!({"a": 1}), json!({"b": 1})), 1);
    assert_eq!(found(json!([0.0]), json!([1e-30])), 1);
}
