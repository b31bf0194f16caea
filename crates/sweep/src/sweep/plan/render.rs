//! A plan as a table for the terminal.

use super::planned::{Change, Plan, PlannedKey, PlannedRow, PlannedSearch, PlannedTrial};
use super::price::Price;
use crate::results::render::{Screen, grid, paragraph};
use crate::results::sheet::{Heading, Identity, Line, Note, RowNames, Sheet, Text};
use crate::results::varied::shared;
use crate::sweep::state::StateKind;
use crate::telemetry::format::{bytes, counted, duration, scientific, thousands};
use std::collections::BTreeMap;

/// Largest number of trials whose unfinished state is explained; `--json` has them all.
const EXPLAINED: usize = 12;

/// The columns of numbers.
const NUMBERS: [&str; 6] = ["done", "parameters", "FLOPs", "memory", "time", "disk"];

/// Returns the plan as text for a terminal of `width` columns.
pub fn render(plan: &Plan, width: u16) -> String {
    let (sheet, constants) = table(plan);
    let mut text = grid(&sheet, Screen { width, bold: false });
    if !constants.is_empty() {
        text += &paragraph(
            &Note::text(format!("in every row: {}", constants.join(", "))),
            Screen { width, bold: false },
        );
    }
    text += &format!("\n{}", summary(plan));
    text += &plan.search.as_ref().map_or_else(String::new, searched);
    for line in notes(plan) {
        text += &format!("{line}\n");
    }
    text
}

/// Returns the table of rows with settings and costs, and, as texts, the values that all rows share.
fn table(plan: &Plan) -> (Sheet, Vec<String>) {
    let names: Vec<RowNames> = plan
        .rows
        .iter()
        .map(|row| RowNames { label: &row.row, name: row.name.as_deref(), settings: &row.settings })
        .collect();
    let identity = Identity::of(&plan.settings, &names);
    let shared = shared(plan.rows.iter().map(|row| row.changes.as_slice()));
    let text = |change: &Change| format!("{} = {}", short(&change.key), change.value);
    let other = |row: &PlannedRow| {
        let own = row.changes.iter().filter(|change| !shared.contains(change));
        own.filter(|change| !identity.is_column(&change.key)).map(text).collect::<Vec<_>>().join(", ")
    };
    let with_other = plan.rows.iter().any(|row| !other(row).is_empty());
    let rows: Vec<[String; 6]> = plan.rows.iter().map(cells).collect();
    // The progress is a column of every plan.
    let is_constant = |at: usize| at > 0 && rows.len() > 1 && rows.iter().all(|row| row[at] == rows[0][at]);
    let (constant, shown): (Vec<usize>, Vec<usize>) = (0..NUMBERS.len()).partition(|&at| is_constant(at));
    let mut headings: Vec<Heading> = identity.headings().collect();
    headings.extend(with_other.then(|| Heading { wraps: true, ..Heading::words("what changes") }));
    let keys = headings.len();
    headings.extend(shown.iter().map(|&at| Heading::numbers(NUMBERS[at])));
    let line = |(index, row): (usize, &PlannedRow)| {
        let mut cells: Vec<Text> = identity.cells(&names[index]).collect();
        cells.extend(with_other.then(|| Text::plain(other(row))));
        cells.extend(shown.iter().map(|&at| Text::plain(rows[index][at].as_str())));
        Line { cells, ..Line::default() }
    };
    let lines = plan.rows.iter().enumerate().map(line).collect();
    let constants = constant.iter().map(|&at| format!("{} {}", NUMBERS[at], rows[0][at]));
    let constants = constants.chain(shared.into_iter().map(text)).collect();
    (Sheet { title: String::new(), headings, keys, lines }, constants)
}

/// Returns the texts of the columns [`NUMBERS`].
fn cells(row: &PlannedRow) -> [String; 6] {
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
    let time = match (price.seconds_after(0), &price.probe_failure) {
        (Some(seconds), _) => duration(seconds),
        (None, Some(_)) => "!".to_string(),
        (None, None) => "?".to_string(),
    };
    [
        done,
        format!("{bound}{}", thousands(price.parameters)),
        format!("{estimated}{}", scientific(price.training_flops)),
        format!("{memory_mark}{}", bytes(price.memory_bytes)),
        time,
        bytes(price.disk_bytes),
    ]
}

