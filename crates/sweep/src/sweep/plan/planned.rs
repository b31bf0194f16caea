//! The JSON of `--plan --json`: the field names are a file format, described in docs/architecture.md.

use super::price::Price;
use crate::results::varied::{RowSettings, VariedSetting};
use crate::sweep::state::{StateKind, TrialState};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Rows, trials, and what is left to do.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub rows: Vec<PlannedRow>,
    pub trials: Vec<PlannedTrial>,
    pub totals: Totals,
    /// Of a sweep with a search: what it will draw. Its trials to come are not among the others.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<PlannedSearch>,
    /// Corpora that are not prepared, and how to get them.
    pub unprepared: Vec<String>,
    /// The settings that differ among rows.
    #[serde(skip)]
    pub settings: Vec<VariedSetting>,
}

/// A search, and what its draws to come take at most.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedSearch {
    pub objective: String,
    pub seed: u64,
    /// Draws of the whole search.
    pub count: usize,
    /// The first so many are random.
    pub startup: usize,
    /// Draws that are rows of the plan: those of the ledger, and the random ones at the start.
    pub known: usize,
    pub space: Vec<PlannedKey>,
    /// Trials of the draws that are not known. 0 with fewer than `count` known: the space has no others.
    pub trials_to_come: usize,
    /// If each of these trials is as large as the largest of some random draws.
    pub flops_to_come: f64,
    /// The same; absent if the time of that draw is not known.
    pub seconds_to_come: Option<f64>,
}

/// A key that is drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedKey {
    pub key: String,
    /// As a file states it: `uniform = [0.0, 0.3]`.
    pub distribution: String,
    /// On what it hangs.
    pub when: Option<String>,
}

/// One row, its seeds together.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedRow {
    pub row: String,
    /// The part of the label that is no setting.
    #[serde(skip)]
    pub name: Option<String>,
    /// Its values of [`Plan::settings`].
    #[serde(skip)]
    pub settings: RowSettings,
    pub group: Option<String>,
    /// The row of the published table that it repeats.
    pub paper: Option<String>,
    pub seeds: Vec<u64>,
    /// How many of its trials are in which state.
    pub states: BTreeMap<StateKind, usize>,
    pub changes: Vec<Change>,
    /// Of one trial, from its first update to its last.
    pub price: Price,
}

/// A setting that sets a row apart, its value in TOML.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub key: String,
    pub value: String,
}

/// One row with one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedTrial {
    pub row: String,
    pub seed: u64,
    pub run_dir: PathBuf,
    /// Absent while the corpus is not prepared.
    pub identity: Option<String>,
    #[serde(flatten)]
    pub state: TrialState,
    /// What is left to do; all of it 0 once finished.
    pub updates_left: u64,
    pub flops_left: f64,
    /// Absent if not known.
    pub seconds_left: Option<f64>,
    /// Beyond what its checkpoints take already.
    pub disk_bytes_left: f64,
}

/// What is left of the whole sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    pub trials: usize,
    pub finished: usize,
    pub workers: usize,
    pub flops_left: f64,
    /// Until the last trial ends, with `workers` at once; only of the trials whose time is known.
    pub seconds_left: f64,
    /// Trials left whose time is not known.
    pub unknown_times: usize,
    /// Of the trials that run at once, the most.
    pub memory_bytes: f64,
    pub memory_available_bytes: Option<u64>,
    pub disk_bytes_left: f64,
    pub disk_free_bytes: Option<u64>,
}
