//! A table as texts in cells, before it is Markdown, LaTeX or lines on a terminal: what is shown, not how.

use super::comparison::{Comparison, LEVEL, Significance};
use super::hyperparameters::HEADINGS;
use super::metric::TEST_ATAT;
use super::summary::Summary;
use super::table::{Cell, Column, ResultTable, Row};
use super::table_layout::Form;
use super::verdict::{Claim, RULE};
use crate::telemetry::format::thousands;
use std::fmt::Write;

/// What a cell without a value shows.
pub const EMPTY: &str = "–";
/// Differs from the base row; see [`Comparison::significant`].
const SIGNIFICANT: &str = "*";
/// See [`Comparison::significant_over_sentences_alone`].
const OVER_SENTENCES: &str = "†";

/// A table of texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    pub title: String,
    pub headings: Vec<Heading>,
    pub lines: Vec<Line>,
}

/// The heading of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    pub text: String,
    /// In LaTeX, where it is not `text` escaped.
    pub latex: Option<&'static str>,
    /// The column holds numbers.
    pub numeric: bool,
    /// The column may be broken into several lines.
    pub wraps: bool,
}

/// A row of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// A group begins here.
    pub rule: bool,
    pub cells: Vec<Text>,
    /// A text that stands across so many empty cells, from the first of them on.
    pub across: Option<(usize, usize, String)>,
}

/// A cell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Text {
    pub text: String,
    pub bold: bool,
}

/// A sentence below a table.
#[derive(Debug, Clone, PartialEq)]
pub struct Note {
    pub text: String,
    /// Something to be copied letter by letter, after the text.
    pub verbatim: Option<String>,
}

impl Heading {
    pub fn words(text: &str) -> Heading {
        Heading { text: text.to_string(), latex: None, numeric: false, wraps: false }
    }

    pub fn numbers(text: &str) -> Heading {
        Heading { numeric: true, ..Heading::words(text) }
    }
}

impl Text {
    pub fn plain(text: impl Into<String>) -> Text {
        Text { text: text.into(), bold: false }
    }
}

impl Note {
    pub fn text(text: impl Into<String>) -> Note {
        Note { text: text.into(), verbatim: None }
    }
}

/// The rows with what changed in each and their values.
pub fn list(table: &ResultTable) -> Sheet {
    let grouped = grouped(table);
    let mut sheet = Sheet::default();
    sheet.headings.extend(grouped.then(|| Heading::words("group")));
    sheet.headings.push(Heading::words("row"));
    sheet.headings.push(Heading { wraps: true, ..Heading::words("what changed") });
    sheet.headings.push(Heading::numbers("n"));
    sheet.headings.extend(table.columns.iter().map(|column| Heading::numbers(&heading(Form::List, column))));
    for (index, row) in table.rows.iter().enumerate() {
        let mut cells = Vec::new();
        cells.extend(grouped.then(|| Text::plain(letter(row))));
        cells.extend([row.layout.label.clone(), changes(row, |_| true), count(row)].map(Text::plain));
        cells.extend(values(table, row));
        sheet.lines.push(Line { rule: begins_group(table, index), cells, across: None });
    }
    sheet
}

