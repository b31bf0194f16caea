//! A plan as a table for people.

use super::planned::{Plan, PlannedRow, PlannedTrial};
use crate::sweep::state::StateKind;
use crate::telemetry::format::{bytes, duration, scientific, thousands};
use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, LineStyle, Table};
use std::collections::BTreeMap;
use std::ops::Range;

/// Narrower terminals do not show the disk of a row, nor do others that need the room for text.
const WIDE: u16 = 90;
/// Empty characters behind each column, and with the separator between two.
const PADDING: usize = 2;
const GAP: usize = PADDING + 1;
/// Characters that a label and what changes get at least.
const LEAST: usize = 22;
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
    let mut table = Table::new();
    let rule = LineStyle::none().fill('─').junction('─');
    table.load_style(NOTHING.header_separator(rule).bottom_border(rule));
    table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    let headers = ["row", "done", "parameters", "FLOPs", "memory", "time", "disk", "what changes"];
    let rows: Vec<[String; 8]> = plan.rows.iter().map(cells).collect();
    let widest = |index: usize| {
        let cells = rows.iter().map(|row| row[index].as_str()).chain([headers[index]]);
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    // What columns of numbers leave to the two columns of text.
    let left = |numbers: Range<usize>| {
        let taken: usize = numbers.map(|index| widest(index) + GAP).sum();
        usize::from(width).saturating_sub(taken + GAP + PADDING)
    };
    let share = |left| shares(left, [widest(0), widest(7)]);
    let with_disk = left(1..7);
    let wide = width >= WIDE && share(with_disk).iter().sum::<usize>() <= with_disk;
    let [label, changes] = share(if wide { with_disk } else { left(1..6) });
    let shown = |index: usize| wide || index != 6;
    table.set_header(headers.iter().enumerate().filter(|(index, _)| shown(*index)).map(|(_, name)| *name));
    for mut row in rows {
        row[0] = wrap(&row[0], ",", label);
        row[7] = wrap(&row[7], ", ", changes);
        let cells = row.into_iter().enumerate().filter(|(index, _)| shown(*index));
        table.add_row(cells.map(|(_, cell)| cell));
    }
    let last = if wide { 7 } else { 6 };
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, PADDING as u16));
        column.set_constraint(ColumnConstraint::ContentWidth);
        if (1..last).contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

/// How label and changes share `left` columns, by what they would like to have. Each gets [`LEAST`] at any rate, so
/// that a table in too narrow a terminal is wide rather than long.
fn shares(left: usize, [label, changes]: [usize; 2]) -> [usize; 2] {
    if label + changes <= left {
        return [label, changes];
    }
    let least = |wanted: usize| wanted.min(LEAST);
    let label = label.min((left / 2).max(left.saturating_sub(changes))).max(least(label));
    [label, changes.min(left.saturating_sub(label)).max(least(changes))]
}

/// Breaks `text` behind separators into lines of `width` characters, and inside a part only where it is longer:
/// there at a blank or an equals sign, if it has one.
fn wrap(text: &str, separator: &str, width: usize) -> String {
    let (mut lines, mut line) = (Vec::new(), String::new());
    for part in text.split_inclusive(separator) {
        let length = |text: &str| text.trim_end().chars().count();
        if !line.is_empty() && length(&(line.clone() + part)) > width {
            lines.push(std::mem::take(&mut line));
        }
        line += part;
        while length(&line) > width {
            let end = line.char_indices().nth(width).map_or(line.len(), |(end, _)| end);
            let end = line[..end].rfind([' ', '=']).map_or(end, |at| at + 1);
            let rest = line.split_off(end);
            lines.push(std::mem::replace(&mut line, rest));
        }
    }
    lines.push(line);
    lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n")
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sweep::plan::{Change, Price, Totals};
    use crate::train::memory_estimate::MemoryEstimate;

    fn price() -> Price {
        let memory_estimate = MemoryEstimate {
            process: 0.0,
            weights: 0.0,
            gradients: 0.0,
            moments: 0.0,
            activations: 0.0,
            transient: 0.0,
            evaluation: 0.0,
        };
        Price {
            embedding_rows: 300,
            bound: true,
            parameters: 2_670_976,
            updates: 300,
            target_tokens: 2_000.0,
            assumed: true,
            training_flops: 9.9e12,
            memory_estimate,
            memory_bytes: 7e8,
            memory_measured: false,
            disk_bytes: 7.5e7,
            disk_passing_bytes: 0.0,
            rate: None,
            probe_failure: None,
        }
    }

    /// A row whose label is made of its changes, as factors make them.
    fn row(changes: &[(&str, &str)]) -> PlannedRow {
        let parts: Vec<String> = changes.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let change =
            |(key, value): &(&str, &str)| Change { key: format!("model.{key}"), value: value.to_string() };
        PlannedRow {
            row: parts.join(","),
            group: None,
            paper: None,
            seeds: vec![1],
            states: BTreeMap::new(),
            changes: changes.iter().map(change).collect(),
            price: price(),
        }
    }

    #[test]
    fn long_labels_and_changes_are_broken_and_the_table_keeps_its_width() {
        let totals = Totals {
            trials: 2,
            finished: 0,
            workers: 1,
            flops_left: 0.0,
            seconds_left: 0.0,
            unknown_times: 2,
            memory_bytes: 0.0,
            memory_available_bytes: None,
            disk_bytes_left: 0.0,
            disk_free_bytes: None,
        };
        let long =
            [("attention_dropout", "0.123456"), ("learned_positions", "128"), ("position", "\"learned\"")];
        let rows = vec![row(&[("heads", "1")]), row(&long)];
        let plan = Plan { rows, trials: Vec::new(), totals, unprepared: Vec::new() };
        for width in [80, 100, 140, 200] {
            let table = table(&plan, width).trim_fmt();
            let widest = table.lines().map(|line| line.chars().count()).max().unwrap();
            assert!(widest <= usize::from(width).max(100), "{widest} of {width}:\n{table}");
            assert!(table.lines().count() <= 9, "{width}:\n{table}");
            assert!(
                width < 140 || table.contains("learned_positions = 128"),
                "a setting stays whole:\n{table}"
            );
            assert!(table.contains("attention_dropout="), "{table}");
        }
    }

    #[test]
    fn label_and_changes_share_what_is_left() {
        for (left, wanted, expected) in [
            (80, [30, 40], [30, 40]),
            (60, [50, 60], [30, 30]),
            (60, [10, 90], [10, 50]),
            (60, [90, 10], [50, 10]),
            (20, [90, 90], [LEAST, LEAST]),
            (0, [5, 12], [5, 12]),
        ] {
            assert_eq!(shares(left, wanted), expected, "{wanted:?} in {left}");
        }
    }

    #[test]
    fn lines_break_behind_separators_before_they_break_elsewhere() {
        for (text, separator, width, expected) in [
            ("a = 1, b = 2, c = 3", ", ", 13, "a = 1, b = 2,\nc = 3"),
            ("one,two,three", ",", 8, "one,two,\nthree"),
            ("abcdefgh,i", ",", 3, "abc\ndef\ngh,\ni"),
            ("long_name = 12, b = 2", ", ", 11, "long_name =\n12, b = 2"),
            ("äöü", ",", 2, "äö\nü"),
            ("", ",", 5, ""),
        ] {
            assert_eq!(wrap(text, separator, width), expected, "{text} in {width}");
        }
    }
}
