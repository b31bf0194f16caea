//! The shape of a JSON Schema: a table, a choice of named values, or a plain value.

use serde_json::Value;

/// The name of the definition that a schema refers to.
pub(super) fn definition_name(schema: &Value) -> Option<&str> {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    reference?.strip_prefix("#/definitions/")
}

pub(super) fn is_table(schema: &Value) -> bool {
    schema.get("properties").is_some()
}

/// Whether a schema is a list of named values, rather than of types.
pub(super) fn is_choice(schema: &Value) -> bool {
    schema.get("enum").is_some()
        || schema.get("const").is_some()
        || schema["oneOf"].as_array().is_some_and(|branches| {
            branches.iter().all(|branch| {
                let tagged = branch["required"].as_array().is_some_and(|required| required.len() == 1);
                branch.get("const").is_some() || branch.get("enum").is_some() || (is_table(branch) && tagged)
            })
        })
}

/// The alternatives of a schema; for plain named values, the schema itself.
pub(super) fn branches(schema: &Value) -> impl Iterator<Item = &Value> {
    let listed = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    let own = listed.is_none() && (schema.get("enum").is_some() || schema.get("const").is_some());
    // The `oneOf` of a table states which of its keys exclude each other.
    let listed = listed.filter(|_| !is_table(schema));
    listed.into_iter().flatten().chain(own.then_some(schema))
}

/// The keys of a table. For a table of settings, which takes every key of an experiment, only the other keys.
pub(super) fn shown_keys(table: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let of_settings = any_setting(table).is_some();
    let keys = table["properties"].as_object();
    let sections: Vec<&str> = keys
        .into_iter()
        .flatten()
        .filter_map(|(key, _)| key.split_once('.'))
        .map(|(section, _)| section)
        .collect();
    keys.into_iter()
        .flatten()
        .map(|(key, schema)| (key.as_str(), schema))
        .filter(move |(key, _)| !of_settings || !(key.contains('.') || sections.contains(key)))
}

/// Returns the schema that a table of settings has for each key of an experiment; none for other tables.
pub(super) fn any_setting(table: &Value) -> Option<&Value> {
    table["properties"].as_object()?.iter().find(|(key, _)| key.contains('.')).map(|(_, schema)| schema)
}

pub(super) fn bounds(schema: &Value) -> String {
    match (schema.get("minimum").and_then(Value::as_f64), schema.get("maximum").and_then(Value::as_f64)) {
        (Some(least), Some(most)) => format!(" from {least} to {most}"),
        (Some(least), None) => format!(" ≥ {least}"),
        (None, Some(most)) => format!(" ≤ {most}"),
        (None, None) => String::new(),
    }
}

/// The description of a schema on one line. Headings of doc comments, such as `# Source`, become words of it.
pub(super) fn description(schema: &Value) -> String {
    let lines = schema["description"].as_str().unwrap_or_default().lines();
    let lines = lines.map(|line| match line.strip_prefix("# ") {
        Some(heading) => format!("{heading}:"),
        None => line.to_string(),
    });
    let text = lines.collect::<Vec<String>>().join(" ");
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The values that a branch of a choice names.
pub(super) fn named_values(branch: &Value) -> impl Iterator<Item = &Value> {
    branch.get("const").into_iter().chain(branch["enum"].as_array().into_iter().flatten())
}
