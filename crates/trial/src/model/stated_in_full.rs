//! The settings of a model for a program that knows no defaults.

use super::ModelConfig;
use serde_json::{Value, json};

impl ModelConfig {
    /// The section for another program that knows no defaults: with the widths of heads, and with the keys and sections
    /// that files leave out. Keys without a default are null, or absent in sections inside the section.
    pub fn stated_in_full(&self) -> Value {
        let stated = self.with_head_widths_stated();
        let mut section = json!(stated);
        let left_out = [
            ("encoder", json!(stated.encoder)),
            ("decoder", json!(stated.decoder)),
            ("activation", json!(stated.activation)),
            ("feed_forward", json!(stated.feed_forward)),
            ("residual", json!(stated.residual)),
            ("embedding_rows", json!(stated.embedding_rows)),
            ("embedding_multiple", json!(stated.embedding_multiple)),
            ("embedding_deviation", json!(stated.embedding_deviation)),
            ("embedding_scale", json!(stated.embedding_scale)),
            ("softmax_bias", json!(stated.softmax_bias)),
            ("attention", json!(stated.attention)),
            ("convolutional", json!(stated.convolutional)),
            ("recurrent", json!(stated.recurrent)),
            ("masked", json!(stated.masked)),
        ];
        left_out.into_iter().for_each(|(key, value)| section[key] = value);
        section
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use schemars::schema_for;

    /// If a new key were left out, a reader would apply its own default.
    #[test]
    fn every_key_of_the_model_is_stated() {
        let schema = schema_for!(ModelConfig);
        let keys = schema.get("properties").and_then(Value::as_object).expect("a section has keys");
        let full = ModelConfig::default().stated_in_full();
        let missing: Vec<&String> = keys.keys().filter(|key| full.get(key).is_none()).collect();
        assert!(missing.is_empty() && keys.len() > 20, "{missing:?}");
        for (section, key) in [("recurrent", "hidden"), ("convolutional", "channels"), ("masked", "head")] {
            assert!(full[section].get(key).is_some(), "{section}.{key}");
        }
    }
}
