//! Types for the parts of a sweep file that are read from the tree: serde skips these parts, and the types only state
//! their JSON Schema. A table of settings takes every key of an experiment, with the type that the key has there; see
//! [`json_schema`](crate::config::json_schema).

use super::objective::objectives;
use crate::config::json_schema::sections;
use crate::config::subsections::is_section;
use crate::results::metric::METRICS;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Defines a part of a sweep file that is read from the tree: serde reads a value of type `$reads`, and `$schema` makes
/// its JSON Schema.
macro_rules! marker {
    ($(#[$doc:meta])* $name:ident reads $reads:ty, $schema:expr) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub struct $name;

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                <$reads>::deserialize(deserializer).map(|_| $name)
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                let schema: fn(&mut SchemaGenerator, &str) -> Schema = $schema;
                schema(generator, &Self::schema_name())
            }
        }
    };
}

marker!(
    /// `{ "section.key" = value }`
    Changes reads IgnoredAny, |generator, name| {
        let about = "Keys of the experiment with their values.";
        keyed(generator, name, about, Map::new(), |key| key.value())
    }
);
marker!(
    /// `{ "section.key" = value }` or `{ "section.key" = [value, value] }`
    Conditions reads BTreeMap<String, IgnoredAny>, |generator, name| {
        let about = "Conditions: a combination matches if each of these keys has the stated value, or one of those listed.";
        keyed(generator, name, about, Map::new(), |key| json!({ "anyOf": [key.value(), key.values()] }))
    }
);
marker!(
    /// `{ "section.key" = [value, value] }` or `{ "section.key" = { values = [value, value], when = … } }`
    Axes reads IgnoredAny, |generator, name| {
        let about = "Keys with their values: each row is combined with each value of each key. With `when`, the values apply only \
                     to combinations that match; the others keep their values.";
        let when = generator.subschema_for::<Conditions>();
        keyed(generator, name, about, Map::new(), |key| json!({ "anyOf": [key.values(), {
            "type": "object",
            "properties": { "values": key.values(), "when": when },
            "required": ["values"],
            "additionalProperties": false,
        }] }))
    }
);
marker!(
    /// `{ "section.key" = [value, value], labels = ["a", "b"], when = … }`
    Zip reads BTreeMap<String, IgnoredAny>, |generator, name| {
        let labels = json!({
            "description": "Parts of the rows' labels, one for each step. If absent, they are made from the settings.",
            "type": "array",
            "items": { "type": "string" },
        });
        let about = "Keys whose values advance together: each row is combined with each step, that is, with the first value of \
                     each key, with the second of each, and so on. With `when`, the values apply only to combinations that \
                     match; the others keep their values.";
        let when = generator.subschema_for::<Conditions>();
        let words = [("labels", labels), ("when", json!(when))];
        keyed(generator, name, about, named(words), |key| key.values())
    }
);
marker!(
    /// `{ seed = 1, count = 20, "section.key" = { uniform = [0.0, 0.3] } }`
    Random reads IgnoredAny, |generator, name| {
        let [seed, count] = of_draws("keeps");
        let about = "Values drawn at random: each row is combined with each draw, which has a value of every key.";
        let words = [("seed", seed), ("count", count)];
        drawn(generator, name, about, named(words), &["seed", "count"])
    }
);
marker!(
    /// `{ seed = 1, count = 50, objective = "dev/bleu", "section.key" = { uniform = [0.0, 0.3] } }`
    Search reads IgnoredAny, |generator, name| {
        let [seed, count] = of_draws("goes on from");
        let objective = json!({
            "description": "Score that the search makes as good as it can: of the finished model on dev, or the best of what \
                            training measured there. With several seeds it is their mean.",
            "enum": objectives(&METRICS),
        });
        let about = "Values drawn one after the other, each with regard to the results of those before (tree-structured \
                     Parzen estimator). Each draw is a row, and has a value of every key whose condition holds.";
        let words = [("seed", seed), ("count", count), ("objective", objective)];
        drawn(generator, name, about, named(words), &["seed", "count", "objective"])
    }
);
marker!(
    /// Any values.
    Values reads IgnoredAny, |_, _| schemars::json_schema!({ "type": "array", "minItems": 1 })
);
marker!(
    /// Any value.
    Unread reads IgnoredAny, |_, _| schemars::json_schema!({})
);

