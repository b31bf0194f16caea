//! Texts of `fixtures/bleu.json`, on which several metrics are checked.

use super::fixture;
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Texts {
    cases: Vec<Case>,
}

/// A corpus and its references.
#[derive(Deserialize)]
pub struct Case {
    pub name: String,
    pub hypotheses: Vec<String>,
    pub references: Vec<Vec<String>>,
}

/// Returns the cases by name.
pub fn cases() -> HashMap<String, Case> {
    let texts: Texts = fixture("bleu.json");
    texts.cases.into_iter().map(|case| (case.name.clone(), case)).collect()
}
