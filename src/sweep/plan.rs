//! What a sweep would do, before anything starts (`ablate sweep --plan`). Needs no corpus.

use super::collect::run_dir;
use super::expand::Trial;
use crate::config::identity;
use crate::data;
use crate::error::Result;
use crate::model::Transformer;
use crate::results::record::Record;
use crate::telemetry::format::thousands;
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table};
use std::path::Path;

/// One row of the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct PlannedRow {
    pub label: String,
    pub seeds: Vec<u64>,
    /// Trials that are finished already; absent if the corpus is not prepared, so that nobody can tell.
    pub finished: Option<usize>,
    pub parameters: u64,
    /// The vocabulary is not known yet, so that `parameters` is an upper bound.
    pub bound: bool,
    pub steps: u64,
    pub changes: Vec<(String, String)>,
}

/// The rows of a sweep in order, from its trials.
pub fn plan(trials: &[Trial], sweep_dir: &Path, data_root: &Path) -> Result<Vec<PlannedRow>> {
    let mut rows: Vec<PlannedRow> = Vec::new();
    for trial in trials {
        let experiment = &trial.experiment;
        let data = data::open_if_prepared(&experiment.data, data_root)?;
        let finished = match &data {
            None => None,
            Some(data) => {
                let wanted = identity(experiment, data.fingerprint());
                let record = Record::load(&run_dir(sweep_dir, trial))?;
                Some(usize::from(record.is_some_and(|record| record.identity == wanted)))
            }
        };
        if let Some(row) = rows.last_mut().filter(|row| row.label == trial.row) {
            row.seeds.push(trial.seed);
            row.finished = row.finished.zip(finished).map(|(before, now)| before + now);
            continue;
        }
        let vocabulary = data.as_ref().map(|data| data.tokenizer.len());
        let most = data::tokenizer::largest_vocabulary(experiment.data.merges);
        rows.push(PlannedRow {
            label: trial.row.clone(),
            seeds: vec![trial.seed],
            finished,
            parameters: Transformer::parameters(&experiment.model, vocabulary.unwrap_or(most)),
            bound: vocabulary.is_none() && experiment.model.embedding_rows.is_none(),
            steps: experiment.training.steps,
            changes: trial.changes.clone(),
        });
    }
    Ok(rows)
}

/// The plan as text for a terminal of `width` columns.
pub fn render(rows: &[PlannedRow], width: u16) -> String {
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(NOTHING.header_separator(rule).bottom_border(rule));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    table.set_header(["row", "seeds", "done", "parameters", "steps", "what changes"]);
    for row in rows {
        let changes: Vec<String> =
            row.changes.iter().map(|(key, value)| format!("{key} = {value}")).collect();
        table.add_row([
            row.label.clone(),
            row.seeds.len().to_string(),
            row.finished.map_or_else(|| "?".to_string(), |n| n.to_string()),
            format!("{}{}", if row.bound { "≤ " } else { "" }, thousands(row.parameters)),
            thousands(row.steps),
            changes.join(", "),
        ]);
    }
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index < 5 {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if (1..5).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let trials: usize = rows.iter().map(|row| row.seeds.len()).sum();
    let mut text = table.trim_fmt();
    text += &format!("\n\n{} rows, {trials} trials\n", rows.len());
    if rows.iter().any(|row| row.bound) {
        text += "≤: the vocabulary is known once the corpus is prepared\n";
    }
    if rows.iter().any(|row| row.finished.is_none()) {
        text += "?: known once the corpus is prepared\n";
    }
    text
}
