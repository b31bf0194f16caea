//! What multiplies a sweep's rows: axes, zips, points and draws, each a list of choices.

use super::condition::Condition;
use super::settings::{Setting, mistake};
use crate::error::{Error, Place};

/// More combinations than this are a slip of an axis, not a plan.
pub const MOST_COMBINATIONS: usize = 10_000;

/// A list of choices; every combination before it goes on with each of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Factor {
    /// What the file calls it, for messages: `[axes]`, `[[zip]]`, …
    pub name: &'static str,
    pub place: Place,
    /// It applies to the combinations that match; the others go on without it.
    pub when: Option<Condition>,
    /// Its values come from a random generator.
    pub drawn: bool,
    pub choices: Vec<Choice>,
}

/// One of a factor's choices.
#[derive(Debug, Clone, PartialEq)]
pub struct Choice {
    /// Its part of the row's label; absent: made of its changes.
    pub label: Option<String>,
    pub changes: Vec<Change>,
}

/// A setting that may hang on a condition.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub setting: Setting,
    pub when: Option<Condition>,
}

impl Choice {
    /// One that no condition of its own holds back.
    pub fn plain(label: Option<String>, settings: impl IntoIterator<Item = Setting>) -> Choice {
        let changes = settings.into_iter().map(|setting| Change { setting, when: None }).collect();
        Choice { label, changes }
    }
}

/// The mistake of a sweep with more than [`MOST_COMBINATIONS`] trials.
pub fn too_many(place: &Place) -> Error {
    let message = format!("the sweep has more than {MOST_COMBINATIONS} trials");
    mistake(message, place, "shorten an axis, lower the count of draws, or split the sweep")
}
