//! The keys of sweep files, level by level: what serde reads, and what `ablate schema` describes.
//!
//! Tables of settings (`set`, `axes`, …) hold keys of the experiment whose places matter; they
//! are read from the tree by [`settings`](super::settings) and only marked here, see
//! [`schema`](super::file_schema).

use super::file_schema::{Axes, Changes, Conditions, Random, Unread, Values, Zip};
use super::launch::slurm::slurm_spec::SlurmSpec;
use super::policy::{Halving, Retry};
use crate::results::table_layout::Form;
use schemars::JsonSchema;
use serde::Deserialize;
use std::collections::BTreeMap;

/// A sweep: rows of changes to a base experiment, each trained once with each seed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sweep")]
pub struct SweepFile {
    /// The experiment that every row changes: a path relative to this file.
    pub base: String,
    /// Each row is trained once with each, unless its section has its own.
    #[schemars(length(min = 1))]
    pub seeds: Vec<u64>,
    /// Trials that run at once; absent: the command decides.
    #[schemars(range(min = 1))]
    pub workers: Option<usize>,
    /// Cards that trials are spread over: "cuda:0", … or "cuda" for all; absent: each has its `run.device`.
    #[schemars(length(min = 1))]
    pub devices: Option<Vec<String>>,
    /// Trials that one call of the command starts, at most; absent: all.
    #[schemars(range(min = 1))]
    pub max_trials: Option<usize>,
    /// Hours after which one call stops its trials, which save their state; absent: never.
    pub max_hours: Option<f64>,
    /// Which failures are tried again.
    #[serde(default)]
    pub retry: Retry,
    /// Compare trials on the way and let only the best go on.
    pub halving: Option<Halving>,
    /// What each trial asks for with `--launcher slurm`.
    #[serde(default)]
    pub slurm: SlurmSpec,
    /// Files of rows and sections to add to these, relative to this file.
    #[serde(default)]
    pub include: Vec<String>,
    /// Changes of every row, made before the section's and the row's own.
    #[serde(default)]
    pub set: Changes,
    /// Named rows.
    #[serde(default)]
    pub row: Vec<RowFile>,
    /// Sets of changes of which each row takes one: a row for each.
    #[serde(default)]
    pub point: Vec<PointFile>,
    /// Keys whose values advance together: a row for each step.
    #[serde(default)]
    pub zip: Vec<Zip>,
    /// Keys and the values that each takes: a row for each combination.
    #[serde(default)]
    pub axes: Axes,
    /// Values drawn at random: a row for each draw.
    #[serde(default)]
    pub random: Option<Random>,
    /// Combinations to leave out.
    #[serde(default)]
    pub exclude: Vec<Conditions>,
    /// Further rows, with factors of their own.
    #[serde(default)]
    pub section: Vec<SectionFile>,
    /// How results are shown.
    #[serde(default)]
    pub table: TableSpec,
}

/// Rows and what multiplies them, apart from those of other sections.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Section")]
pub struct SectionFile {
    /// The first part of its rows' labels.
    pub label: String,
    /// The letter of the paper's row group; absent: the label.
    pub group: Option<String>,
    /// Absent: the sweep's.
    #[schemars(length(min = 1))]
    pub seeds: Option<Vec<u64>>,
    /// Changes of every row of the section, made before the row's own.
    #[serde(default)]
    pub set: Changes,
    /// Named rows.
    #[serde(default)]
    pub row: Vec<RowFile>,
    /// Sets of changes of which each row takes one: a row for each.
    #[serde(default)]
    pub point: Vec<PointFile>,
    /// Keys whose values advance together: a row for each step.
    #[serde(default)]
    pub zip: Vec<Zip>,
    /// Keys and the values that each takes: a row for each combination.
    #[serde(default)]
    pub axes: Axes,
    /// Values drawn at random: a row for each draw.
    #[serde(default)]
    pub random: Option<Random>,
    /// Combinations to leave out.
    #[serde(default)]
    pub exclude: Vec<Conditions>,
}

/// Rows and sections for sweeps to include.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Part")]
pub struct PartFile {
    /// Files of rows and sections to add to these, relative to this file.
    #[serde(default)]
    pub include: Vec<String>,
    /// Named rows.
    #[serde(default)]
    pub row: Vec<RowFile>,
    /// Further rows, with factors of their own.
    #[serde(default)]
    pub section: Vec<SectionFile>,
}

/// A named set of changes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Row")]
pub struct RowFile {
    /// Names the row's directory.
    pub label: String,
    /// The letter of the paper's row group.
    pub group: Option<String>,
    /// The row of the published table that this one repeats.
    pub paper: Option<String>,
    /// What the row changes.
    #[serde(default)]
    pub set: Changes,
    /// Only combinations that match are rows.
    #[serde(default)]
    pub when: Option<Conditions>,
}

/// One of several sets of changes.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Point")]
pub struct PointFile {
    /// Its part of the row's label; absent: made of its changes.
    pub label: Option<String>,
    /// What the point changes.
    #[serde(default)]
    pub set: Changes,
}

/// The long form of an axis.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisFile {
    /// The values that it takes in turn.
    pub values: Unread,
    /// It applies to combinations that match; the others go on without it.
    #[serde(default)]
    pub when: Option<Unread>,
}

/// The words of `[[zip]]` beside its keys.
#[derive(Deserialize)]
pub struct ZipFile {
    /// One for each step.
    pub labels: Option<Vec<String>>,
}

/// The words of `[random]` beside its keys.
#[derive(Deserialize)]
pub struct RandomFile {
    pub seed: u64,
    pub count: usize,
}

/// What a key's values are drawn from: one of four, and on which condition.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(
    rename = "Distribution",
    extend("oneOf" = [
        { "required": ["uniform"] },
        { "required": ["log_uniform"] },
        { "required": ["integer"] },
        { "required": ["choice"] },
    ])
)]
pub struct DistributionFile {
    /// Numbers between two bounds.
    #[schemars(length(equal = 2))]
    pub uniform: Option<Vec<f64>>,
    /// Numbers between two bounds above 0, each order of magnitude as likely.
    #[schemars(length(equal = 2))]
    pub log_uniform: Option<Vec<f64>>,
    /// Integers from a lower to an upper bound, both included.
    #[schemars(length(equal = 2))]
    pub integer: Option<Vec<i64>>,
    /// One of these values, each as likely.
    #[schemars(length(min = 1))]
    pub choice: Option<Values>,
    /// It is drawn for combinations that match; the others go on without it.
    #[serde(default)]
    pub when: Option<Conditions>,
}

/// The `[table]` section: how results are shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Table")]
pub struct TableSpec {
    /// How results are laid out.
    pub layout: Form,
    /// A published table to print beside ours: "table2", "table2-en-de", "table2-en-fr" or "table3".
    pub paper: Option<String>,
    /// Columns in order; empty: the usual ones.
    pub columns: Vec<String>,
    /// Label of the row that others are compared with; absent: the row that repeats the paper's base, else the
    /// one labelled "base".
    pub base: Option<String>,
    /// Floating-point operations a second at the device's peak, in 10¹²: of a card, or of one thread of a
    /// processor, by the name that records have. The paper's cards are known.
    pub peak_tflops: BTreeMap<String, f64>,
}
