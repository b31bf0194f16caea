//! JSON Schema of the files, from the types that read them: editors complete and check keys
//! with it. Draft 7, which the TOML language servers understand.

use super::experiment::{Experiment, RunConfig};
use super::schema_shape::definition_name;
use crate::data::masking::MaskingConfig;
use crate::data::words::WordsConfig;
use crate::data::{Corpus, DataConfig, GeneratedCorpus, Recipe};
use crate::decode::DecodingConfig;
use crate::model::{AttentionConfig, ConvolutionalConfig, MaskedConfig, ModelConfig, RecurrentConfig};
use crate::train::TrainingConfig;
pub use schemars::Schema;
use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use std::sync::LazyLock;

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
    // A base may state the keys that this file leaves out.
    schema.remove("required");
    if let Some(data) = schema.pointer_mut("/definitions/DataConfig").and_then(Value::as_object_mut) {
        data.remove("required");
    }
    schema.insert("anyOf".into(), json!([{ "required": ["base"] }, { "required": ["data"] }]));
    add_unwritten_defaults(&mut schema);
    schema
}

/// Adds the defaults that configurations do not write to the sections of the schema of experiments.
fn add_unwritten_defaults(schema: &mut Schema) {
    for (section, keys) in SECTIONS_WITH_KEYS.iter() {
        let Some(definition) = definition_of(schema, section) else { continue };
        for (key, own) in keys {
            let place = format!("{definition}/properties/{key}");
            let target = schema.pointer_mut(&place).and_then(Value::as_object_mut);
            if let Some((default, target)) = stated_default(own).zip(target) {
                target.insert("default".into(), default.clone());
            }
        }
    }
}

/// The place of the definition of a section, or of a section inside another, in the schema of experiments.
fn definition_of(schema: &Schema, section: &str) -> Option<String> {
    section.split('.').try_fold(String::new(), |place, name| {
        let definition = definition_name(schema.pointer(&format!("{place}/properties/{name}"))?)?;
        Some(format!("/definitions/{definition}"))
    })
}

/// The default that the schema of a key states; `None` for a key whose absence has a meaning of its own.
pub(super) fn stated_default(schema: &Value) -> Option<&Value> {
    schema.get("default").filter(|default| !default.is_null())
}

