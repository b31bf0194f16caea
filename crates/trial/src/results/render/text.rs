//! Tables and notes as lines of text for a terminal.

use super::super::sheet::{Heading, Line, Note, Sheet, Text};
use crate::printable;

/// The target of a text: its width, and whether it shows bold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Screen {
    /// Width in columns.
    pub width: u16,
    /// Whether bold is shown with terminal codes.
    pub bold: bool,
}

/// The gap between two columns.
const GAP: &str = "  ";
/// Least width of a column that wraps.
const NARROWEST: usize = 12;

/// Longest heading that stands in one line, in characters.
const SHORT: usize = 10;
/// The line above the further columns of a table that was broken.
const CONTINUED: &str = "The same lines, further columns";

/// The width of a sheet in columns if nothing wraps.
pub fn natural_width(sheet: &Sheet) -> usize {
    total(&widths(sheet))
}

/// All tables, then the notes.
pub fn document(sheets: &[Sheet], notes: &[Note], screen: Screen) -> String {
    let tables = sheets.iter().map(|sheet| grid(sheet, screen));
    let notes = notes.iter().map(|note| paragraph(note, screen));
    tables.chain(notes).collect::<Vec<String>>().join("\n")
}

/// A table that is wider than the screen only if a single column is. Columns that do not fit stand in a further table
/// below, after the columns that tell the lines apart.
pub fn grid(sheet: &Sheet, screen: Screen) -> String {
    let parts = broken(printed(sheet), usize::from(screen.width));
    parts.iter().map(|part| unbroken(part, screen)).collect::<Vec<_>>().join("\n")
}

fn unbroken(sheet: &Sheet, screen: Screen) -> String {
    let mut widths = widths(sheet);
    let excess = total(&widths).saturating_sub(usize::from(screen.width));
    if let Some(wraps) = sheet.headings.iter().position(|heading| heading.wraps) {
        widths[wraps] = widths[wraps].saturating_sub(excess).max(narrowest(sheet, wraps));
    }
    let rule = "─".repeat(total(&widths)) + "\n";
    let mut out = String::new();
    if !sheet.title.is_empty() {
        out += &format!("{}\n", sheet.title);
    }
    let headings: Vec<(Vec<String>, bool)> =
        sheet.headings.iter().map(|heading| (heading_lines(&heading.text), false)).collect();
    out += &block(&headings, &widths, &alignments(sheet, &Line::default()), screen);
    out += &rule;
    for line in &sheet.lines {
        if line.rule {
            out += &rule;
        }
        let wrapped = |(index, cell): (usize, &Text)| {
            let text = match sheet.headings[index].wraps {
                true => wrap(&cell.text, widths[index], LongWord::Whole),
                false => vec![cell.text.clone()],
            };
            (text, cell.bold)
        };
        let mut cells: Vec<(Vec<String>, bool)> = line.cells.iter().enumerate().map(wrapped).collect();
        let mut own = widths.clone();
        if let Some((first, count, text)) = &line.across {
            let whole = total(&own[*first..first + count]);
            cells.splice(*first..first + count, [(vec![text.clone()], false)]);
            own.splice(*first..first + count, [whole]);
        }
        out += &block(&cells, &own, &alignments(sheet, line), screen);
    }
    out + &rule
}

/// Breaks a sheet that is wider than `width` into parts. Each part begins with the columns that tell the lines apart,
/// or with the number of the line if these leave too little room.
fn broken(mut sheet: Sheet, width: usize) -> Vec<Sheet> {
    let least = |sheet: &Sheet| -> Vec<usize> {
        let narrow = |(index, width): (usize, usize)| {
            if sheet.headings[index].wraps { narrowest(sheet, index) } else { width }
        };
        widths(sheet).into_iter().enumerate().map(narrow).collect()
    };
    if total(&least(&sheet)) <= width {
        return vec![sheet];
    }
    for line in &mut sheet.lines {
        if let Some((first, _, text)) = line.across.take() {
            line.cells[first].text = text;
        }
    }
    if total(&least(&sheet)[..sheet.keys]) > width / 2 {
        sheet.headings.insert(0, Heading::numbers("#"));
        for (index, line) in sheet.lines.iter_mut().enumerate() {
            line.cells.insert(0, Text::plain((index + 1).to_string()));
        }
        sheet.keys = 1;
    }
    let widths = least(&sheet);
    let keys: Vec<usize> = (0..sheet.keys).collect();
    let mut parts: Vec<Vec<usize>> = Vec::new();
    for column in sheet.keys..sheet.headings.len() {
        let with =
            |part: &[usize]| total(&part.iter().chain([&column]).map(|&at| widths[at]).collect::<Vec<_>>());
        match parts.last_mut() {
            Some(part) if with(part) <= width => part.push(column),
            _ => parts.push(keys.iter().copied().chain([column]).collect()),
        }
    }
    let part = |(nth, columns): (usize, Vec<usize>)| Sheet {
        title: if nth == 0 { sheet.title.clone() } else { CONTINUED.to_string() },
        headings: columns.iter().map(|&column| sheet.headings[column].clone()).collect(),
        keys: sheet.keys,
        lines: sheet
            .lines
            .iter()
            .map(|line| Line {
                rule: line.rule,
                cells: columns.iter().map(|&column| line.cells[column].clone()).collect(),
                across: None,
            })
            .collect(),
    };
    parts.into_iter().enumerate().map(part).collect()
}