/// How values of a key are drawn: exactly one of `uniform`, `log_uniform`, `integer` and `choice`.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Distribution",
    extend("oneOf" = [
        { "required": ["uniform"] },
        { "required": ["log_uniform"] },
        { "required": ["integer"] },
        { "required": ["choice"] },
    ])
)]
pub struct DistributionFile {
    /// Numbers between a lower and an upper bound.
    #[schemars(length(equal = 2))]
    pub uniform: Option<Vec<f64>>,
    /// Numbers between a lower and an upper bound, both above 0. Every order of magnitude is equally likely.
    #[schemars(length(equal = 2))]
    pub log_uniform: Option<Vec<f64>>,
    /// Integers from a lower to an upper bound, including both.
    #[schemars(length(equal = 2))]
    pub integer: Option<Vec<i64>>,
    /// One of these values, all equally likely.
    #[schemars(length(min = 1))]
    pub choice: Option<Values>,
    /// Condition: the value is drawn only for combinations that match; the others keep their value.
    #[serde(default)]
    pub when: Option<Conditions>,
}

/// A key of an experiment, `section.key`. It has two definitions: of its value and of arrays of values.
struct Key<'a>(&'a str);

impl Key<'_> {
    /// Returns the schema of the key's value.
    fn value(&self) -> Value {
        json!({ "$ref": format!("#/definitions/{}", self.0) })
    }

    /// Returns the schema of an array of such values.
    fn values(&self) -> Value {
        json!({ "$ref": format!("#/definitions/{}.values", self.0) })
    }

    fn define(&self, generator: &mut SchemaGenerator, schema: Value) {
        let about = "Values of the key.";
        let values = json!({ "description": about, "type": "array", "minItems": 1, "items": self.value() });
        let definitions = generator.definitions_mut();
        definitions.insert(self.0.to_string(), schema);
        definitions.insert(format!("{}.values", self.0), values);
    }
}

fn named<const N: usize>(words: [(&str, Value); N]) -> Map<String, Value> {
    words.into_iter().map(|(name, schema)| (name.to_string(), schema)).collect()
}

/// Returns the schemas of `seed` and `count`; `verb` says what a higher count does with the earlier draws.
fn of_draws(verb: &str) -> [Value; 2] {
    let seed = json!({ "description": "Seed of the draws.", "type": "integer", "minimum": 0 });
    let count = json!({
        "description": format!("Number of draws. A higher number {verb} the earlier draws."),
        "type": "integer",
        "minimum": 1,
    });
    [seed, count]
}

/// Returns the schema of a table of `words`, of which `required` are required, and of keys with distributions.
fn drawn(
    generator: &mut SchemaGenerator,
    name: &str,
    about: &str,
    words: Map<String, Value>,
    required: &[&str],
) -> Schema {
    let distribution = generator.subschema_for::<DistributionFile>();
    let mut schema = keyed(
        generator,
        name,
        about,
        words,
        |key| json!({ "allOf": [distribution, { "properties": { "choice": key.values() } }] }),
    );
    schema.insert("required".into(), json!(required));
    schema
}

/// Returns the schema `name`, described by `about`: a table of `words` and of every key of an experiment, as
/// `"model.heads"` and as `model.heads`, which TOML nests. `wrap` makes the schema of a key's value in it.
fn keyed(
    generator: &mut SchemaGenerator,
    name: &str,
    about: &str,
    words: Map<String, Value>,
    wrap: impl Fn(&Key) -> Value,
) -> Schema {
    let mut properties = words;
    for (section, keys) in sections(generator) {
        let mut nested = Map::new();
        for (key, schema) in keys {
            let full = format!("{section}.{key}");
            if full == "training.seed" {
                continue; // the sweep's `seeds`
            }
            nested.insert(key, json!({ "$ref": format!("#/definitions/{name}/properties/{full}") }));
            if is_section(&full) {
                continue; // its keys come as a section of their own
            }
            let own = Key(&full);
            own.define(generator, schema);
            properties.insert(full.clone(), wrap(&own));
        }
        let table = json!({ "type": "object", "properties": nested, "additionalProperties": false });
        properties.insert(section.to_string(), table);
    }
    schemars::json_schema!({
        "description": about,
        "type": "object",
        "properties": properties,
        // Keys of a recipe are deeper; only the program checks them.
        "patternProperties": { "^data\\.recipe\\.": {} },
        "additionalProperties": false,
    })
}
