//! The layout of the paper's Table 2: a line per system, with BLEU for each language pair and the cost of training.
//!
//! Rows of several pairs form a system if they share the label without the section's part. So two pairs may come from
//! two sections of one sweep, or from two sweeps with the same labels.

use super::best::best_of_each;
use super::comparison::Significance;
use super::metric::{Better, METRICS};
use super::published::{Published, PublishedRow};
use super::sheet::{
    EMPTY, Heading, Line, Note, Sheet, Text, provenance, signatures, signed, significance, value_and_count,
};
use super::table::{Cell, Column, ResultTable};
use super::table_layout::TABLE2_COLUMN;
use super::training_cost::TrainingCost;
use crate::error::{Error, Result};
use crate::telemetry::format::scientific;
use serde::Serialize;

/// A table of systems by language pairs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemTable {
    /// Language pairs such as `en-de`, in the order of their first rows.
    pub pairs: Vec<String>,
    /// The systems in the order of their first rows.
    pub systems: Vec<System>,
    /// The published systems to show beside ours, as printed.
    pub published: Vec<PublishedSystem>,
    /// The methods by which systems were compared with the base's, sweep by sweep.
    pub significance: Vec<Significance>,
    /// The base row of each sweep.
    #[serde(skip)]
    bases: Vec<Option<String>>,
    #[serde(skip)]
    notes: Vec<Note>,
}

/// A system of ours.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct System {
    pub name: String,
    /// The results by language pair.
    pub results: Vec<(String, SystemResult)>,
}

/// The result of a system on one language pair.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SystemResult {
    pub system: String,
    /// The label of its row in the sweep.
    pub row: String,
    /// The fingerprint of the data that it was scored on; `None` if its trials saw different data.
    #[serde(skip)]
    fingerprint: Option<String>,
    pub finished: usize,
    pub wanted: usize,
    /// The signature of `bleu`; `None` if the trials have different ones.
    pub signature: Option<String>,
    pub bleu: Cell,
    pub cost: TrainingCost,
}

/// A system of the paper's table.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PublishedSystem {
    pub name: String,
    /// `single` or `ensemble`.
    pub kind: String,
    /// The printed BLEU for each pair of the table.
    pub bleu: Vec<Option<String>>,
    pub flops: Vec<Option<String>>,
}