/// The layout of Table 3: hyper-parameters, blank where they are the base's. Without labels a row is known by
/// its group alone, as in the paper.
pub fn table3(table: &ResultTable, labels: bool) -> Sheet {
    let other =
        |row: &Row| changes(row, |key| HEADINGS.iter().all(|heading| heading.key != key) && !is_width(key));
    let base = table.base_row().map(|row| &row.layout.hyperparameters);
    let texts = |row: &Row| {
        let is_base = Some(&row.layout.label) == table.base.as_ref();
        row.layout.hyperparameters.texts_beside(base.filter(|_| !is_base))
    };
    let blank = |row: &Row| texts(row).iter().all(String::is_empty);
    // As in the paper, where nothing else changes, the change stands across the empty cells.
    let with_other = table.rows.iter().any(|row| !other(row).is_empty() && !blank(row));
    let finished = table.rows.first().map(|row| (row.finished, row.layout.seeds.len()));
    let with_count = table.rows.iter().any(|row| Some((row.finished, row.layout.seeds.len())) != finished);
    let mut sheet = Sheet::default();
    let first =
        if labels { vec![Heading::words("group"), Heading::words("row")] } else { vec![Heading::words("")] };
    let before = first.len();
    sheet.headings.extend(first);
    for known in &HEADINGS {
        sheet.headings.push(Heading { latex: Some(known.latex), ..Heading::numbers(known.text) });
    }
    sheet.headings.extend(with_other.then(|| Heading::words("other")));
    sheet.headings.extend(with_count.then(|| Heading::numbers("n")));
    let columns = table.columns.iter().map(|column| Heading {
        latex: (column.name == "parameters").then_some("params $\\times 10^6$"),
        ..Heading::numbers(&heading(Form::Table3, column))
    });
    sheet.headings.extend(columns);
    for (index, row) in table.rows.iter().enumerate() {
        let begins = begins_group(table, index);
        let mut cells = Vec::new();
        let continued = index > 0 && row.layout.group.is_some() && !begins;
        let letter = if continued { String::new() } else { letter(row) };
        cells.push(Text::plain(match labels {
            true => letter,
            false if row.layout.group.is_none() => row.layout.label.clone(),
            false => letter,
        }));
        cells.extend(labels.then(|| Text::plain(row.layout.label.clone())));
        cells.extend(texts(row).map(Text::plain));
        let across = (blank(row) && !other(row).is_empty() && !with_other)
            .then(|| (before, HEADINGS.len(), other(row)));
        cells.extend(with_other.then(|| Text::plain(other(row))));
        cells.extend(with_count.then(|| Text::plain(count(row))));
        cells.extend(values(table, row));
        sheet.lines.push(Line { rule: begins, cells, across });
    }
    sheet
}

/// The tables of details: against the base row, against the paper, the verdicts. Those that have nothing to
/// say are left out.
pub fn details(table: &ResultTable) -> Vec<Sheet> {
    [against_base(table), against_paper(table), verdicts(table)]
        .into_iter()
        .filter(|sheet| !sheet.lines.is_empty())
        .collect()
}

fn against_base(table: &ResultTable) -> Sheet {
    let mut headings = vec![Heading::words("row"), Heading::words("score")];
    headings.extend(
        ["difference", "± sentences", "± seeds", "p sentences", "p seeds", "p (Holm)"].map(Heading::numbers),
    );
    let mut lines: Vec<Line> = Vec::new();
    for (index, column) in table.columns.iter().enumerate() {
        let compared = table.rows.iter().filter_map(|row| Some((row, row.cells[index].comparison.as_ref()?)));
        for (nth, (row, found)) in compared.enumerate() {
            let seeds = |of: fn(&super::comparison::OverSeeds) -> String| {
                found.seeds.as_ref().map_or(EMPTY.to_string(), of)
            };
            let cells = [
                row.layout.label.clone(),
                column.name.clone(),
                signed(found.difference, 2),
                format!("{:.2}", found.sentences.half_width),
                seeds(|seeds| format!("{:.2}", seeds.half_width)),
                p_value(found.sentences.p),
                seeds(|seeds| p_value(seeds.p)),
                p_value(found.p_corrected) + mark(Some(found)),
            ];
            lines.push(Line {
                rule: nth == 0 && !lines.is_empty(),
                cells: cells.map(Text::plain).to_vec(),
                across: None,
            });
        }
    }
    Sheet { title: "Against the base row, with 95 % intervals".into(), headings, lines }
}

