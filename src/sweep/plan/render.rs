//! A plan as a table for people.

use super::{Plan, PlannedRow, PlannedTrial};
use crate::sweep::state::StateKind;
use crate::telemetry::format::{bytes, duration, scientific, thousands};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table};
use std::collections::BTreeMap;

/// Narrower terminals do not show the disk of a row.
const WIDE: u16 = 90;
/// Trials of which the text says why they are not finished; `--json` has them all.
const EXPLAINED: usize = 12;

/// The plan as text for a terminal of `width` columns.
pub fn render(plan: &Plan, width: u16) -> String {
    let mut text = table(plan, width).trim_fmt();
    text += &format!("\n\n{}", summary(plan));
    for line in notes(plan) {
        text += &format!("{line}\n");
    }
    text
}

fn table(plan: &Plan, width: u16) -> Table {
    let wide = width >= WIDE;
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(NOTHING.header_separator(rule).bottom_border(rule));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let headers = ["row", "done", "parameters", "FLOPs", "memory", "time", "disk", "what changes"];
    let shown = |index: usize| wide || index != 6;
    table.set_header(headers.iter().enumerate().filter(|(index, _)| shown(*index)).map(|(_, name)| *name));
    for row in &plan.rows {
        let cells = cells(row).into_iter().enumerate().filter(|(index, _)| shown(*index));
        table.add_row(cells.map(|(_, cell)| cell));
    }
    let last = if wide { 7 } else { 6 };
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if index < last {
            column.set_constraint(ColumnConstraint::ContentWidth);
        }
        if (1..last).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn cells(row: &PlannedRow) -> [String; 8] {
    let price = &row.price;
    let count = |state| row.states.get(&state).copied().unwrap_or(0);
    let done = match count(StateKind::Unknown) {
        0 => format!(
            "{}/{}",
            row.states.iter().filter(|(state, _)| state.is_done()).map(|(_, count)| count).sum::<usize>(),
            row.seeds.len()
        ),
        _ => format!("?/{}", row.seeds.len()),
    };
    let bound = if price.bound { "≤ " } else { "" };
    let estimated = if price.assumed { "~" } else { "" };
    let memory_mark = if price.memory_measured { "" } else { "~" };
    let changes: Vec<String> =
        row.changes.iter().map(|change| format!("{} = {}", short(&change.key), change.value)).collect();
    let time = match (price.seconds_after(0), &price.probe_failure) {
        (Some(seconds), _) => duration(seconds),
        (None, Some(_)) => "!".to_string(),
        (None, None) => "?".to_string(),
    };
    [
        row.row.clone(),
        done,
        format!("{bound}{}", thousands(price.parameters)),
        format!("{estimated}{}", scientific(price.training_flops)),
        format!("{memory_mark}{}", bytes(price.memory_bytes)),
        time,
        bytes(price.disk_bytes),
        changes.join(", "),
    ]
}

/// A key without the sections that rows change most. Keys of other sections keep theirs, so none is ambiguous.
fn short(key: &str) -> &str {
    key.strip_prefix("model.").or_else(|| key.strip_prefix("training.")).unwrap_or(key)
}

/// What is to be done, and what it takes beside what there is.
fn summary(plan: &Plan) -> String {
    let totals = &plan.totals;
    let (rows, trials) = (plan.rows.len(), totals.trials);
    let left = trials - totals.finished;
    let updates = plan.rows.iter().map(|row| row.price.updates);
    let updates = match (updates.clone().min(), updates.max()) {
        (Some(least), Some(most)) if least < most => format!("{} to {}", thousands(least), thousands(most)),
        (_, most) => thousands(most.unwrap_or(0)),
    };
    let mut text = format!("{}, {} of {updates} updates", counted(rows, "row"), counted(trials, "trial"));
    if left == 0 {
        return text + ": all finished, nothing to do\n";
    }
    text += &format!(": {} finished, {left} to run ({})\n", totals.finished, states(plan));
    text += &format!("  time    {}\n  FLOPs   {}\n", total_time(plan, left), scientific(totals.flops_left));
    let of = |free: Option<u64>| free.map_or_else(String::new, |free| format!(" of {}", bytes(free as f64)));
    let at_once = totals.workers.min(left);
    text += &format!(
        "  memory  {}{} available, {} at once{}\n",
        bytes(totals.memory_bytes),
        of(totals.memory_available_bytes),
        counted(at_once, "trial"),
        too_much(
            totals.memory_bytes,
            totals.memory_available_bytes,
            "use fewer --workers or smaller micro-batches"
        ),
    );
    text += &format!(
        "  disk    {}{} free{}\n",
        bytes(totals.disk_bytes_left),
        of(totals.disk_free_bytes),
        too_much(
            totals.disk_bytes_left,
            totals.disk_free_bytes,
            "use another --results, or average fewer checkpoints"
        ),
    );
    text
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn states(plan: &Plan) -> String {
    let mut counts: BTreeMap<StateKind, usize> = BTreeMap::new();
    for trial in plan.trials.iter().filter(|trial| !trial.state.state.is_done()) {
        *counts.entry(trial.state.state).or_default() += 1;
    }
    let some: Vec<String> =
        counts.into_iter().map(|(state, count)| format!("{count} {}", state.name())).collect();
    some.join(", ")
}

fn total_time(plan: &Plan, left: usize) -> String {
    let totals = &plan.totals;
    let workers = format!("with {}", counted(totals.workers, "worker"));
    let hint = match plan.rows.iter().any(|row| row.price.probe_failure.is_some()) {
        true => "see below",
        false => "--plan --probe measures them now",
    };
    match left - totals.unknown_times {
        0 => format!("? until a trial of each shape has run here; {hint}"),
        _ if totals.unknown_times == 0 => format!("{} {workers}", duration(totals.seconds_left)),
        _ => format!(
            "{} {workers}, and what {} more of unknown time take; {hint}",
            duration(totals.seconds_left),
            counted(totals.unknown_times, "trial")
        ),
    }
}

fn too_much(wanted: f64, there: Option<u64>, advice: &str) -> String {
    match there {
        Some(there) if wanted > there as f64 => format!("  <- TOO MUCH: {advice}"),
        _ => String::new(),
    }
}

/// Why trials are not finished, and what the marks mean.
fn notes(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    let explained: Vec<String> = plan.trials.iter().filter_map(explanation).collect();
    if !explained.is_empty() {
        lines.push(String::new());
        lines.extend(explained.iter().take(EXPLAINED).cloned());
    }
    if explained.len() > EXPLAINED {
        lines.push(format!("… and {} more (--plan --json has all)", explained.len() - EXPLAINED));
    }
    lines.push(String::new());
    lines.extend(plan.unprepared.iter().map(|hint| format!("corpus not prepared: {hint}")));
    lines.push("a row's numbers are one trial's, from its first update to its last".to_string());
    let any = |of: fn(&PlannedRow) -> bool| plan.rows.iter().any(of);
    if any(|row| row.price.bound) {
        lines.push("≤  bound: the vocabulary is known once the corpus is prepared".to_string());
    }
    match (any(|row| row.price.assumed), any(|row| !row.price.memory_measured)) {
        (true, _) => lines.push(
            "~  estimate: sentences of 30 tokens are assumed, for memory also the longest; known once the corpus is prepared"
                .to_string(),
        ),
        (false, true) => lines.push("~  estimate: no such trial has been measured here".to_string()),
        (false, false) => {}
    }
    if any(|row| row.price.rate.as_ref().is_some_and(|rate| rate.scoring_seconds.is_none())) {
        lines.push("times are of training alone where no such trial has been scored here".to_string());
    }
    for row in &plan.rows {
        if let Some(why) = &row.price.probe_failure {
            lines.push(format!("!  {}: cannot be trained here: {why}", row.row));
        }
    }
    lines
}

/// One line on a trial of which there is more to say than that it is finished or not begun.
fn explanation(trial: &PlannedTrial) -> Option<String> {
    let why = trial.state.why.as_ref()?;
    let name = match trial.state.state {
        StateKind::Finished => return None,
        state => state.name(),
    };
    let at = match trial.state.step {
        0 => String::new(),
        step => format!(" at {} of {}", thousands(step), thousands(step + trial.updates_left)),
    };
    Some(format!("{} seed {}: {name}{at}: {why}", trial.row, trial.seed))
}
