//! The settings in which two trials differ, with both values.

use super::experiment::Experiment;
use super::identity::{json, normalised};
use super::settings::all_settings;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;

/// A setting of two experiments that can change results and differs.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// `section.key`, as far as tables are nested.
    pub key: String,
    /// The value before, as JSON; `None` if it was not set.
    pub before: Option<Value>,
    pub now: Option<Value>,
}

impl Change {
    /// The values before and now, in words.
    pub fn values(&self) -> [String; 2] {
        [&self.before, &self.now]
            .map(|value| value.as_ref().map_or("not set".to_string(), ToString::to_string))
    }
}

impl fmt::Display for Change {
    /// `model.dropout changed from 0.1 to 0.2`
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let [before, now] = self.values();
        write!(f, "{} changed from {before} to {now}", self.key)
    }
}

/// The settings by which the identities of two experiments differ, in the order of their keys.
pub fn changes(before: &Experiment, now: &Experiment) -> Vec<Change> {
    let [old, new] = [before, now].map(|experiment| {
        let mut tree = json(&normalised(experiment));
        if let Some(sections) = tree.as_object_mut() {
            sections.remove("run");
        }
        tree
    });
    let mut keys = Vec::new();
    add_changed_keys("", Some(&old), Some(&new), &mut keys);
    // The values in effect: a setting that another one switches on did not change itself, and a setting that is left
    // out has its default.
    let stated = [all_settings(before), all_settings(now)];
    let change = |key: String| {
        let [before, now] = stated.each_ref().map(|tree| at_key(tree, &key).cloned());
        Change { key, before, now }
    };
    keys.into_iter().map(change).filter(|change| change.before != change.now).collect()
}

/// The value at `section.key` in an experiment as JSON; `None` if it is not set.
pub(super) fn at_key<'a>(tree: &'a Value, key: &str) -> Option<&'a Value> {
    tree.pointer(&format!("/{}", key.replace('.', "/")))
}

fn add_changed_keys(key: &str, before: Option<&Value>, now: Option<&Value>, found: &mut Vec<String>) {
    match (before, now) {
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
                add_changed_keys(&key, old.get(name), new.get(name), found);
            }
        }
        // -0.0 and 0.0 are the same value, as are 1 and 1.0.
        (Some(Value::Number(old)), Some(Value::Number(new))) if old.as_f64() == new.as_f64() => {}
        (before, now) if before == now => {}
        _ => found.push(key.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Activation, Position};

    #[test]
    fn settings_that_make_another_trial_are_named_with_both_values() {
        let of = |change: fn(&mut Experiment)| {
            let before = Experiment::of_generated_text();
            let mut now = before.clone();
            change(&mut now);
            let found = changes(&before, &now);
            found.iter().map(Change::to_string).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(of(|e| e.model.dropout = 0.25), "model.dropout changed from 0.1 to 0.25");
        assert_eq!(
            of(|e| (e.training.clip_norm, e.model.position) = (Some(1.0), Position::Learned)),
            "model.position changed from \"sinusoidal\" to \"learned\"; training.clip_norm changed from not set to 1.0"
        );
        // Settings that files leave out have their defaults.
        assert_eq!(
            of(|e| e.model.activation = Activation::Swiglu),
            "model.activation changed from \"relu\" to \"swiglu\""
        );
        // Settings that the identity leaves out are no change.
        assert_eq!(of(|e| (e.label, e.run.threads) = (Some("x".into()), 3)), "");
        assert_eq!(of(|e| (e.model.d_k, e.model.learned_positions) = (Some(64), 9)), "");
        assert_eq!(of(|e| e.model.attention_dropout = -0.0), "");
    }
}
