//! The keys of sweep files, level by level: what serde reads, and what `ablate schema` describes.
//!
//! Tables of settings (`set`, `axes`, …) hold keys of the experiment whose places matter; they
//! are read from the tree by [`settings`](super::settings) and only marked here, see
//! [`marker`](super::marker).

use super::launch::slurm::slurm_spec::SlurmSpec;
use super::marker::{Axes, Changes, Conditions, Random, Search, Unread, Zip};
use super::policy::{Halving, Retry};
use crate::config::json_schema::root;
use crate::config::load::is_recipe;
use crate::config::subsections::SECTIONS;
use crate::config::toml_tree::Table;
use crate::error::{Error, Result};
use crate::results::table_layout::Form;
use schemars::{JsonSchema, Schema};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// The schema of sweep files.
pub fn sweep_schema() -> Schema {
    root::<SweepFile>("A sweep: rows that change settings of a base experiment, each trained with each seed.")
}

/// The schema of files that sweeps include.
pub fn part_schema() -> Schema {
    root::<PartFile>("Rows and sections that sweeps can include.")
}

/// Keys that sweep files have and experiments do not have.
const SWEEP_KEYS: [&str; 12] = [
    "seeds", "row", "section", "axes", "zip", "point", "random", "search", "include", "table", "workers",
    "set",
];

/// Whether a file states a sweep, or a part of one.
pub fn is_sweep(file: &Table) -> bool {
    SWEEP_KEYS.iter().any(|key| file.get(key).is_some())
}

/// Refuses a recipe file in place of a sweep or an experiment.
///
/// # Errors
/// A user error that says what can be done with the file.
pub fn refuse_recipe(path: &Path, file: &Table) -> Result<()> {
    if is_sweep(file) || !is_recipe(file) {
        return Ok(());
    }
    Err(Error::user(format!(
        "{0} is a recipe, not a sweep; `ablate prepare {0}` prepares its corpus, and an experiment names it as data.recipe",
        path.display()
    )))
}

/// Refuses a recipe or an experiment file in place of a sweep.
///
/// # Errors
/// A user error that says what can be done with the file.
pub fn refuse_experiment(path: &Path, file: &Table) -> Result<()> {
    refuse_recipe(path, file)?;
    if is_sweep(file) || !SECTIONS.iter().any(|key| file.get(key).is_some()) {
        return Ok(());
    }
    Err(Error::user(format!(
        "{0} is an experiment, not a sweep; `ablate train {0}` trains it, and `ablate sweep {0} --axis \
         model.dropout=0.1,0.2 --seeds 1,2,3` makes a sweep of it",
        path.display()
    )))
}

/// A sweep: rows of changes to a base experiment, each trained once with each seed.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Sweep")]
pub struct SweepFile {
    /// Path of the experiment that every row changes, relative to this file.
    pub base: String,
    /// Seeds: each row is trained once with each of them, unless its section has its own seeds.
    #[schemars(length(min = 1))]
    pub seeds: Vec<u64>,
    /// Number of trials that run at the same time. If absent, the command decides.
    #[schemars(range(min = 1))]
    pub workers: Option<usize>,
    /// GPUs over which the trials are spread: "cuda:0", … or "cuda" for all. If absent, each trial uses its
    /// `run.device`.
    #[schemars(length(min = 1))]
    pub devices: Option<Vec<String>>,
    /// Largest number of trials that one call of the command starts. If absent, there is no limit.
    #[schemars(range(min = 1))]
    pub max_trials: Option<usize>,
    /// Number of hours after which one call of the command stops its trials, which save their state. If absent, there
    /// is no limit.
    pub max_hours: Option<f64>,
    /// After which failures a trial is tried again, and how often.
    #[serde(default)]
    pub retry: Retry,
    /// Compares unfinished trials and lets only the best continue (successive halving).
    pub halving: Option<Halving>,
    /// The request of each trial to Slurm with `--launcher slurm`.
    #[serde(default)]
    pub slurm: SlurmSpec,
    /// Paths of files with further rows and sections, relative to this file.
    #[serde(default)]
    pub include: Vec<String>,
    /// Settings of every row. Settings of a section or of a row override them.
    #[serde(default)]
    pub set: Changes,
    /// Rows, each with a label and its settings.
    #[serde(default)]
    pub row: Vec<RowFile>,
    /// A list of sets of settings: each row is combined with each set.
    #[serde(default)]
    pub point: Vec<PointFile>,
    /// Several keys whose values advance together: each row is combined with each step.
    #[serde(default)]
    pub zip: Vec<Zip>,
    /// Keys with their values: each row is combined with each value of each key.
    #[serde(default)]
    pub axes: Axes,
    /// Values drawn at random: each row is combined with each draw.
    #[serde(default)]
    pub random: Option<Random>,
    /// Values drawn one after the other, each with regard to the results of those before (tree-structured Parzen
    /// estimator). Each draw is a row; there are no others.
    #[serde(default)]
    pub search: Option<Search>,
    /// Conditions: combinations that match one of them are removed.
    #[serde(default)]
    pub exclude: Vec<Conditions>,
    /// Sections: further rows, with factors of their own.
    #[serde(default)]
    pub section: Vec<SectionFile>,
    /// How results are shown.
    #[serde(default)]
    pub table: TableSpec,
}

