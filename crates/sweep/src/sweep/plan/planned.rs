//! The JSON of `--plan --json`: the field names are a file format, described in docs/architecture.md.

use super::price::Price;
use crate::results::varied::{RowSettings, VariedSetting};
use crate::sweep::state::{StateKind, TrialState};
use serde::Serialize;
use std::collections::BTreeMap;
use std::path::PathBuf;

/// A plan: rows, trials, and the work that is left.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Plan {
    pub rows: Vec<PlannedRow>,
    pub trials: Vec<PlannedTrial>,
    pub totals: Totals,
    /// The plan of the search, if the sweep has one. `trials` does not contain the trials that are still to be drawn.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub search: Option<PlannedSearch>,
    /// Corpora that are not prepared, and how to prepare them.
    pub unprepared: Vec<String>,
    /// The settings that differ among rows.
    #[serde(skip)]
    pub settings: Vec<VariedSetting>,
    /// Notes on committed records, for the user.
    #[serde(skip)]
    pub notes: Vec<String>,
}

/// A search, and the largest cost of its draws to come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedSearch {
    pub objective: String,
    pub seed: u64,
    /// Number of draws of the whole search.
    pub count: usize,
    /// Number of first draws that are random.
    pub startup: usize,
    /// Number of draws that are rows of the plan: those of the ledger, and the random ones at the start.
    pub known: usize,
    pub space: Vec<PlannedKey>,
    /// Number of trials of further draws. If it is 0 with fewer than `count` known, there are no other draws.
    pub trials_to_come: usize,
    /// Operations, if each of these trials is as large as the largest of some random draws.
    pub flops_to_come: f64,
    /// Seconds under the same assumption; absent if the time of that draw is not known.
    pub seconds_to_come: Option<f64>,
}

/// A key that is drawn.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedKey {
    pub key: String,
    /// The distribution as a file states it: `uniform = [0.0, 0.3]`.
    pub distribution: String,
    /// The condition on which the key is drawn.
    pub when: Option<String>,
}

/// A row with all its seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedRow {
    pub row: String,
    /// The part of the label that is not made of settings.
    #[serde(skip)]
    pub name: Option<String>,
    /// The row's values of [`Plan::settings`].
    #[serde(skip)]
    pub settings: RowSettings,
    pub group: Option<String>,
    /// The row of the published table that this row repeats.
    pub paper: Option<String>,
    pub seeds: Vec<u64>,
    /// Number of trials in each state.
    pub states: BTreeMap<StateKind, usize>,
    pub changes: Vec<Change>,
    /// Cost of one trial, from its first update to its last.
    pub price: Price,
}

/// A setting that distinguishes a row, with its value in TOML.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change {
    pub key: String,
    pub value: String,
}

/// A trial: one row with one seed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PlannedTrial {
    pub row: String,
    pub seed: u64,
    pub run_dir: PathBuf,
    /// Absent while the corpus is not prepared.
    pub identity: Option<String>,
    #[serde(flatten)]
    pub state: TrialState,
    /// Work that is left; this and the following are 0 once the trial is finished.
    pub updates_left: u64,
    pub flops_left: f64,
    /// Absent if not known.
    pub seconds_left: Option<f64>,
    /// Bytes beyond those that its checkpoints already take.
    pub disk_bytes_left: f64,
}

/// The work that is left of the whole sweep.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    pub trials: usize,
    pub finished: usize,
    pub workers: usize,
    pub flops_left: f64,
    /// Seconds until the last trial ends, with `workers` at once; only of the trials whose time is known.
    pub seconds_left: f64,
    /// Number of trials left whose time is not known.
    pub unknown_times: usize,
    /// Largest sum of the memory of trials that run at once.
    pub memory_bytes: f64,
    pub memory_available_bytes: Option<u64>,
    pub disk_bytes_left: f64,
    pub disk_free_bytes: Option<u64>,
}