/// The schema of recipe files.
pub fn recipe() -> Schema {
    let mut schema = root::<Recipe>("A recipe: the files of a corpus and how they are cleaned and split.");
    let mut generator = SchemaSettings::draft07().into_generator();
    let mut settings = properties(&mut generator, &some_data());
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

/// The sections of an experiment and the sections inside them (each after its outer section), and the schema of each of
/// their keys.
pub fn sections(generator: &mut SchemaGenerator) -> [(&'static str, Map<String, Value>); 11] {
    [
        ("data", properties(generator, &some_data())),
        ("model", properties(generator, &ModelConfig::default())),
        ("model.attention", properties(generator, &AttentionConfig::default())),
        ("model.convolutional", properties(generator, &ConvolutionalConfig::default())),
        ("model.recurrent", properties(generator, &RecurrentConfig::default())),
        ("model.masked", properties(generator, &MaskedConfig::default())),
        ("training", properties(generator, &TrainingConfig::default())),
        ("training.masking", properties(generator, &MaskingConfig::default())),
        ("training.words", properties(generator, &WordsConfig::default())),
        ("decoding", properties(generator, &DecodingConfig::default())),
        ("run", properties(generator, &RunConfig::default())),
    ]
}

/// [`sections`], made once, for uses without a generator.
pub static SECTIONS_WITH_KEYS: LazyLock<[(&str, Map<String, Value>); 11]> =
    LazyLock::new(|| sections(&mut SchemaSettings::draft07().into_generator()));

/// A `[data]` section of defaults and some recipe, which has no default.
fn some_data() -> DataConfig {
    let corpus = Corpus::Generated(GeneratedCorpus { train: 1, dev: 1, test: 1, seed: 1 });
    DataConfig::new(Recipe::new("any", "en", "de", corpus))
}

/// The schemas of the keys of a section. They state the `defaults`, which is the section without any key.
fn properties<T: JsonSchema + Serialize + DeserializeOwned + PartialEq>(
    generator: &mut SchemaGenerator,
    defaults: &T,
) -> Map<String, Value> {
    let schema = T::json_schema(generator);
    let mut keys = schema.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    for (key, schema) in &mut keys {
        let missing = schema.get("default").is_none();
        let found =
            missing.then(|| unwritten_default(key, schema, generator.definitions(), defaults)).flatten();
        if let (Some(value), Some(schema)) = (found, schema.as_object_mut()) {
            schema.insert("default".into(), value);
        }
    }
    keys
}

/// The default of a key that a configuration leaves out while it has its default, so that schemars cannot see it: the
/// value that makes no difference. The candidates are the values of a choice, both truth values, 0, 1, and an empty
/// list.
fn unwritten_default<T: Serialize + DeserializeOwned + PartialEq>(
    key: &str,
    schema: &Value,
    definitions: &Map<String, Value>,
    defaults: &T,
) -> Option<Value> {
    let schema = definition_name(schema).and_then(|name| definitions.get(name)).unwrap_or(schema);
    let mut candidates: Vec<Value> = match schema["type"].as_str() {
        Some("boolean") => vec![json!(false), json!(true)],
        Some("integer") => vec![json!(0), json!(1)],
        Some("number") => vec![json!(0.0), json!(1.0)],
        Some("array") => vec![json!([])],
        _ => Vec::new(),
    };
    let branches = schema["oneOf"].as_array().or(schema["anyOf"].as_array());
    for choice in branches.into_iter().flatten().chain([schema]) {
        candidates.extend(choice.get("const").cloned());
        candidates.extend(choice["enum"].as_array().into_iter().flatten().cloned());
    }
    let section = serde_json::to_value(defaults).ok()?;
    candidates.into_iter().find(|candidate| {
        let mut section = section.clone();
        section[key] = candidate.clone();
        serde_json::from_value::<T>(section).is_ok_and(|read| read == *defaults)
    })
}

/// Drops schema parts that TOML does not have: null, and Rust's names of number formats.
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
                // In draft 7 a reference allows no other key beside it.
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
    fn defaults_that_no_configuration_writes_are_stated_too() {
        let schema = experiment();
        let default = |key: &str| schema.pointer(&format!("/definitions/{key}/default")).cloned();
        assert_eq!(default("DataConfig/properties/vocabulary"), Some("shared".into()));
        assert_eq!(default("DecodingConfig/properties/early_stopping"), Some(false.into()));
        assert_eq!(default("AttentionConfig/properties/span"), Some("full".into()));
        assert_eq!(default("ModelConfig/properties/d_k"), None);
        for (section, _) in SECTIONS_WITH_KEYS.iter() {
            assert!(definition_of(&schema, section).is_some(), "{section}");
        }
        assert_eq!(
            recipe().pointer("/properties/data/properties/vocabulary/default"),
            Some(&"shared".into())
        );
    }

    /// Otherwise no reader could tell the meaning of a file without the key.
    #[test]
    fn every_key_states_its_default_or_what_its_absence_means() {
        for (section, keys) in SECTIONS_WITH_KEYS.iter() {
            for (key, schema) in keys {
                let stated = stated_default(schema).is_some();
                let said = schema["description"].as_str().is_some_and(|text| text.contains("If absent"));
                assert!(
                    stated || said || key == "recipe",
                    "{section}.{key}: its default is not in the schema; say in its doc comment what its absence means \
                     (\"If absent, …\"), or state it: #[schemars(extend(\"default\" = …))]"
                );
            }
        }
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
        let listed = SECTIONS_WITH_KEYS.iter().map(|(section, _)| *section);
        let inside: Vec<&str> = listed.filter(|section| section.contains('.')).collect();
        assert_eq!(inside, SUBSECTIONS);
    }

    #[test]
    fn every_key_is_described() {
        for (section, keys) in SECTIONS_WITH_KEYS.iter() {
            for (key, schema) in keys {
                assert!(schema.get("description").is_some(), "{section}.{key} has no doc comment");
            }
        }
    }
}