fn against_paper(table: &ResultTable) -> Sheet {
    let mut headings = vec![Heading::words("row")];
    let shown: Vec<usize> =
        (0..table.columns.len()).filter(|&index| table.columns[index].published).collect();
    let differs = |&index: &usize| table.rows.iter().any(|row| row.cells[index].against_published.is_some());
    for index in &shown {
        let heading = heading(table.form, &table.columns[*index]);
        headings.push(Heading::numbers(&format!("paper {heading}")));
        headings.extend(differs(index).then(|| Heading::numbers("here − paper")));
    }
    let line = |row: &Row| {
        let mut cells = vec![row.layout.label.clone()];
        for index in &shown {
            let cell = &row.cells[*index];
            cells.push(cell.published.clone().unwrap_or_default());
            let difference = || cell.against_published.map_or(String::new(), |found| signed(found, 2));
            cells.extend(differs(index).then(difference));
        }
        Line { rule: false, cells: cells.into_iter().map(Text::plain).collect(), across: None }
    };
    let published = |row: &&Row| shown.iter().any(|&index| row.cells[index].published.is_some());
    let title = match table.published.as_deref() {
        Some("table3") => "Against the paper's Table 3",
        _ => "Against the paper's Table 2",
    };
    Sheet { title: title.into(), headings, lines: table.rows.iter().filter(published).map(line).collect() }
}

fn verdicts(table: &ResultTable) -> Sheet {
    let mut headings = ["group", "row", "the paper", "holds here"].map(Heading::words).to_vec();
    headings.push(Heading { wraps: true, ..Heading::words("because") });
    let mut lines = Vec::new();
    for verdict in &table.verdicts {
        let group = if table.rows.iter().any(|row| row.layout.group.as_ref() == Some(&verdict.group)) {
            format!("({})", verdict.group)
        } else {
            verdict.group.clone()
        };
        let several = verdict.rows.len() > 1;
        let mut add = |rule: bool, cells: [String; 5], answer: bool| {
            let cell = |(index, text)| Text { text, bold: answer && index == 3 };
            let cells = cells.into_iter().enumerate().map(cell).collect();
            lines.push(Line { rule: rule && !lines.is_empty(), cells, across: None });
        };
        if several {
            let all = format!("all {}", verdict.rows.len());
            let answer = verdict.answer.text().to_string();
            add(true, [group.clone(), all, String::new(), answer, String::new()], true);
        }
        for row in &verdict.rows {
            let claim = match row.claim {
                Claim::Higher => "higher",
                Claim::Lower => "lower",
                Claim::Same => "the same",
            };
            let cells = [
                if several { String::new() } else { group.clone() },
                row.row.clone(),
                format!("{claim}: {}", signed(row.paper_difference, 1)),
                row.answer.text().to_string(),
                row.why.clone().unwrap_or_default(),
            ];
            add(!several, cells, !several);
        }
    }
    Sheet { title: "Does the paper's direction in BLEU (dev) hold here?".into(), headings, lines }
}

/// What stands below the tables.
pub fn notes(table: &ResultTable) -> Vec<Note> {
    let mut notes = Vec::new();
    if table.rows.iter().any(|row| row.finished > 1) {
        let counts: Vec<usize> = table.rows.iter().map(|row| row.finished).collect();
        let equal = counts.iter().all(|&count| Some(&count) == counts.first());
        let n = if equal { counts[0].to_string() } else { "n".to_string() };
        notes.push(Note::text(format!(
            "±: sample standard deviation over {n} seeds. Bold: the best of a column."
        )));
    } else if table.rows.iter().any(|row| row.cells.iter().any(|cell| cell.best)) {
        notes.push(Note::text("Bold: the best of a column."));
    }
    if table.form == Form::Table3 {
        notes.push(Note::text("A blank cell is as in the base row."));
    }
    let published = |row: &&Row| row.finished > 0 && row.cells.iter().any(|cell| cell.published.is_some());
    let set_against = |row: &Row| row.cells.iter().any(|cell| cell.against_published.is_some());
    if table.rows.iter().filter(published).any(|row| !set_against(row)) {
        notes.push(Note::text(format!(
            "paper: on WMT 2014. here − paper is formed on the same text alone (recipes wmt14-en-de and wmt14-en-fr), and \
             in test BLEU from the score that the paper counts ({TEST_ATAT}).",
        )));
    }
    notes.extend(significance(&table.significance, table.base.as_deref()));
    if !table.verdicts.is_empty() {
        notes.push(Note::text(RULE));
    }
    notes.extend(signatures(&[table]));
    notes.extend(provenance(table));
    notes
}

