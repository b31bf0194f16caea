//! The notes below the tables.

use super::super::comparison::{LEVEL, Significance};
use super::super::metric::TEST_ATAT;
use super::super::table::{ResultTable, Row};
use super::super::table_layout::Form;
use super::super::verdict::RULE;
use super::cells::{Note, OVER_SENTENCES, SIGNIFICANT};
use super::rows::in_every_row;
use crate::telemetry::format::thousands;
use crate::train::TaskKind;
use std::collections::BTreeSet;

/// Returns the notes below the tables in this form.
pub fn notes(table: &ResultTable, form: Form) -> Vec<Note> {
    let mut notes: Vec<Note> = table.selection.iter().map(Note::text).collect();
    notes.extend(signs(table, "the best of a column"));
    let common = in_every_row(table, form);
    if !common.is_empty() {
        notes.push(Note::text(format!("In every row: {}.", common.join(", "))));
    }
    if let Some(base) = table.base_row().filter(|_| form == Form::Table3 && table.rows.len() > 1) {
        notes.push(Note::text(format!("A blank cell is as in the base row, {}.", base.layout.label)));
    }
    let published = |row: &&Row| row.finished > 0 && row.cells.iter().any(|cell| cell.published.is_some());
    let set_against = |row: &Row| row.cells.iter().any(|cell| cell.against_published.is_some());
    let otherwise = |row: &&Row| row.cells.iter().any(|cell| cell.as_published.is_some());
    if table.rows.iter().filter(published).any(|row| !set_against(row) || otherwise(&row)) {
        notes.push(Note::text(format!(
            "paper: on WMT 2014. here − paper is formed on the same text alone (recipes wmt14-en-de and wmt14-en-fr), and \
             in test BLEU from the score that the paper counts ({TEST_ATAT}).",
        )));
    }
    notes.extend(significance(&table.significance, table.base.as_deref(), score_title(&[table])));
    if !table.verdicts.is_empty() {
        notes.push(Note::text(RULE));
    }
    notes.extend(signatures(&[table]));
    notes.extend(provenance(table));
    notes
}

/// Returns the meaning of the signs in the cells, except for those of tests. `best` describes a bold cell.
pub fn signs(table: &ResultTable, best: &str) -> Option<Note> {
    let seeds = seeds_of_rows(table.rows.iter().map(|row| row.finished));
    let spread = seeds.map(|n| format!("±: sample standard deviation over {n} seeds."));
    let marked = table.rows.iter().any(|row| row.cells.iter().any(|cell| cell.best));
    let apart = match table.data.len() > 1 || (table.signature.is_none() && table.rows.iter().any(is_scored))
    {
        true => " among rows of the same data that are scored alike",
        false => "",
    };
    let best = marked.then(|| format!("Bold: {best}{apart}."));
    let signs: Vec<String> = spread.into_iter().chain(best).collect();
    (!signs.is_empty()).then(|| Note::text(signs.join(" ")))
}

/// Whether the row has a signature of its scores.
fn is_scored(row: &Row) -> bool {
    row.signature.as_ref().is_some_and(|signature| !signature.is_empty())
}

/// Returns the number of seeds behind a spread; `finished` holds the number of finished trials of each row. `n` if rows
/// have different numbers, `None` if no row has several. A row without finished trials has no spread.
pub fn seeds_of_rows(finished: impl Iterator<Item = usize>) -> Option<String> {
    let counts: Vec<usize> = finished.filter(|&count| count > 0).collect();
    let most = *counts.iter().max().filter(|&&most| most > 1)?;
    Some(if counts.iter().all(|&count| count == most) { most.to_string() } else { "n".to_string() })
}

/// Returns the signature of the rows' BLEU in these tables: one, or several with the rows of each.
pub fn signatures(tables: &[&ResultTable]) -> Vec<Note> {
    let mut found: Vec<(&String, Vec<&str>)> = Vec::new();
    for row in tables.iter().flat_map(|table| &table.rows) {
        // Language models have no signature.
        let Some(signature) = row.signature.as_ref().filter(|text| !text.is_empty()) else { continue };
        match found.iter_mut().find(|(known, _)| *known == signature) {
            Some((_, rows)) => rows.push(&row.layout.label),
            None => found.push((signature, vec![&row.layout.label])),
        }
    }
    let score = score_title(tables);
    let several = found.len() > 1 || tables.iter().any(|table| table.signature.is_none());
    let note = |(signature, rows): (&String, Vec<&str>)| Note {
        text: if several { format!("{score} of {}:", rows.join(", ")) } else { format!("{score}:") },
        verbatim: Some(signature.clone()),
    };
    let mut notes: Vec<Note> = Vec::new();
    if found.len() > 1 {
        notes.push(Note::text(format!("{score} of different signatures does not compare.")));
    }
    notes.extend(found.into_iter().map(note));
    let metrics = tables.iter().flat_map(|table| &table.columns).filter_map(|column| column.metric);
    let described: BTreeSet<&str> = metrics.filter_map(|metric| metric.note).collect();
    notes.extend(described.into_iter().map(Note::text));
    notes
}

/// Returns the score that is counted sentence by sentence in these tables, which has a signature.
pub fn score_title(tables: &[&ResultTable]) -> &'static str {
    let metrics = tables.iter().flat_map(|table| &table.columns).filter_map(|column| column.metric);
    if metrics.into_iter().any(|metric| metric.tasks == [TaskKind::Parsing]) { "F1" } else { "BLEU" }
}

/// Returns the methods by which rows were compared with the base row, and the reasons why some were not.
pub fn significance(significance: &Significance, base: Option<&str>, score: &str) -> Vec<Note> {
    let mut notes = Vec::new();
    let Significance { randomization_trials, bootstrap_resamples, resampling_seed, .. } = significance;
    if let (Some(trials), Some(resamples), Some(seed)) =
        (randomization_trials, bootstrap_resamples, resampling_seed)
    {
        notes.push(Note::text(format!(
            "{SIGNIFICANT} differs from {}: p ≤ {LEVEL}, where p is the larger of two p-values, over sentences and over \
             seeds, after Holm's correction over the rows of a column. {OVER_SENTENCES} the same over sentences alone: \
             with one seed, the luck of training is unknown. Sentences: paired approximate randomisation \
             ({} trials, seed {seed}) of the mean {score} over seeds, a sentence's translations by all seeds changing \
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

/// Names the test over seeds, and the rows that have another test or none.
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
    if !significance.equal_differences.is_empty() {
        text += &format!(
            " Where the differences by seed are all equal, there is none either: {}.",
            significance.equal_differences.join(", ")
        );
    }
    text
}

/// Returns the data, the code, and further notes about values and trials.
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
