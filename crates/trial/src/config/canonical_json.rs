//! The canonical JSON of a tree, the same for all equal trees, and its hash.

use serde_json::Value;

/// Returns a hash of the content of a tree; the order of its keys has no influence.
pub(super) fn hash(tree: &Value) -> String {
    let mut text = String::new();
    write_canonical(tree, &mut text);
    blake3::hash(text.as_bytes()).to_hex().to_string()
}

/// JSON with sorted keys and no blanks, whatever order the map type keeps.
fn write_canonical(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| key.as_str());
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write_canonical(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write_canonical(item, out);
            }
            out.push(']');
        }
        // -0.0 and 0.0 are the same value.
        Value::Number(number) if number.as_f64() == Some(0.0) => out.push('0'),
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_is_sorted_and_compact() {
        let tree: Value =
            serde_json::from_str(r#"{"b": [1, -0.0, "x\n"], "a": {"d": null, "c": 0.5}}"#).unwrap();
        let mut text = String::new();
        write_canonical(&tree, &mut text);
        assert_eq!(text, r#"{"a":{"c":0.5,"d":null},"b":[1,0,"x\n"]}"#);
    }
}
