//! The sections without curves: the result, settings, failures, provenance.

use super::page::{LineData, results, sheet, table};
use super::pictures::row_name;
use super::section::{Section, spoken, with_code};
use super::subject::{Report, Trial, mean_of, text_of, values_of};
use crate::config::Experiment;
use crate::config::experiment::cell_text;
use crate::config::settings::settings_by_key;
use crate::error::Result;
use crate::figures::svg::escaped;
use crate::figures::{Dot, Dots, dots};
use crate::results::hyperparameters::HEADINGS;
use crate::results::metric::TEST_F1;
use crate::results::render::Tabulated;
use crate::results::sheet::Note;
use crate::results::summary::Summary;
use crate::results::table_layout::Form;
use crate::telemetry::format::{counted, thousands};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Rows whose settings are shown without a click, at most.
const MOST_OPEN: usize = 10;

/// The section with the score of every row, and the table.
pub fn section(report: &Report) -> Result<Section> {
    let mut section = Section::new("Result");
    let score = report.score();
    let mut group = None;
    let mut plotted = Vec::new();
    for (index, row) in report.rows().into_iter().enumerate() {
        let summary = mean_of(row, score);
        let words = summary.as_ref().map_or("–".to_string(), |Summary { mean, deviation, .. }| {
            let text = |value| text_of(score, value);
            text(*mean) + &deviation.map_or(String::new(), |deviation| format!(" ± {}", text(deviation)))
        });
        plotted.push(Dot {
            name: row_name(report, row),
            rule: index > 0 && group != row[0].group,
            mean: summary.as_ref().map(|summary| summary.mean),
            spread: summary.as_ref().and_then(|summary| summary.deviation),
            values: values_of(row, score),
            other: None,
            words,
        });
        group = row[0].group;
    }
    let base = report.rows().iter().position(|row| report.is_base(row[0].row));
    let several = plotted.iter().any(|row| row.values.len() > 1);
    let drawn = dots(&Dots {
        title: format!("{} by row", spoken(score)),
        x: match several {
            true => format!("{}: mean, standard deviation, and each seed", spoken(score)),
            false => spoken(score),
        },
        rows: plotted,
        base,
        other: None,
    });
    section.figure("rows", drawn);
    let table = Tabulated::of(report.table)?;
    // In the layout of Table 3 a group stands in its first line, and a setting that is the base row's is blank.
    let of_paper = report.table.form == Form::Table3;
    let data = |row: &&[Trial]| LineData {
        name: row_name(report, row),
        group: row[0].group.filter(|_| of_paper).map(|group| format!("({group})")),
        is_base: of_paper && report.table.base.as_deref() == Some(row[0].row),
    };
    let lines: Vec<LineData> = report.rows().iter().map(data).collect();
    let settings = if of_paper { HEADINGS.len() } else { 0 };
    let mut sheets = table.sheets(true).into_iter();
    match (sheets.next(), &table) {
        (Some(first), Tabulated::Rows(_)) => section.body += &results(&first, &lines, settings),
        (first, _) => first.iter().for_each(|first| section.body += &sheet(first)),
    }
    sheets.for_each(|part| section.body += &sheet(&part));
    for Note { text, verbatim } in table.notes() {
        let verbatim = verbatim.map_or(String::new(), |code| format!(" <code>{}</code>", escaped(&code)));
        let _ = writeln!(section.body, "<p class=\"note\">{}{verbatim}</p>", with_code(&text));
    }
    if report.trials.iter().any(|trial| trial.is_reused) {
        section.paragraph(
            "Committed records have scores alone. Learning curves, scores by length, sample translations and attention \
             leave their trials out.",
        );
    }
    Ok(section)
}

/// The section where the script compares two rows: the settings in which they differ, and their results.
pub fn differences(report: &Report) -> Section {
    let mut section = Section::new("Two rows side by side");
    if report.table.rows.len() > 1 {
        section.body += "<div id=\"pair\"><p class=\"note\">In a browser that runs the script of this page, two rows can be \
                         chosen here. On a terminal, <code>ablate compare</code> sets two of them beside each other and tests \
                         the difference.</p></div>\n";
    }
    section
}

/// Shows how each row's settings differ from those of the base row.
pub fn settings(report: &Report) -> Section {
    let mut section = Section::new(match report.table.base {
        Some(_) => "Settings against the base row",
        None => "Settings against the first row",
    });
    let rows = report.rows();
    let Some(base) = rows.iter().find(|row| report.is_base(row[0].row)) else { return section };
    let base = stated(base[0].experiment);
    fn value<'a>(settings: &'a BTreeMap<String, String>, key: &str) -> &'a str {
        settings.get(key).map_or("unset", String::as_str)
    }
    let mut lines = String::new();
    for row in rows.iter().filter(|row| !report.is_base(row[0].row)) {
        let own = stated(row[0].experiment);
        let keys: BTreeSet<&String> = base.keys().chain(own.keys()).collect();
        let differing: Vec<_> = keys
            .into_iter()
            .map(|key| (key.as_str(), value(&base, key), value(&own, key)))
            .filter(|(_, before, after)| before != after)
            .collect();
        for (nth, &(key, before, after)) in differing.iter().enumerate() {
            let label = match nth {
                0 => format!(
                    "<th scope=\"rowgroup\" rowspan=\"{}\">{}</th>",
                    differing.len(),
                    escaped(row[0].row)
                ),
                _ => String::new(),
            };
            let [key, before, after] = [key, before, after].map(escaped);
            let _ = writeln!(
                lines,
                "<tr>{label}<td><code>{key}</code></td><td>{before}</td><td><b>{after}</b></td></tr>"
            );
        }
    }
    if !lines.is_empty() {
        let name = report.base().unwrap_or_default();
        let headings = [("row", false), ("setting", false), (name, false), ("here", false)];
        // A grid repeats its few settings row by row, and the table has them.
        let open = if rows.len() > MOST_OPEN { "" } else { " open" };
        let _ = write!(
            section.body,
            "<details{open}><summary>Row by row</summary>\n{}</details>\n",
            table(&headings, &lines)
        );
    }
    section
}

