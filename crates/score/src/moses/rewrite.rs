//! Substitutions of regular expressions, one after the other: what Moses's programs are made of.

use regex::Regex;
use std::borrow::Cow;

/// Compiles a pattern that the code states.
pub(super) fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).expect("the pattern is a constant")
}

/// Substitutions in order.
#[derive(Debug, Clone)]
pub(super) struct Rewrite(Vec<(Regex, &'static str)>);

impl Rewrite {
    /// Of patterns and what replaces each of their matches: text in which `$1` stands for the first group.
    pub(super) fn new<Pattern: AsRef<str>>(rules: impl IntoIterator<Item = (Pattern, &'static str)>) -> Self {
        Rewrite(rules.into_iter().map(|(pattern, to)| (regex(pattern.as_ref()), to)).collect())
    }

    /// The text after all substitutions.
    pub(super) fn apply(&self, mut text: String) -> String {
        for (pattern, to) in &self.0 {
            if let Cow::Owned(changed) = pattern.replace_all(&text, *to) {
                text = changed;
            }
        }
        text
    }
}