/// How the BLEU of the rows of these tables was computed: one signature, or several with the rows of each.
pub fn signatures(tables: &[&ResultTable]) -> Vec<Note> {
    let mut found: Vec<(&String, Vec<&str>)> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        // Of language models nothing is scored.
        let Some(signature) = row.signature.as_ref().filter(|text| !text.is_empty()) else { continue };
        match found.iter_mut().find(|(known, _)| *known == signature) {
            Some((_, rows)) => rows.push(&row.layout.label),
            None => found.push((signature, vec![&row.layout.label])),
        }
    }
    let several = found.len() > 1 || tables.iter().any(|table| table.signature.is_none());
    let note = |(signature, rows): (&String, Vec<&str>)| Note {
        text: if several { format!("BLEU of {}:", rows.join(", ")) } else { "BLEU:".to_string() },
        verbatim: Some(signature.clone()),
    };
    let mut notes: Vec<Note> = Vec::new();
    if found.len() > 1 {
        notes.push(Note::text("BLEU of different signatures does not compare."));
    }
    notes.extend(found.into_iter().map(note));
    notes
}

/// How rows were compared with the base row, and where they were not.
pub fn significance(significance: &Significance, base: Option<&str>) -> Vec<Note> {
    let mut notes = Vec::new();
    let Significance { randomization_trials, bootstrap_resamples, resampling_seed, .. } = significance;
    if let (Some(trials), Some(resamples), Some(seed)) =
        (randomization_trials, bootstrap_resamples, resampling_seed)
    {
        notes.push(Note::text(format!(
            "{SIGNIFICANT} differs from {}: p ≤ {LEVEL}, where p is the larger of two p-values, over sentences and over \
             seeds, after Holm's correction over the rows of a column. {OVER_SENTENCES} the same over sentences alone: \
             with one seed, the luck of training is unknown. Sentences: paired approximate randomisation \
             ({} trials, seed {seed}) of the mean BLEU over seeds, a sentence's translations by all seeds changing \
             sides together; intervals by paired bootstrap ({} resamples). Seeds: {}",
            base.unwrap_or("the base row"),
            thousands(u64::from(*trials)),
            thousands(u64::from(*resamples)),
            seed_tests(significance),
        )));
    }
    notes
        .extend(significance.missing.iter().map(|why| Note::text(format!("significance not tested: {why}"))));
    notes
}

/// The test over seeds, and the rows that have another one or none.
fn seed_tests(significance: &Significance) -> String {
    let mut text = "Welch's t-test".to_string();
    if !significance.paired.is_empty() {
        text += &format!(
            "; paired t-test of the differences by seed where both rows decode the same trainings: {}",
            significance.paired.join(", ")
        );
    }
    text.push('.');
    if !significance.no_spread.is_empty() {
        text += &format!(
            " Where the seeds do not differ, there is no test over seeds and no mark: {}.",
            significance.no_spread.join(", ")
        );
    }
    text
}

/// Data, code, and what to know of values and trials.
pub fn provenance(table: &ResultTable) -> Vec<Note> {
    let mut notes = Vec::new();
    for data in &table.data {
        let fingerprint = data.fingerprint.get(..16).unwrap_or(&data.fingerprint);
        notes.push(Note {
            text: format!("data: {}, fingerprint", data.recipe),
            verbatim: Some(fingerprint.into()),
        });
    }
    for commit in &table.commits {
        notes.push(Note { text: "code: commit".into(), verbatim: Some(commit.clone()) });
    }
    if !table.devices.is_empty() {
        notes.push(Note::text(format!("trained on: {}", table.devices.join(", "))));
    }
    notes.extend(table.notes.iter().map(Note::text));
    for failure in &table.failures {
        let reason = failure.reason.lines().next().unwrap_or("no reason was recorded");
        notes.push(Note::text(format!("failed: {}, seed {}: {reason}", failure.row, failure.seed)));
    }
    notes
}