impl SystemTable {
    /// Makes the table of the rows of one or several sweeps.
    ///
    /// # Errors
    /// A user error if two rows are the same system on one pair.
    pub fn of(tables: &[&ResultTable]) -> Result<SystemTable> {
        let (mut pairs, mut systems): (Vec<String>, Vec<System>) = (Vec::new(), Vec::new());
        let mut notes: Vec<Note> = tables.iter().flat_map(|table| &table.selection).map(Note::text).collect();
        notes.extend(signatures(tables));
        for table in tables {
            let Some(column) = table.columns.iter().position(|column| column.name == TABLE2_COLUMN) else {
                return Err(Error::user(format!(
                    "the layout of Table 2 shows {TABLE2_COLUMN}: add it to table.columns"
                )));
            };
            for row in &table.rows {
                if !pairs.contains(&row.layout.pair) {
                    pairs.push(row.layout.pair.clone());
                }
                let result = SystemResult {
                    system: row.layout.system.clone(),
                    fingerprint: row.fingerprint.clone(),
                    row: row.layout.label.clone(),
                    finished: row.finished,
                    wanted: row.layout.seeds.len(),
                    signature: row.signature.clone(),
                    bleu: row.cells[column].clone(),
                    cost: row.cost.clone(),
                };
                let index =
                    systems.iter().position(|system| system.name == row.layout.system).unwrap_or_else(|| {
                        systems.push(System { name: row.layout.system.clone(), results: Vec::new() });
                        systems.len() - 1
                    });
                let results = &mut systems[index].results;
                if let Some((_, other)) = results.iter().find(|(pair, _)| *pair == row.layout.pair) {
                    return Err(Error::user(format!(
                        "rows {:?} and {:?} are both the system {:?} on {}; give one of them another label",
                        other.row, row.layout.label, row.layout.system, row.layout.pair
                    )));
                }
                results.push((row.layout.pair.clone(), result));
            }
            for note in provenance(table) {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        mark_best(&mut systems);
        let shows_paper = tables.iter().any(|table| table.published.is_some());
        let published = if shows_paper { published(&pairs)? } else { Vec::new() };
        let significance = tables.iter().map(|table| table.significance.clone()).collect();
        let bases = tables.iter().map(|table| table.base.clone()).collect();
        Ok(SystemTable { pairs, systems, published, significance, bases, notes })
    }

    /// The table, and the table of differences from the paper if there are any.
    pub fn sheets(&self) -> Vec<Sheet> {
        let mut sheets = vec![self.systems_sheet()];
        let differences = self.differences();
        sheets.extend((!differences.lines.is_empty()).then_some(differences));
        sheets
    }

    fn systems_sheet(&self) -> Sheet {
        let mut headings = vec![Heading { wraps: true, ..Heading::words("system") }];
        let over_pairs = |text: &str| {
            self.pairs.iter().map(|pair| Heading::numbers(&format!("{text} {pair}"))).collect::<Vec<_>>()
        };
        headings.extend(over_pairs("BLEU"));
        headings.extend(over_pairs("FLOPs by count"));
        headings.extend(over_pairs("FLOPs by time"));
        let column = Column::new(&METRICS, TABLE2_COLUMN);
        let mut lines = Vec::new();
        let mut kind: Option<&str> = None;
        for system in &self.published {
            let mut cells = vec![Text::plain(format!("paper: {}", system.name))];
            let printed = |values: &[Option<String>]| {
                values.iter().map(|value| Text::plain(value.clone().unwrap_or_default())).collect::<Vec<_>>()
            };
            cells.extend(printed(&system.bleu));
            cells.extend(self.pairs.iter().map(|_| Text::default()));
            cells.extend(printed(&system.flops));
            lines.push(Line { rule: kind.is_some_and(|kind| kind != system.kind), cells, across: None });
            kind = Some(&system.kind);
        }
        for (index, system) in self.systems.iter().enumerate() {
            let on = |pair: &String| {
                system.results.iter().find(|(known, _)| known == pair).map(|(_, result)| result)
            };
            let mut cells = vec![Text::plain(system.name.clone())];
            for pair in &self.pairs {
                cells.push(on(pair).map_or(Text::default(), |result| {
                    value_and_count(&column, &result.bleu, result.finished, result.wanted)
                }));
            }
            let cost = |pair: &String, of: fn(&TrainingCost) -> String| {
                Text::plain(on(pair).map_or(String::new(), |result| of(&result.cost)))
            };
            cells.extend(self.pairs.iter().map(|pair| cost(pair, |cost| operations(cost.counted_flops))));
            cells.extend(self.pairs.iter().map(|pair| {
                cost(pair, |cost| {
                    let bound = if cost.incomplete && cost.measured_flops.is_some() { "> " } else { "" };
                    format!("{bound}{}", operations(cost.measured_flops))
                })
            }));
            lines.push(Line { rule: index == 0 && !self.published.is_empty(), cells, across: None });
        }
        Sheet { title: String::new(), headings, keys: 1, lines }
    }

    fn differences(&self) -> Sheet {
        let headings = vec![
            Heading::words("system"),
            Heading::words("pair"),
            Heading::numbers("BLEU"),
            Heading::numbers("compounds split"),
            Heading::numbers("paper"),
            Heading::numbers("difference"),
        ];
        let results = self.systems.iter().flat_map(|system| &system.results);
        let lines = results.filter_map(|(pair, result)| {
            let mean = result.bleu.summary.as_ref()?.mean;
            Some(Line::plain([
                result.system.clone(),
                pair.clone(),
                format!("{mean:.2}"),
                format!("{:.2}", result.bleu.as_published?),
                result.bleu.published.clone()?,
                signed(result.bleu.against_published?, 2),
            ]))
        });
        Sheet { title: "Against the paper's Table 2".into(), headings, keys: 2, lines: lines.collect() }
    }

    /// Returns the notes below the table.
    pub fn notes(&self) -> Vec<Note> {
        let mut notes = vec![
            Note::text(
                "±: sample standard deviation over seeds. Bold: the best of a language pair, among systems of the same data \
                 that are scored alike.",
            ),
            Note::text(
                "FLOPs by count: the matrix products of one training, forward and backward, a multiply-add as two. \
                 FLOPs by time: seconds of its updates × operations a second of the device at its peak, of a card or of \
                 each thread of a processor; the paper's, training time × cards × the single-precision rate that it \
                 assumes of a card. >: some updates are not in the run's own times.",
            ),
        ];
        if !self.published.is_empty() {
            notes.push(Note::text(
                "paper: as printed, on newstest2014, of Moses's tokens with compounds split at hyphens. Differences are \
                 those of that BLEU, which on English to German is 0.7 to 1.5 above BLEU of 13a, and are formed on the \
                 same text alone: the recipes wmt14-en-de and wmt14-en-fr.",
            ));
        }
        for (base, found) in self.bases.iter().zip(&self.significance) {
            for note in significance(found, base.as_deref(), "BLEU") {
                if !notes.contains(&note) {
                    notes.push(note);
                }
            }
        }
        let results = self.systems.iter().flat_map(|system| &system.results);
        let mut unknown: Vec<&String> = results.flat_map(|(_, result)| &result.cost.unknown_peaks).collect();
        unknown.sort();
        unknown.dedup();
        for device in unknown {
            notes.push(Note::text(format!(
                "FLOPs by time are not known for {device:?}: state its 10¹² operations a second as peak_tflops = {{ {device:?} = … }} under [table]"
            )));
        }
        notes.extend(self.notes.iter().cloned());
        notes
    }
}

/// Marks the best system of each language pair again, because each sweep knows its own rows alone.
fn mark_best(systems: &mut [System]) {
    let mut results: Vec<(&String, &mut SystemResult)> = systems
        .iter_mut()
        .flat_map(|system| &mut system.results)
        .map(|(pair, found)| (&*pair, found))
        .collect();
    let kinds: Vec<_> = results
        .iter()
        .map(|(pair, found)| (pair.to_string(), found.fingerprint.clone(), found.signature.clone()))
        .collect();
    let means: Vec<_> = results.iter().map(|(_, found)| Some(found.bleu.summary.as_ref()?.mean)).collect();
    let best = best_of_each(&kinds, &means, Better::Higher);
    results.iter_mut().zip(best).for_each(|((_, found), best)| found.bleu.best = best);
}

/// The published systems that have a score on one of the pairs.
fn published(pairs: &[String]) -> Result<Vec<PublishedSystem>> {
    let table = Published::named("table2")?;
    let flops = |row: &PublishedRow, pair: &str| {
        row.cell(&format!("flops_{}", pair.replace('-', "_"))).map(String::from)
    };
    let system = |row: &PublishedRow| PublishedSystem {
        name: match row.label.as_str() {
            label @ ("base" | "big") => format!("Transformer ({label})"),
            label => row.note.clone().unwrap_or_else(|| label.to_string()),
        },
        kind: match row.label.as_str() {
            "base" | "big" => "transformer".to_string(),
            _ => row.cell("kind").unwrap_or_default().to_string(),
        },
        bleu: pairs.iter().map(|pair| row.on_pair(pair).map(String::from)).collect(),
        flops: pairs.iter().map(|pair| flops(row, pair)).collect(),
    };
    Ok(table.rows.iter().map(system).filter(|system| system.bleu.iter().any(Option::is_some)).collect())
}

fn operations(flops: Option<f64>) -> String {
    flops.map_or(EMPTY.to_string(), scientific)
}