/// Returns all stated settings that can change a result, except the seed, as text by key.
fn stated(experiment: &Experiment) -> BTreeMap<String, String> {
    settings_by_key(experiment).into_iter().map(|(key, value)| (key, cell_text(&value))).collect()
}

/// Trials that failed, and those that are still to come.
pub fn failures(report: &Report) -> Section {
    let mut section = Section::new("Failed and missing trials");
    let open: Vec<&Trial> = report.trials.iter().filter(|trial| trial.record.is_none()).collect();
    if open.is_empty() {
        section.paragraph("None: every trial of the sweep is finished.");
        return section;
    }
    if open.iter().any(|trial| trial.halved_at.is_some()) {
        section.paragraph(
            "Halving compares trials by their dev loss at some updates of the training: the best go on, and the others end \
             there without scores.",
        );
    }
    let mut lines = String::new();
    for trial in open {
        let what = match (&trial.failure, trial.halved_at) {
            (None, Some(update)) => format!("ended by halving at update {update}"),
            (None, None) => "not finished; its values are in no table and figure".to_string(),
            (Some(failure), _) => {
                format!(
                    "{}, after {}<pre>{}</pre>",
                    with_code(&failure.reason),
                    counted(failure.attempts as usize, "attempt"),
                    escaped(failure.detail.trim_end())
                )
            }
        };
        let _ =
            writeln!(lines, "<tr><td>{}</td><td>{}</td><td>{what}</td></tr>", escaped(trial.row), trial.seed);
    }
    section.body += &table(&[("row", false), ("seed", false), ("what happened", false)], &lines);
    section
}

/// The section with the code, hardware and data of the results.
pub fn provenance(report: &Report) -> Section {
    let mut section = Section::new("What it rests on");
    let mut facts: BTreeMap<(usize, &str), BTreeSet<String>> = BTreeMap::new();
    for record in report.trials.iter().filter_map(|trial| trial.record) {
        let of = &record.provenance;
        let data = &record.data;
        let lines = [
            ("code", format!("ablate {}, commit {}", of.ablate, of.commit)),
            ("libtorch", of.libtorch.clone()),
            ("hardware", format!("{} ({}, {})", of.device_name, of.device, counted(of.threads, "thread"))),
            (
                "data",
                format!(
                    "{}, fingerprint {}, {} training pairs{}, vocabulary of {}",
                    data.recipe,
                    data.fingerprint,
                    thousands(data.train_pairs as u64),
                    data.left_out_pairs.map_or(String::new(), |pairs| format!(
                        " (without {} longer ones)",
                        thousands(pairs as u64)
                    )),
                    thousands(data.vocabulary as u64)
                ),
            ),
            (if record.metrics.contains_key(TEST_F1) { "F1" } else { "BLEU" }, record.signature.clone()),
        ];
        let stated = |(_, (_, value)): &(usize, (&str, String))| !value.is_empty();
        for (order, (name, value)) in lines.into_iter().enumerate().filter(stated) {
            facts.entry((order, name)).or_default().insert(value);
        }
    }
    section.body += "<dl>\n";
    for ((_, name), values) in facts {
        let values: Vec<String> = values.iter().map(|value| format!("<dd>{}</dd>", escaped(value))).collect();
        let _ = writeln!(section.body, "<dt>{name}</dt>{}", values.concat());
    }
    section.body += "</dl>\n";
    let records = report.trials.iter().filter_map(|trial| trial.record);
    let uncovered = records.filter(|record| !record.covers_shown_files()).count();
    if uncovered > 0 {
        section.paragraph(&format!(
            "{uncovered} of the records are of an earlier version and have no checksums of curves and attention: nothing \
             tells whether these are as the runs wrote them."
        ));
    }
    let mut lines = String::new();
    for trial in &report.trials {
        let Some(record) = trial.record else { continue };
        let _ = writeln!(
            lines,
            "<tr><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td><code>{}</code></td></tr>",
            escaped(trial.row),
            trial.seed,
            record.steps,
            escaped(&record.identity)
        );
    }
    let identities = table(&[("row", false), ("seed", true), ("updates", true), ("identity", false)], &lines);
    let _ = write!(
        section.body,
        "<details><summary>Every trial with its identity</summary>\n{identities}</details>\n"
    );
    section
}
