//! A mistake in the user's input: message, place with its line, and advice.

use crate::printable;
use std::fmt;

/// A mistake in a TOML file or in a `--set`.
#[derive(Debug, Clone, PartialEq)]
pub struct Diagnostic {
    /// The mistake, with the value seen: `model.dropout = 1.2 is not a probability`.
    pub message: String,
    /// The place of the mistake; absent for a value that no file states.
    pub place: Option<Place>,
    /// The accepted values, and the nearest name.
    pub help: Option<String>,
    /// Further mistakes, reported together with this one.
    pub more: Box<[Diagnostic]>,
}

/// A place in a text that the user wrote.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    /// The file as the user named it, or `--set`.
    pub file: String,
    /// The whole text, for the excerpt.
    pub text: std::sync::Arc<str>,
    /// Byte range in `text`.
    pub span: std::ops::Range<usize>,
}

impl Place {
    /// One-based line number of the place.
    pub fn line(&self) -> usize {
        self.text.as_bytes()[..self.span.start.min(self.text.len())].iter().filter(|&&b| b == b'\n').count()
            + 1
    }
}

impl Diagnostic {
    pub fn new(message: impl Into<String>) -> Self {
        Diagnostic { message: message.into(), place: None, help: None, more: Box::default() }
    }

    pub fn at(mut self, place: Option<Place>) -> Self {
        self.place = place;
        self
    }

    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Joins the mistakes of several checks into one; `None` if every check passed.
    pub fn of_all(
        checks: impl IntoIterator<Item = std::result::Result<(), Diagnostic>>,
    ) -> Option<Diagnostic> {
        let each = |mut failed: Diagnostic| {
            let more = std::mem::take(&mut failed.more);
            std::iter::once(failed).chain(more)
        };
        let mut failed: Vec<Diagnostic> =
            checks.into_iter().filter_map(|check| check.err()).flat_map(each).collect();
        // The mistakes of one file are sorted by line. Each word of an option is a text of its own.
        let order = |place: &Place| {
            let at = if place.file.starts_with("--") { 0 } else { place.span.start };
            (place.file.clone(), at)
        };
        failed.sort_by_key(|failed| failed.place.as_ref().map(order));
        let mut failed = failed.into_iter();
        let mut first = failed.next()?;
        first.more = failed.collect();
        Some(first)
    }

    /// Returns whether a later mistake at the same place follows from this one: this one concerns a whole file, or the
    /// later one is the same mistake in another row.
    pub fn covers(&self, later: &Diagnostic) -> bool {
        let message = without_row(&self.message);
        let is_of_row = message.len() < self.message.len();
        self.place == later.place
            && (message == without_row(&later.message) || (self.place.is_some() && !is_of_row))
    }

    fn fmt_first(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Some(place) = &self.place else {
            write!(f, "{}", self.message)?;
            return self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"));
        };
        let number = place.line();
        write!(f, "{}:{number}: {}", place.file, self.message)?;
        let start = place.text[..place.span.start].rfind('\n').map_or(0, |i| i + 1);
        let line = place.text[start..].lines().next().unwrap_or("");
        if !line.trim().is_empty() {
            // A tab takes one column, as the caret below it.
            let shown = |text: &str| printable::line(&text.replace('\t', " ")).into_owned();
            let columns = |text: &str| shown(text).chars().count();
            let before = columns(&place.text[start..place.span.start]);
            let within = place.span.end.min(start + line.len()).max(place.span.start);
            let width = columns(&place.text[place.span.start..within]).max(1);
            let margin = " ".repeat(number.to_string().len());
            let (line, before) = excerpt(&shown(line), before);
            let width = width.min(line.chars().count().saturating_sub(before).max(1));
            write!(f, "\n {number} | {line}\n {margin} | {}{}", " ".repeat(before), "^".repeat(width))?;
        }
        self.help.iter().try_for_each(|help| write!(f, "\n  help: {help}"))
    }
}

impl fmt::Display for Diagnostic {
    /// Writes `file:line: message`, the line with a caret under the place, and the help, then the further mistakes.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.fmt_first(f)?;
        self.more.iter().try_for_each(|other| write!(f, "\n{other}"))
    }
}

/// Returns a message without the row's name at its beginning.
fn without_row(message: &str) -> &str {
    let named = message.strip_prefix("row \"").and_then(|named| named.split_once("\": "));
    named.map_or(message, |(_, rest)| rest)
}

/// Returns the part of a line around its character number `at`, if the line is too long to read, and the number of that
/// character in the part.
fn excerpt(line: &str, at: usize) -> (String, usize) {
    const LONGEST: usize = 160;
    const BEFORE: usize = 60;
    if line.chars().nth(LONGEST).is_none() {
        return (line.to_string(), at);
    }
    let skipped = at.saturating_sub(BEFORE);
    let start = if skipped > 0 { "…" } else { "" };
    let kept: String = line.chars().skip(skipped).take(LONGEST).collect();
    let end = if line.chars().nth(skipped + LONGEST).is_some() { "…" } else { "" };
    (format!("{start}{kept}{end}"), at - skipped + start.chars().count())
}

/// Returns the beginning of a help, `did you mean "…"? `, with the candidate nearest to `word`; empty if none is near.
pub fn did_you_mean<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> String {
    nearest(word, candidates).map_or_else(String::new, |near| format!("did you mean {near:?}? "))
}

/// Returns the candidate nearest to `word`; `None` if none is near enough to be the word that was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(&word.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(similarity, _)| *similarity > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_diagnostic_shows_file_line_caret_and_help() {
        let text: std::sync::Arc<str> = "[model]\nheadz = 8\n".into();
        let span = 8..13;
        let place = Place { file: "a.toml".into(), text, span };
        let shown = Diagnostic::new("unknown key model.headz")
            .at(Some(place))
            .help("did you mean \"heads\"?")
            .to_string();
        assert_eq!(
            shown,
            "a.toml:2: unknown key model.headz\n 2 | headz = 8\n   | ^^^^^\n  help: did you mean \"heads\"?"
        );
    }

    #[test]
    fn the_caret_stands_below_its_place_whatever_the_line_holds() {
        let text: std::sync::Arc<str> = "\t\u{1b}[2J = 8 # \u{9b}\n".into();
        let at = text.find('8').unwrap();
        let place = Place { file: "a.toml".into(), text, span: at..at + 1 };
        let shown = Diagnostic::new("no").at(Some(place)).to_string();
        assert_eq!(shown, "a.toml:1: no\n 1 |  \\u001b[2J = 8 # \\u009b\n   |              ^");
    }

    #[test]
    fn of_a_long_line_the_part_around_the_mistake_is_shown() {
        let text: std::sync::Arc<str> = format!("{}x = 1, y = 2{}", "a".repeat(500), "b".repeat(500)).into();
        let place = Place { file: "a.toml".into(), text, span: 507..508 };
        let shown = Diagnostic::new("m").at(Some(place)).to_string();
        let lines: Vec<&str> = shown.lines().collect();
        let column = lines[2].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[1].chars().nth(column), Some('y'), "{shown}");
        assert!(lines[1].chars().count() < 180 && lines[1].ends_with('…'), "{shown}");
    }

    #[test]
    fn the_nearest_name_is_found_and_a_far_one_is_not() {
        assert_eq!(nearest("model.positions", ["model.position", "model.heads"]), Some("model.position"));
        assert_eq!(nearest("zzz", ["model.position", "model.heads"]), None);
    }
}