/// The width of columns beside each other, with the gaps between them.
fn total(widths: &[usize]) -> usize {
    widths.iter().sum::<usize>() + GAP.len() * widths.len().saturating_sub(1)
}

/// The least width of a column that wraps: no word of it is broken.
fn narrowest(sheet: &Sheet, column: usize) -> usize {
    let heading = heading_lines(&sheet.headings[column].text);
    let cells = sheet.lines.iter().flat_map(|line| line.cells[column].text.split(' '));
    let longest = heading.iter().map(String::as_str).chain(cells).map(|word| word.chars().count()).max();
    let natural = sheet.lines.iter().map(|line| line.cells[column].text.chars().count()).max().unwrap_or(0);
    longest.unwrap_or(0).max(NARROWEST.min(natural))
}

/// The sheet with control characters made visible: labels and groups come from the user and may contain anything.
fn printed(sheet: &Sheet) -> Sheet {
    let mut sheet = sheet.clone();
    let Sheet { title, headings, keys: _, lines } = &mut sheet;
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
    wrap(&text, usize::from(screen.width.max(40)), LongWord::Whole).join("\n") + "\n"
}

/// Breaks a long heading into several lines, which keeps columns of numbers narrow. It breaks at blanks and after the
/// signs that join the words of a name; a value after `=` stays whole.
fn heading_lines(text: &str) -> Vec<String> {
    if text.chars().count() <= SHORT {
        return vec![text.to_string()];
    }
    let mut lines: Vec<String> = Vec::new();
    let (name, value) = text.split_at(text.find('=').map_or(text.len(), |sign| sign + 1));
    let joined = name.split_inclusive([' ', '/', '_', '.']);
    for word in joined.chain((!value.is_empty()).then_some(value)) {
        match lines.last_mut() {
            Some(line) if line.chars().count() + word.trim_end().chars().count() <= SHORT => {
                line.push_str(word)
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines.iter().map(|line| line.trim_end().to_string()).collect()
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
            let whole = total(&widths[*first..first + count]);
            widths[first + count - 1] += text.chars().count().saturating_sub(whole);
        }
    }
    widths
}

/// Whether each cell of a line is right-aligned, except the text across several cells.
fn alignments(sheet: &Sheet, line: &Line) -> Vec<bool> {
    let mut right: Vec<bool> = sheet.headings.iter().map(|heading| heading.numeric).collect();
    if let Some((first, count, _)) = &line.across {
        right.splice(*first..first + count, [false]);
    }
    right
}

/// Writes cells of several lines beside each other.
fn block(cells: &[(Vec<String>, bool)], widths: &[usize], right: &[bool], screen: Screen) -> String {
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

/// A text with a name before it, wrapped beside the name.
pub fn named(name: &str, text: &str, screen: Screen) -> String {
    let margin = 12;
    let lines = wrap(text, usize::from(screen.width).saturating_sub(margin).max(20), LongWord::Broken);
    let name = std::iter::once(name).chain(std::iter::repeat(""));
    lines
        .iter()
        .zip(name)
        .map(|(line, name)| format!("  {name:<10}{line}").trim_end().to_string() + "\n")
        .collect()
}

/// The treatment of a word that is longer than a line.
#[derive(Clone, Copy, PartialEq, Eq)]
enum LongWord {
    /// The word stays whole in a longer line: names, numbers and checksums must be read as a whole.
    Whole,
    /// The word is broken anywhere: sentences of some languages have no blanks.
    Broken,
}

/// Lines of at most `width` characters, broken at blanks; control characters are shown.
fn wrap(text: &str, width: usize, long: LongWord) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in printable::line(text).split(' ') {
        let mut word: Vec<char> = word.chars().collect();
        let used = lines.last().map_or(0, |line| line.chars().count());
        if used > 0 && used + 1 + word.len() > width {
            lines.push(String::new());
        } else if used > 0 {
            lines.last_mut().into_iter().for_each(|line| line.push(' '));
        }
        while long == LongWord::Broken && word.len() > width {
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
    fn lines_break_at_blanks_and_words_that_are_too_long_where_they_may() {
        let broken = |text, width| wrap(text, width, LongWord::Broken);
        assert_eq!(broken("one two three", 8), ["one two", "three"]);
        assert_eq!(broken("position=sinusoidal, x=1", 12), ["position=sin", "usoidal, x=1"]);
        assert_eq!(broken("", 5), [""]);
        assert_eq!(broken("a\u{1b}[2J b\r", 40), ["a\\u001b[2J b\\u000d"]);
        assert_eq!(wrap("position=sinusoidal, x=1", 12, LongWord::Whole), ["position=sinusoidal,", "x=1"]);
        let screen = Screen { width: 32, bold: false };
        let lines = "  source    one two three four\n            five\n";
        assert_eq!(named("source", "one two three four five", screen), lines);
    }

    #[test]
    fn headings_break_between_words() {
        let lines = |text: &str| heading_lines(text).join("|");
        assert_eq!(lines("dropout"), "dropout");
        assert_eq!(lines("dev/perplexity"), "dev/|perplexity");
        assert_eq!(lines("learning_rate_scale"), "learning_|rate_scale");
        assert_eq!(lines("training.batch_tokens"), "training.|batch_|tokens");
        assert_eq!(lines("parameters ×10⁶"), "parameters|×10⁶");
        assert_eq!(lines("dropout=0.0"), "dropout=|0.0");
        assert_eq!(lines("learning_rate_scale=0.125"), "learning_|rate_|scale=|0.125");
    }

    /// A sheet of two lines; the first `keys` columns tell them apart.
    fn sheet(headings: &[&str], keys: usize) -> Sheet {
        let line = |nth: usize| Line {
            cells: headings.iter().map(|heading| Text::plain(format!("{heading}-{nth}"))).collect(),
            ..Line::default()
        };
        let headings = headings.iter().map(|heading| Heading::words(heading)).collect();
        Sheet { title: "Scores".into(), headings, keys, lines: vec![line(1), line(2)] }
    }

    #[test]
    fn a_table_that_is_too_wide_is_broken_by_columns_and_repeats_what_tells_its_lines_apart() {
        let shown = |sheet: &Sheet, width| grid(sheet, Screen { width, bold: false });
        let wide = sheet(&["key", "first", "second", "third", "fourth"], 1);
        let rule = "─".repeat(24);
        assert_eq!(
            shown(&wide, 26).lines().collect::<Vec<_>>(),
            [
                "Scores",
                "key    first    second",
                &rule,
                "key-1  first-1  second-1",
                "key-2  first-2  second-2",
                &rule,
                "",
                "The same lines, further columns",
                "key    third    fourth",
                &rule,
                "key-1  third-1  fourth-1",
                "key-2  third-2  fourth-2",
                &rule,
            ]
        );
        assert_eq!(shown(&wide, 80).lines().count(), 6);
        // Key columns that leave no room are treated as ordinary columns.
        let long = sheet(&["a-long-key", "another-key", "value"], 2);
        let text = shown(&long, 28);
        assert!(text.contains("#  a-long-key") && text.contains("\n2  a-long-key-2\n"), "{text}");
        assert!(
            text.contains("#  another-key    value\n") && text.lines().all(|line| line.chars().count() <= 31),
            "{text}"
        );
        // Nothing is left out, whatever the width.
        for width in 1..120 {
            let text = shown(&wide, width);
            for cell in wide.lines.iter().flat_map(|line| &line.cells) {
                assert!(
                    text.split_whitespace().any(|word| word == cell.text),
                    "{width}: {} in\n{text}",
                    cell.text
                );
            }
        }
    }
}
