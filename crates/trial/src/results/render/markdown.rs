//! Tables and notes as Markdown.

use super::super::sheet::{Line, Note, Sheet, Text};

/// All tables, then all notes.
pub fn document(sheets: &[Sheet], notes: &[Note]) -> String {
    let mut blocks: Vec<String> = sheets.iter().map(sheet_text).collect();
    blocks.extend(notes.iter().map(note));
    blocks.join("\n")
}

fn sheet_text(sheet: &Sheet) -> String {
    let line = |cells: Vec<String>| format!("| {} |\n", cells.join(" | "));
    let mut out = String::new();
    if !sheet.title.is_empty() {
        out += &format!("**{}**\n\n", escape(&sheet.title));
    }
    out += &line(sheet.headings.iter().map(|heading| escape(&heading.text)).collect());
    out += &line(sheet.headings.iter().map(|h| if h.numeric { "--:" } else { "---" }.to_string()).collect());
    for row in &sheet.lines {
        out += &line(cells(row));
    }
    out
}

fn cells(line: &Line) -> Vec<String> {
    let mut cells: Vec<String> = line.cells.iter().map(cell).collect();
    if let Some((first, _, text)) = &line.across {
        cells[*first] = escape(text);
    }
    cells
}

fn cell(Text { text, bold }: &Text) -> String {
    match (escape(text), bold) {
        (text, true) if !text.is_empty() => format!("**{text}**"),
        (text, _) => text,
    }
}

fn note(Note { text, verbatim }: &Note) -> String {
    match verbatim {
        Some(verbatim) => format!("{} `{verbatim}`\n", escape(text)),
        None => format!("{}\n", escape(text)),
    }
}

/// Escapes a text so that every reader of Markdown shows it unchanged, in one line: labels may contain `_` or `*`.
/// Characters for which GitHub supports a backslash and TensorBoard does not are written as entities.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut before = ' ';
    for (character, after) in text.chars().zip(text.chars().skip(1).chain([' '])) {
        match character {
            // Between letters it has no meaning in Markdown.
            '_' if before.is_alphanumeric() && after.is_alphanumeric() => out.push('_'),
            '|' | '*' | '_' | '`' | '\\' | '[' => out.extend(['\\', character]),
            '<' => out.push_str("&lt;"),
            '&' => out.push_str("&amp;"),
            '~' => out.push_str("&#126;"),
            '\n' | '\r' => out.push(' '),
            plain => out.push(plain),
        }
        before = character;
    }
    out
}
