//! JSON Schema of the files, from the types that read them: editors complete and check keys
//! with it. Draft 7, which the TOML language servers understand.

use super::experiment::{Experiment, RunConfig};
use crate::data::{DataConfig, Recipe};
use crate::decode::DecodingConfig;
use crate::model::{ModelConfig, RecurrentConfig};
use crate::train::TrainingConfig;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

/// The schema of experiment files.
pub fn experiment() -> Schema {
    let mut schema = root::<Experiment>("An experiment: its data, model, training, decoding and logging.");
    let base = json!({
        "description": "Path of the experiment from which this one inherits, relative to this file.",
        "type": "string",
    });
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("base".into(), base);
    }
    // A base may state what this file leaves out.
    schema.remove("required");
    if let Some(data) = schema.pointer_mut("/definitions/DataConfig").and_then(Value::as_object_mut) {
        data.remove("required");
    }
    schema.insert("anyOf".into(), json!([{ "required": ["base"] }, { "required": ["data"] }]));
    schema
}

/// The schema of recipe files.
pub fn recipe() -> Schema {
    let mut schema = root::<Recipe>("A recipe: the files of a corpus and how they are cleaned and split.");
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut settings = properties::<DataConfig>(&mut generator);
    settings.remove("recipe");
    let mut data = Schema::try_from(json!({
        "description": "Default values of [data] settings for experiments that use this recipe.",
        "type": "object",
        "properties": settings,
        "additionalProperties": false,
    }))
    .unwrap_or_default();
    ForToml.transform(&mut data);
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        properties.insert("data".into(), data.to_value());
    }
    schema
}

/// The schema of a whole file that is read as a `T`.
pub fn root<T: JsonSchema>(description: &str) -> Schema {
    let mut schema = SchemaSettings::draft07().into_generator().into_root_schema_for::<T>();
    schema.insert("description".into(), description.into());
    ForToml.transform(&mut schema);
    schema
}

/// The sections of an experiment and those inside of them (after the one that they are in), and the schema of each of
/// their keys.
pub fn sections(generator: &mut SchemaGenerator) -> [(&'static str, Map<String, Value>); 6] {
    [
        ("data", properties::<DataConfig>(generator)),
        ("model", properties::<ModelConfig>(generator)),
        ("model.recurrent", properties::<RecurrentConfig>(generator)),
        ("training", properties::<TrainingConfig>(generator)),
        ("decoding", properties::<DecodingConfig>(generator)),
        ("run", properties::<RunConfig>(generator)),
    ]
}

fn properties<T: JsonSchema>(generator: &mut SchemaGenerator) -> Map<String, Value> {
    let schema = T::json_schema(generator);
    schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default()
}

/// Drops what TOML does not have: null, and Rust's names of number formats.
struct ForToml;

impl Transform for ForToml {
    fn transform(&mut self, schema: &mut Schema) {
        transform_subschemas(self, schema);
        schema.remove("format");
        if schema.get("default").is_some_and(Value::is_null) {
            schema.remove("default");
        }
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|name| name != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".into(), only);
            }
        }
        let null = json!({ "type": "null" });
        if let Some(Value::Array(forms)) = schema.get_mut("anyOf") {
            forms.retain(|form| *form != null);
            if let [only] = forms.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                // A reference allows nothing beside itself.
                schema.insert("allOf".into(), json!([only]));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::subsections::SUBSECTIONS;
    use super::*;

    #[test]
    fn keys_carry_their_descriptions_and_defaults() {
        let schema = experiment();
        let heads = schema.pointer("/definitions/ModelConfig/properties/heads").unwrap();
        assert_eq!(heads["default"], 8);
        assert_eq!(heads["type"], "integer");
        assert_eq!(heads["description"], "Number of attention heads: the paper's h.");
    }

    #[test]
    fn there_is_no_null_in_toml() {
        for schema in [experiment(), recipe()] {
            let text = serde_json::to_string(&schema).unwrap();
            assert!(!text.contains("null"), "{text}");
        }
        let schema = experiment();
        assert_eq!(schema.pointer("/definitions/ModelConfig/properties/d_k/type").unwrap(), "integer");
    }

    #[test]
    fn every_section_inside_of_a_section_is_listed() {
        let mut generator = SchemaSettings::draft07().into_generator();
        let listed = sections(&mut generator).map(|(section, _)| section);
        let inside: Vec<&str> = listed.into_iter().filter(|section| section.contains('.')).collect();
        assert_eq!(inside, SUBSECTIONS);
    }

    #[test]
    fn every_key_is_described() {
        let mut generator = SchemaSettings::draft07().into_generator();
        for (section, keys) in sections(&mut generator) {
            for (key, schema) in keys {
                assert!(schema.get("description").is_some(), "{section}.{key} has no doc comment");
            }
        }
    }
}