/// A group of rows with factors of its own.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Section")]
pub struct SectionFile {
    /// First part of the labels of the section's rows.
    pub label: String,
    /// Letter of the row group in the paper's table. If absent, the label.
    pub group: Option<String>,
    /// Seeds of the section's rows. If absent, those of the sweep.
    #[schemars(length(min = 1))]
    pub seeds: Option<Vec<u64>>,
    /// Settings of every row of the section. Settings of a row override them.
    #[serde(default)]
    pub set: Changes,
    /// Rows, each with a label and its settings.
    #[serde(default)]
    pub row: Vec<RowFile>,
    /// A list of sets of settings: each row is combined with each set.
    #[serde(default)]
    pub point: Vec<PointFile>,
    /// Several keys whose values advance together: each row is combined with each step.
    #[serde(default)]
    pub zip: Vec<Zip>,
    /// Keys with their values: each row is combined with each value of each key.
    #[serde(default)]
    pub axes: Axes,
    /// Values drawn at random: each row is combined with each draw.
    #[serde(default)]
    pub random: Option<Random>,
    /// Conditions: combinations that match one of them are removed.
    #[serde(default)]
    pub exclude: Vec<Conditions>,
}

/// Rows and sections for sweeps to include.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Part")]
pub struct PartFile {
    /// Paths of files with further rows and sections, relative to this file.
    #[serde(default)]
    pub include: Vec<String>,
    /// Rows, each with a label and its settings.
    #[serde(default)]
    pub row: Vec<RowFile>,
    /// Sections: further rows, with factors of their own.
    #[serde(default)]
    pub section: Vec<SectionFile>,
}

/// A row: a label and its settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Row")]
pub struct RowFile {
    /// Label of the row, which also names its directory.
    pub label: String,
    /// Letter of the row group in the paper's table.
    pub group: Option<String>,
    /// Row of the published table that this row repeats.
    pub paper: Option<String>,
    /// Settings of the row: keys of the experiment with their values.
    #[serde(default)]
    pub set: Changes,
    /// Condition: combinations of this row that do not match are removed.
    #[serde(default)]
    pub when: Option<Conditions>,
}

/// One of several sets of settings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Point")]
pub struct PointFile {
    /// Part of the row's label. If absent, it is made from the settings.
    pub label: Option<String>,
    /// Settings of the point: keys of the experiment with their values.
    #[serde(default)]
    pub set: Changes,
}

/// The long form of an axis.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AxisFile {
    /// Values of the key.
    pub values: Unread,
    /// Condition: the factor applies only to combinations that match; the others keep their value.
    #[serde(default)]
    pub when: Option<Unread>,
}

/// The keys of `[[zip]]` that are not settings.
#[derive(Deserialize)]
pub struct ZipFile {
    /// Labels, one for each step.
    pub labels: Option<Vec<String>>,
}

/// The keys of `[random]` that are not settings.
#[derive(Deserialize)]
pub struct RandomFile {
    pub seed: u64,
    pub count: usize,
}

/// The keys of `[search]` that are not settings.
#[derive(Deserialize)]
pub struct SearchFile {
    pub seed: u64,
    pub count: usize,
    pub objective: String,
}

/// The `[table]` section: how results are shown.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Table")]
pub struct TableSpec {
    /// Layout of the table.
    pub layout: Form,
    /// Published table whose values are printed beside ours: "table2", "table2-en-de", "table2-en-fr" or "table3".
    pub paper: Option<String>,
    /// Columns of the table, in order. If empty, the default columns.
    pub columns: Vec<String>,
    /// Label of the row with which the others are compared. If absent, the row with paper = "base", else the row
    /// labelled "base".
    pub base: Option<String>,
    /// Peak speed of devices in 10¹² floating-point operations per second, of a GPU or of one thread of a processor.
    /// The keys are the device names that records contain. The GPUs of the paper are built in.
    pub peak_tflops: BTreeMap<String, f64>,
}
