//! The parts of tables of texts, and the formats of numbers and marks.

use super::super::table::Cell;

/// The text of a cell without a value.
pub const EMPTY: &str = "–";
/// The mark of a value that differs from the base row's; see [`significant`](super::super::comparison::Comparison::significant).
pub const SIGNIFICANT: &str = "*";
/// The mark of a value that differs over sentences alone; see
/// [`significant_over_sentences_alone`](super::super::comparison::Comparison::significant_over_sentences_alone).
pub const OVER_SENTENCES: &str = "†";

/// A table of texts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    pub title: String,
    pub headings: Vec<Heading>,
    /// Number of first columns that tell the lines apart. They are repeated if a table is broken by columns.
    pub keys: usize,
    pub lines: Vec<Line>,
}

/// The heading of a column.
#[derive(Debug, Clone, PartialEq)]
pub struct Heading {
    pub text: String,
    /// The heading in LaTeX, if it is not `text`.
    pub latex: Option<LatexHeading>,
    /// Whether the column holds numbers.
    pub numeric: bool,
    /// Whether cells of the column may be broken into several lines.
    pub wraps: bool,
}

/// A heading in LaTeX.
#[derive(Debug, Clone, PartialEq)]
pub enum LatexHeading {
    /// LaTeX itself: `$d_k$`.
    Source(&'static str),
    /// A text that still has to be escaped: `learning rate scale`.
    Words(String),
}

/// A row of a table.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Line {
    /// Whether a group begins here.
    pub rule: bool,
    pub cells: Vec<Text>,
    /// A text across empty cells: the first of them, their number, and the text.
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
    /// A text to be copied literally, after `text`.
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

impl Line {
    /// Makes a line that begins no group, with a plain text in each cell.
    pub fn plain(texts: impl IntoIterator<Item = impl Into<String>>) -> Line {
        Line { cells: texts.into_iter().map(Text::plain).collect(), ..Line::default() }
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

/// The mark of a comparison with the base row. A score of 0 has none: it means that nothing was translated, whatever it
/// is compared with.
pub fn mark(cell: &Cell) -> &'static str {
    let is_zero = cell.summary.as_ref().is_some_and(|summary| summary.mean == 0.0);
    match &cell.comparison {
        Some(found) if found.significant() && !is_zero => SIGNIFICANT,
        Some(found) if found.significant_over_sentences_alone() && !is_zero => OVER_SENTENCES,
        _ => "",
    }
}

/// A difference with its sign; the sign of a negative one is `−`, not a hyphen.
pub fn signed(value: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", value.abs());
    match text.chars().all(|digit| matches!(digit, '0' | '.')) {
        true => text,
        false if value < 0.0 => format!("−{text}"),
        false => format!("+{text}"),
    }
}

/// A p-value as text.
pub fn p_value(p: f64) -> String {
    if p < 1e-4 { "<0.0001".to_string() } else { format!("{p:.4}") }
}
