//! What a table is made of: how the sweep wants it, and what came of its trials.

use super::hyperparameters::Hyperparameters;
use super::published::Published;
use super::record::Record;
use super::training_cost::TrainingTime;
use crate::error::{Error, Result};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The columns that a sweep may show: all numbers that a record can have. Its metrics are the final scores on dev and
/// test and, where training measured it, the best perplexity on dev; `atat` is there where Moses knows the target language.
pub const COLUMNS: [&str; 15] = [
    "parameters",
    "steps",
    "best/dev_perplexity",
    "dev/loss",
    "dev/perplexity",
    "dev/word_perplexity",
    "dev/accuracy",
    "dev/bleu",
    "dev/atat",
    "test/loss",
    "test/perplexity",
    "test/word_perplexity",
    "test/accuracy",
    "test/bleu",
    "test/atat",
];

/// The columns of a sweep that names none.
pub const USUAL_COLUMNS: [&str; 5] = ["parameters", "steps", "dev/perplexity", "dev/bleu", "test/bleu"];

/// The columns of Table 3 after its hyper-parameters.
pub const TABLE3_COLUMNS: [&str; 3] = ["dev/perplexity", "dev/bleu", "parameters"];

/// The score in Table 2.
pub const TABLE2_COLUMN: &str = "test/bleu";

/// The score that Table 2 prints: BLEU of Moses's tokens, compounds split.
pub const ATAT_COLUMN: &str = "test/atat";

/// How a table is laid out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// A row a line: what changed, and the columns asked for.
    #[default]
    List,
    /// As the paper's Table 2: systems, BLEU of each language pair, training cost in FLOPs.
    Table2,
    /// As the paper's Table 3: the hyper-parameters, blank where they are the base's, then the columns.
    Table3,
}

/// What the sweep says about its table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    pub form: Form,
    /// Of [`COLUMNS`]; empty: those usual for the form.
    pub columns: Vec<String>,
    pub published: Option<Published>,
    /// The label of the row that others are compared with.
    pub base: Option<String>,
    /// Operations a second of a card, or of a thread of a processor, by the device's name, in 10¹².
    pub peak_tflops: BTreeMap<String, f64>,
    /// In the sweep's order.
    pub rows: Vec<RowLayout>,
}

/// What the sweep says about one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowLayout {
    pub label: String,
    /// The label without the section's: what rows of several language pairs share.
    pub system: String,
    /// Languages: `en-de`.
    pub pair: String,
    pub group: Option<String>,
    /// Label of the published row beside this one.
    pub paper: Option<String>,
    /// (key, value in TOML)
    pub changes: Vec<(String, String)>,
    pub hyperparameters: Hyperparameters,
    /// Every seed that the row should have.
    pub seeds: Vec<u64>,
}

/// What one trial came to.
#[derive(Debug, Clone, PartialEq)]
pub struct TrialResult {
    pub row: String,
    pub seed: u64,
    pub outcome: TrialOutcome,
}

/// How a trial ended.
#[derive(Debug, Clone, PartialEq)]
pub enum TrialOutcome {
    Finished { record: Box<Record>, time: Option<TrainingTime> },
    Failed { reason: String },
}

impl TrialResult {
    /// What is kept of the trial, if it finished.
    pub fn record(&self) -> Option<&Record> {
        match &self.outcome {
            TrialOutcome::Finished { record, .. } => Some(record),
            TrialOutcome::Failed { .. } => None,
        }
    }
}

/// The columns that the layout asks for, or those usual for its form.
pub(super) fn column_names(layout: &Layout) -> Vec<&str> {
    match (layout.columns.as_slice(), layout.form) {
        ([], Form::List) => USUAL_COLUMNS.to_vec(),
        ([], Form::Table3) => TABLE3_COLUMNS.to_vec(),
        ([], Form::Table2) => vec![TABLE2_COLUMN],
        (columns, _) => columns.iter().map(String::as_str).collect(),
    }
}

/// Results by (row, seed).
pub(super) fn index<'a>(
    layout: &Layout,
    results: &'a [TrialResult],
) -> Result<BTreeMap<(&'a str, u64), &'a TrialResult>> {
    let mut by_trial = BTreeMap::new();
    for result in results {
        let TrialResult { row, seed, .. } = result;
        if !layout.rows.iter().any(|known| known.label == *row && known.seeds.contains(seed)) {
            return Err(Error::user(format!(
                "the results hold row {row:?} with seed {seed}, which the sweep does not have; remove its directory or add it to the sweep"
            )));
        }
        if by_trial.insert((row.as_str(), *seed), result).is_some() {
            return Err(Error::user(format!(
                "the results hold row {row:?} with seed {seed} twice; keep one of the two records"
            )));
        }
    }
    Ok(by_trial)
}