/// Returns a key without `model.` or `training.`. Keys of other sections keep theirs, so that no key is ambiguous.
fn short(key: &str) -> &str {
    key.strip_prefix("model.").or_else(|| key.strip_prefix("training.")).unwrap_or(key)
}

/// Returns the totals: the work to do, and its costs beside the available resources.
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
        too_much(totals.memory_bytes, totals.memory_available_bytes, memory_advice(plan)),
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

/// Returns a description of the search and its draws to come.
fn searched(search: &PlannedSearch) -> String {
    let PlannedSearch { objective, count, startup, known, space, trials_to_come, .. } = search;
    let mut text = format!(
        "\nsearch for the best {objective}: {}, the first {startup} of them random",
        counted(*count, "draw")
    );
    text += &match trials_to_come {
        0 if known < count => format!("; only {known} differ, and are in the plan\n"),
        0 => "; all are in the plan\n".to_string(),
        _ => {
            format!("; {known} are in the plan, and each of the others follows from the results before it\n")
        }
    };
    let width = space.iter().map(|drawn| short(&drawn.key).chars().count()).max().unwrap_or(0);
    for PlannedKey { key, distribution, when } in space {
        let when = when.as_ref().map_or_else(String::new, |when| format!("   when {when}"));
        text += &format!("  {:width$}  {distribution}{when}\n", short(key));
    }
    if *trials_to_come > 0 {
        let time = search.seconds_to_come.map_or_else(|| "their time is not known".to_string(), duration);
        text += &format!(
            "  {} to come: at most {} FLOPs more, {time}, if each is as large as the largest of some random draws\n",
            counted(*trials_to_come, "trial"),
            scientific(search.flops_to_come)
        );
    }
    text
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
        false => "--plan --probe measures them",
    };
    match left - totals.unknown_times {
        0 => format!("? until each shape of trial has run here; {hint}"),
        _ if totals.unknown_times == 0 => format!("{} {workers}", duration(totals.seconds_left)),
        _ => format!(
            "{} {workers}, plus {} whose time is unknown; {hint}",
            duration(totals.seconds_left),
            counted(totals.unknown_times, "trial")
        ),
    }
}

/// Returns advice for trials that together need more memory than there is.
fn memory_advice(plan: &Plan) -> &'static str {
    let available = plan.totals.memory_available_bytes.map_or(f64::INFINITY, |bytes| bytes as f64);
    let is_left = |row: &&PlannedRow| row.states.keys().any(|state| !state.is_done());
    let any =
        |bytes: fn(&Price) -> f64| plan.rows.iter().filter(is_left).any(|row| bytes(&row.price) > available);
    if any(|price| price.memory_estimate.fixed()) {
        "weights, gradients and moments of one trial are more; make its model smaller"
    } else if any(|price| price.memory_bytes) {
        "one trial alone needs more; use smaller micro-batches, or a smaller model"
    } else {
        "use fewer --workers or smaller micro-batches"
    }
}

fn too_much(wanted: f64, there: Option<u64>, advice: &str) -> String {
    match there {
        Some(there) if wanted > there as f64 => format!("  <- TOO MUCH: {advice}"),
        _ => String::new(),
    }
}

/// Returns explanations of unfinished trials and of the marks in the table.
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
            "~  estimate: sentences of 30 tokens are assumed, for memory also the longest;\n   \
             known once the corpus is prepared"
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

