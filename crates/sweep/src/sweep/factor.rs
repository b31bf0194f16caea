//! The factors that multiply a sweep's rows: axes, zips, points and draws, each a list of choices.

use super::condition::Condition;
use super::settings::{Setting, mistake};
use crate::error::{Error, Place};

/// Largest number of combinations. More of them are a mistake in an axis, not a plan.
pub const MOST_COMBINATIONS: usize = 10_000;

/// A list of choices, which multiplies the combinations before it.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// The name of the factor in messages: `[axes]`, `[[zip]]`, …
    pub name: &'static str,
    pub place: Place,
    /// The condition on which the factor applies; other combinations stay as they are.
    pub when: Option<Condition>,
    /// Whether the values come from a random generator.
    pub drawn: bool,
    /// The keys whose values are drawn from a continuous range.
    pub continuous: Vec<String>,
    pub choices: Vec<Choice>,
}

impl Factor {
    /// Returns the changes of all choices.
    pub fn changes(&self) -> impl Iterator<Item = &Change> {
        self.choices.iter().flat_map(|choice| &choice.changes)
    }

    /// Returns the keys that the choices change, some of them several times.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.changes().map(|change| change.setting.key.as_str())
    }
}

/// A choice of a factor.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// The choice's part of the row's label; if absent, it is made from the changes.
    pub label: Option<String>,
    pub changes: Vec<Change>,
}

/// A setting that may depend on a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub setting: Setting,
    pub when: Option<Condition>,
}

impl Choice {
    /// Returns a choice whose changes have no conditions.
    pub fn plain(label: Option<String>, settings: impl IntoIterator<Item = Setting>) -> Choice {
        let changes = settings.into_iter().map(|setting| Change { setting, when: None }).collect();
        Choice { label, changes }
    }
}

/// Returns the error of a sweep with more than [`MOST_COMBINATIONS`] trials.
pub fn too_many(place: &Place) -> Error {
    let message = format!("the sweep has more than {MOST_COMBINATIONS} trials");
    mistake(message, place, "shorten an axis, lower the count of draws, or split the sweep")
}
