//! Substitutions of regular expressions, one after the other, of which Moses's programs consist.

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
    /// Creates substitutions from patterns and replacements; `$1` in a replacement stands for the first group.
    pub(super) fn new<Pattern: AsRef<str>>(rules: impl IntoIterator<Item = (Pattern, &'static str)>) -> Self {
        Rewrite(rules.into_iter().map(|(pattern, to)| (regex(pattern.as_ref()), to)).collect())
    }

    /// Returns the text after all substitutions.
    pub(super) fn apply(&self, mut text: String) -> String {
        for (pattern, to) in &self.0 {
            if let Cow::Owned(changed) = pattern.replace_all(&text, *to) {
                text = changed;
            }
        }
        text
    }
}