/// Returns a line that explains a trial, if it has a reason to state and is not finished.
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
    use crate::results::varied::VariedSetting;
    use crate::sweep::plan::{Price, Totals};
    use crate::train::memory_estimate::MemoryEstimate;

    fn price() -> Price {
        let memory_estimate = MemoryEstimate {
            process: 0.0,
            weights: 0.0,
            gradients: 0.0,
            moments: 0.0,
            activations: 0.0,
            transient: 0.0,
            kernels: 0.0,
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

    /// A row whose label is made of its changes, as factors make them; a named row of one change.
    fn row(name: Option<&str>, settings: &[(&str, &str)]) -> PlannedRow {
        let parts: Vec<String> = settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
        let change =
            |(key, value): &(&str, &str)| Change { key: format!("model.{key}"), value: value.to_string() };
        let setting = |(key, value): &(&str, &str)| (format!("model.{key}"), serde_json::Value::from(*value));
        PlannedRow {
            row: name.map_or(parts.join(","), String::from),
            name: name.map(String::from),
            settings: settings.iter().map(setting).collect(),
            group: None,
            paper: None,
            seeds: vec![1],
            states: BTreeMap::new(),
            changes: settings.iter().map(change).collect(),
            price: price(),
        }
    }

    fn plan(rows: Vec<PlannedRow>, columns: &[&str]) -> Plan {
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
        let setting = |key: &&str| VariedSetting {
            key: format!("model.{key}"),
            name: key.to_string(),
            numeric: false,
            is_column: true,
        };
        let settings = columns.iter().map(setting).collect();
        Plan {
            rows,
            trials: Vec::new(),
            totals,
            search: None,
            unprepared: Vec::new(),
            settings,
            notes: Vec::new(),
        }
    }

    fn shown(plan: &Plan, width: u16) -> String {
        let text = render(plan, width);
        text.split("\n\n2 rows").next().unwrap().to_string()
    }

    #[test]
    fn settings_that_vary_are_columns_and_what_all_rows_take_is_told_once() {
        let keys = ["attention_dropout", "learned_positions", "position"];
        let one = row(None, &[(keys[0], "0.0"), (keys[1], "64"), (keys[2], "learned"), ("d_ff", "64")]);
        let two =
            row(None, &[(keys[0], "0.123456"), (keys[1], "128"), (keys[2], "learned2"), ("d_ff", "64")]);
        let plan = plan(vec![one, two], &keys);
        let rule = "─".repeat(37);
        assert_eq!(
            shown(&plan, 80).lines().collect::<Vec<_>>(),
            [
                "attention_  learned_   position  done",
                "dropout     positions",
                &rule,
                "0.0         64         learned    0/1",
                "0.123456    128        learned2   0/1",
                &rule,
                "in every row: parameters ≤ 2,670,976, FLOPs ~9.9e12, memory ~668 MiB, time ?,",
                "disk 71.5 MiB, d_ff = 64",
            ]
        );
    }

    #[test]
    fn advice_on_memory_follows_from_what_is_too_large() {
        let advice = |fixed: f64, one: f64, both: f64| {
            let mut row = row(None, &[("d_ff", "64")]);
            row.states = BTreeMap::from([(StateKind::NeverStarted, 1)]);
            (row.price.memory_estimate.weights, row.price.memory_bytes) = (fixed, one);
            let mut plan = plan(vec![row], &[]);
            (plan.totals.memory_bytes, plan.totals.memory_available_bytes) = (both, Some(1 << 30));
            summary(&plan).lines().find(|line| line.contains("memory")).unwrap().to_string()
        };
        let gib = f64::from(1u32 << 30);
        assert!(!advice(0.1 * gib, 0.5 * gib, gib).contains("TOO MUCH"));
        for (line, expected) in [
            (advice(0.1 * gib, 0.6 * gib, 1.2 * gib), "use fewer --workers or smaller micro-batches"),
            (
                advice(0.1 * gib, 1.1 * gib, 1.1 * gib),
                "one trial alone needs more; use smaller micro-batches",
            ),
            (advice(1.1 * gib, 1.2 * gib, 1.2 * gib), "make its model smaller"),
        ] {
            assert!(line.contains("TOO MUCH: ") && line.contains(expected), "{expected}: {line}");
        }
    }

    #[test]
    fn named_rows_show_what_changes_and_nothing_is_left_out_of_a_narrow_plan() {
        let base = row(Some("base"), &[]);
        let mut wide = row(Some("wide"), &[("d_ff", "4096"), ("position", "\"learned\"")]);
        wide.price = Price {
            parameters: 9_999_999,
            training_flops: 1e13,
            memory_bytes: 9e8,
            disk_bytes: 9e7,
            ..price()
        };
        let plan = plan(vec![base, wide], &[]);
        let text = shown(&plan, 120);
        assert!(text.starts_with("row   what "), "{text}");
        assert!(text.contains("d_ff = 4096, position = \"learned\"   0/1  ≤ 9,999,999"), "{text}");
        for width in [20, 40, 60, 80] {
            let text = shown(&plan, width);
            for word in
                ["base", "wide", "position", "\"learned\"", "9,999,999", "2,670,976", "disk", "85.8", "858"]
            {
                assert!(text.contains(word), "{word} in {width}:\n{text}");
            }
            assert!(
                width < 40 || text.lines().all(|line| line.chars().count() <= usize::from(width)),
                "{text}"
            );
        }
    }
}