/// The heading of a column.
fn heading(form: Form, column: &Column) -> String {
    let abbreviation = column.metric.and_then(|metric| metric.abbreviation);
    match (form, column.name.as_str(), abbreviation.zip(column.name.split_once('/'))) {
        (Form::List, "parameters", _) => "parameters ×10⁶".to_string(),
        (_, "parameters", _) => "params ×10⁶".to_string(),
        (Form::Table2 | Form::Table3, _, Some((short, (set, _)))) => format!("{short} ({set})"),
        (_, name, _) => name.to_string(),
    }
}

fn grouped(table: &ResultTable) -> bool {
    table.rows.iter().any(|row| row.layout.group.is_some())
}

/// Whether the row has another group than the one above it.
fn begins_group(table: &ResultTable, index: usize) -> bool {
    index > 0 && table.rows[index].layout.group != table.rows[index - 1].layout.group
}

fn letter(row: &Row) -> String {
    row.layout.group.as_ref().map_or(String::new(), |group| format!("({group})"))
}

/// Trials that finished, and of how many, if not all did.
pub fn count(row: &Row) -> String {
    match row.finished == row.layout.seeds.len() {
        true => row.finished.to_string(),
        false => format!("{}/{}", row.finished, row.layout.seeds.len()),
    }
}

/// Keys that move with others: a width of heads stated or following from d_model has a column of its own.
fn is_width(key: &str) -> bool {
    matches!(key, "model.d_k" | "model.d_v")
}

/// `heads=1, label_smoothing=0.0`. Keys of `[decoding]` keep their section, because
/// `[training]` has a `batch_tokens` too.
pub fn changes(row: &Row, wanted: impl Fn(&str) -> bool) -> String {
    let change = |(key, value): &(String, String)| {
        let last = key.rsplit('.').next().unwrap_or(key);
        let key = if key.starts_with("decoding.") { key } else { last };
        format!("{key}={}", value.trim_matches('"'))
    };
    row.layout.changes.iter().filter(|(key, _)| wanted(key)).map(change).collect::<Vec<_>>().join(", ")
}

/// The texts of a row's values.
fn values(table: &ResultTable, row: &Row) -> Vec<Text> {
    table.columns.iter().zip(&row.cells).map(|(column, cell)| value(column, cell, row.finished)).collect()
}

/// Mean, spread, and the mark of significance.
pub fn value(column: &Column, cell: &Cell, finished: usize) -> Text {
    let Some(summary) = &cell.summary else { return Text::plain(EMPTY) };
    Text { text: rounded(column, summary, finished) + mark(cell.comparison.as_ref()), bold: cell.best }
}

fn mark(comparison: Option<&Comparison>) -> &'static str {
    match comparison {
        Some(found) if found.significant() => SIGNIFICANT,
        Some(found) if found.significant_over_sentences_alone() => OVER_SENTENCES,
        _ => "",
    }
}

/// Mean ± deviation with the digits that the column is read at.
fn rounded(column: &Column, summary: &Summary, finished: usize) -> String {
    let (scale, digits) = match column.metric {
        Some(metric) => (1.0, metric.digits),
        None if column.name == "parameters" => (1e-6, 2),
        None => (1.0, 0),
    };
    let mut text = format!("{:.digits$}", summary.mean * scale);
    // Counts are equal in all trials of a row, and then have no spread to show.
    let shown = summary.deviation.filter(|deviation| column.metric.is_some() || *deviation != 0.0);
    if let Some(deviation) = shown {
        let _ = write!(text, " ± {:.digits$}", deviation * scale);
    }
    if summary.n != finished {
        let _ = write!(text, " (n={})", summary.n);
    }
    text
}

/// A difference with its sign; the minus is a minus.
pub fn signed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    match text.chars().all(|digit| matches!(digit, '0' | '.')) {
        true => text,
        false if value < 0.0 => format!("−{text}"),
        false => format!("+{text}"),
    }
}

/// A probability as it is read.
pub fn p_value(p: f64) -> String {
    if p < 1e-4 { "<0.0001".to_string() } else { format!("{p:.4}") }
}
