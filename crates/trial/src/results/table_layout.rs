//! The layout of a sweep's table.

use super::hyperparameters::Hyperparameters;
use super::metric::{DEV_BLEU, DEV_PERPLEXITY, Metric, TEST_BLEU, of_tasks, on_sets};
use super::published::Published;
use super::trial_result::TrialResult;
use super::varied::{RowSettings, VariedSetting};
use crate::error::{Error, Result};
use crate::train::TaskKind;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The columns of a table that are not metrics.
const COUNTS: [&str; 2] = ["parameters", "steps"];

/// The columns that a sweep may show: all numbers that a record can hold.
pub fn columns(metrics: &[Metric]) -> Vec<String> {
    with_counts(metrics, |metric| metric.recorded)
}

fn with_counts(metrics: &[Metric], sets: impl Fn(&Metric) -> &'static [&'static str]) -> Vec<String> {
    let tags = on_sets(metrics, sets).into_iter().map(|(metric, set)| metric.tag(set));
    COUNTS.map(String::from).into_iter().chain(tags).collect()
}

/// The columns of Table 3 after its hyper-parameters.
const TABLE3_COLUMNS: [&str; 3] = [DEV_PERPLEXITY, DEV_BLEU, "parameters"];

/// The score in Table 2.
pub const TABLE2_COLUMN: &str = TEST_BLEU;

/// Layout of a table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Form {
    /// One line per row of the sweep: the changed settings, then `columns`.
    #[default]
    List,
    /// The form of the paper's Table 2: systems, BLEU of each language pair, training cost in FLOPs.
    Table2,
    /// The form of the paper's Table 3: the hyper-parameters, blank where they equal those of the base row, then
    /// `columns`.
    Table3,
}

/// The sweep's settings for its table.
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// The sweep's name.
    pub sweep: String,
    pub form: Form,
    /// Names from [`columns`]; if empty, the usual columns of the form.
    pub columns: Vec<String>,
    pub published: Option<Published>,
    /// The label of the row that others are compared with.
    pub base: Option<String>,
    /// Peak operations per second of a GPU, or of a thread of a processor, by the device's name, in 10¹².
    pub peak_tflops: BTreeMap<String, f64>,
    /// The tasks that the models of the rows learn.
    pub tasks: Vec<TaskKind>,
    /// The settings that differ among rows.
    pub settings: Vec<VariedSetting>,
    /// The rows in the sweep's order.
    pub rows: Vec<RowLayout>,
}

/// The sweep's settings for one row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RowLayout {
    pub label: String,
    /// The label without the section's part, shared by rows of several language pairs.
    pub system: String,
    /// The label without the parts that state settings and their values; `None` if it consists of these alone.
    pub name: Option<String>,
    /// The pair of languages: `en-de`.
    pub pair: String,
    pub group: Option<String>,
    /// Label of the published row beside this one.
    pub paper: Option<String>,
    /// Changed settings as (key, value in TOML).
    pub changes: Vec<(String, String)>,
    /// The row's values for [`Layout::settings`].
    pub settings: RowSettings,
    pub hyperparameters: Hyperparameters,
    /// Every seed that the row should have.
    pub seeds: Vec<u64>,
}

/// The columns that the layout asks for, or the usual columns of its form.
pub(super) fn column_names(metrics: &[Metric], layout: &Layout) -> Vec<String> {
    match (layout.columns.as_slice(), layout.form) {
        ([], Form::List) => with_counts(&of_tasks(metrics, &layout.tasks), |metric| metric.usual),
        ([], Form::Table3) => TABLE3_COLUMNS.map(String::from).to_vec(),
        ([], Form::Table2) => vec![TABLE2_COLUMN.to_string()],
        (columns, _) => columns.to_vec(),
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
