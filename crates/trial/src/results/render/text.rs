//! Tables and notes as lines of text for a terminal.

use super::super::sheet::{Line, Note, Sheet};
use crate::printable;

/// What a text is written for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Columns.
    pub width: u16,
    /// Whether bold is shown, as terminals show it.
    pub bold: bool,
}

/// Between two columns.
const GAP: &str = "  ";
/// The least that a column which wraps is left with.
const NARROWEST: usize = 12;

/// A heading of so many characters stands in one line.
const SHORT: usize = 10;

/// The columns that a sheet takes if nothing wraps.
pub fn natural_width(sheet: &Sheet) -> usize {
    let widths = widths(sheet);
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// A table, wider than the screen only if the columns that do not wrap are.
pub fn grid(sheet: &Sheet, screen: Screen) -> String {
    let sheet = &printed(sheet);
    let mut widths = widths(sheet);
    let excess = natural_width(sheet).saturating_sub(usize::from(screen.width));
    if let Some(wraps) = sheet.headings.iter().position(|heading| heading.wraps) {
        widths[wraps] = widths[wraps].saturating_sub(excess).max(NARROWEST.min(widths[wraps]));
    }
    let rule = "─".repeat(widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)) + "\n";
    let mut out = String::new();
    if !sheet.title.is_empty() {
        out += &format!("{}\n", sheet.title);
    }
    let headings: Vec<(Vec<String>, bool)> =
        sheet.headings.iter().map(|heading| (heading_lines(&heading.text), false)).collect();
    out += &block(sheet, &headings, &widths, screen);
    out += &rule;
    for line in &sheet.lines {
        if line.rule {
            out += &rule;
        }
        let wrapped = |(index, cell): (usize, &super::super::sheet::Text)| {
            let text = if sheet.headings[index].wraps {
                wrap(&cell.text, widths[index])
            } else {
                vec![cell.text.clone()]
            };
            (text, cell.bold)
        };
        let mut cells: Vec<(Vec<String>, bool)> = line.cells.iter().enumerate().map(wrapped).collect();
        let mut own = widths.clone();
        if let Some((first, count, text)) = &line.across {
            let whole = own[*first..first + count].iter().sum::<usize>() + GAP.len() * (count - 1);
            cells.splice(*first..first + count, [(vec![text.clone()], false)]);
            own.splice(*first..first + count, [whole]);
        }
        out += &block_of(&cells, &own, &alignments(sheet, line), screen);
    }
    out + &rule
}

/// The sheet with control characters shown: labels and groups are the user's, and anything.
fn printed(sheet: &Sheet) -> Sheet {
    let mut sheet = sheet.clone();
    let Sheet { title, headings, lines } = &mut sheet;
    let cells = lines.iter_mut().flat_map(|line| {
        let across = line.across.iter_mut().map(|(_, _, text)| text);
        line.cells.iter_mut().map(|cell| &mut cell.text).chain(across)
    });
    for text in std::iter::once(title).chain(headings.iter_mut().map(|one| &mut one.text)).chain(cells) {
        if let std::borrow::Cow::Owned(shown) = printable::line(text) {
            *text = shown;
        }
    }
    sheet
}

/// A note, wrapped.
pub fn paragraph(note: &Note, screen: Screen) -> String {
    let text = match &note.verbatim {
        Some(verbatim) => format!("{} {verbatim}", note.text),
        None => note.text.clone(),
    };
    wrap(&text, usize::from(screen.width.max(40))).join("\n") + "\n"
}

/// A long heading in several lines, which keeps columns of numbers narrow.
fn heading_lines(text: &str) -> Vec<String> {
    match text.chars().count() > SHORT {
        true => text.replace('/', "/ ").split(' ').map(String::from).collect(),
        false => vec![text.to_string()],
    }
}

/// The width of every column by its content.
fn widths(sheet: &Sheet) -> Vec<usize> {
    let mut widths: Vec<usize> = sheet
        .headings
        .iter()
        .map(|heading| {
            heading_lines(&heading.text).iter().map(|line| line.chars().count()).max().unwrap_or(0)
        })
        .collect();
    for line in &sheet.lines {
        for (width, cell) in widths.iter_mut().zip(&line.cells) {
            *width = (*width).max(cell.text.chars().count());
        }
        if let Some((first, count, text)) = &line.across {
            let whole = widths[*first..first + count].iter().sum::<usize>() + GAP.len() * (count - 1);
            widths[first + count - 1] += text.chars().count().saturating_sub(whole);
        }
    }
    widths
}

/// Whether each cell of a line stands at the right, after what stands across several.
fn alignments(sheet: &Sheet, line: &Line) -> Vec<bool> {
    let mut right: Vec<bool> = sheet.headings.iter().map(|heading| heading.numeric).collect();
    if let Some((first, count, _)) = &line.across {
        right.splice(*first..first + count, [false]);
    }
    right
}

fn block(sheet: &Sheet, cells: &[(Vec<String>, bool)], widths: &[usize], screen: Screen) -> String {
    block_of(cells, widths, &alignments(sheet, &Line::default()), screen)
}

/// Cells of several lines beside each other.
fn block_of(cells: &[(Vec<String>, bool)], widths: &[usize], right: &[bool], screen: Screen) -> String {
    let height = cells.iter().map(|(lines, _)| lines.len()).max().unwrap_or(0);
    let mut out = String::new();
    for line in 0..height {
        let mut text = String::new();
        for (index, (lines, bold)) in cells.iter().enumerate() {
            let cell = lines.get(line).map_or("", String::as_str);
            let padding = " ".repeat(widths[index].saturating_sub(cell.chars().count()));
            let cell = match screen.bold && *bold && !cell.is_empty() {
                true => format!("\x1b[1m{cell}\x1b[0m"),
                false => cell.to_string(),
            };
            if index > 0 {
                text += GAP;
            }
            text += &if right[index] { padding + &cell } else { cell + &padding };
        }
        out += text.trim_end();
        out.push('\n');
    }
    out
}

/// A text with its name before it, wrapped beside the name.
pub fn named(name: &str, text: &str, screen: Screen) -> String {
    let margin = 12;
    let lines = wrap(text, usize::from(screen.width).saturating_sub(margin).max(20));
    let name = std::iter::once(name).chain(std::iter::repeat(""));
    lines
        .iter()
        .zip(name)
        .map(|(line, name)| format!("  {name:<10}{line}").trim_end().to_string() + "\n")
        .collect()
}

/// Lines of at most `width` characters, broken at blanks where there are any; control characters are shown.
fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable::line(text).split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.len() > width {
            lines.push(String::new());
        } else if used > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
        }
        while word.len() > width {
            let rest = word.split_off(width);
            lines.last_mut().into_iter().for_each(|line| line.extend(word.iter()));
            lines.push(String::new());
            word = rest;
        }
        lines.last_mut().into_iter().for_each(|line| line.extend(word.iter()));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_break_at_blanks_and_words_that_are_too_long_anywhere() {
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(wrap("position=sinusoidal, x=1", 12), ["position=sin", "usoidal, x=1"]);
        assert_eq!(wrap("", 5), [""]);
        assert_eq!(wrap("a\u{1b}[2J b\r", 40), ["a\\u001b[2J b\\u000d"]);
        let screen = Screen { width: 32, bold: false };
        let lines = "  source    one two three four\n            five\n";
        assert_eq!(named("source", "one two three four five", screen), lines);
    }
}
