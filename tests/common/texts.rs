//! Texts of `fixtures/bleu.json`, which several metrics are held to.

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

/// By name.
pub fn cases() -> HashMap<String, Case> {
    let texts: Texts = fixture("bleu.json");
    texts.cases.into_iter().map(|case| (case.name.clone(), case)).collect()
}
