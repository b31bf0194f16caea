//! Tables and notes as LaTeX with booktabs.

use super::super::sheet::{Heading, LatexHeading, Line, Note, Sheet, Text};

/// The beginning of every file, before the name of the command.
const MADE_BY: &str = "% Made by `ablate ";

/// Whether a file was written by this module.
pub fn is_own(text: &[u8]) -> bool {
    text.starts_with(MADE_BY.as_bytes())
}

/// Most rows of one table that fit on a page with the text above and below.
const MOST_ROWS: usize = 40;
/// Width in characters beyond which a column that may wrap is broken.
const WIDEST: usize = 30;

/// The names of a document's tables: the caption of the first, and the word for their labels.
pub struct Names<'a> {
    pub caption: &'a str,
    /// The name of the sweep: `tab:NAME`, and `tab:NAME-2` and so on for the tables after the first.
    pub label: &'a str,
    /// The command that makes the document: `table`.
    pub command: &'a str,
}

/// Writes one `table` per sheet, or several if it has many rows; the notes stand below the first sheet.
pub fn document(sheets: &[Sheet], notes: &[Note], names: &Names) -> String {
    let mut out = format!("{MADE_BY}{}`. Needs \\usepackage{{array,booktabs,graphicx}}.\n", names.command);
    let mut number = 0;
    for (index, sheet) in sheets.iter().enumerate() {
        let (caption, notes) =
            if index == 0 { (names.caption, notes) } else { (sheet.title.as_str(), &[][..]) };
        let parts: Vec<&[Line]> = match sheet.lines.is_empty() {
            true => vec![&[]],
            false => sheet.lines.chunks(MOST_ROWS).collect(),
        };
        for (nth, lines) in parts.iter().enumerate() {
            number += 1;
            let label = names.label.replace(|c: char| !c.is_ascii_alphanumeric() && c != '-', "-");
            let label = if number == 1 { label } else { format!("{label}-{number}") };
            let continued = if nth == 0 { "" } else { " (continued)" };
            let caption = format!("{}{continued}", escape(caption));
            let notes = if nth + 1 == parts.len() { notes } else { &[] };
            out += &float(sheet, lines, &caption, &label, notes);
        }
    }
    out
}

/// A table that is scaled down if it is wider than the text.
fn float(sheet: &Sheet, lines: &[Line], caption: &str, label: &str, notes: &[Note]) -> String {
    let columns: String =
        sheet.headings.iter().enumerate().map(|(at, heading)| column(sheet, at, heading)).collect();
    let mut out = format!(
        "\\begin{{table}}[tp]\n\\centering\n\\caption{{{caption}}}\n\\label{{tab:{label}}}\n\\footnotesize\n\
         \\setlength{{\\tabcolsep}}{{3pt}}\n\\sbox2{{%\n\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n"
    );
    out += &row(sheet.headings.iter().map(heading).collect());
    out += "\\midrule\n";
    for (index, line) in lines.iter().enumerate() {
        if line.rule && index > 0 {
            out += "\\midrule\n";
        }
        out += &row(cells(line));
    }
    out += "\\bottomrule\n\\end{tabular}}%\n\
            \\ifdim\\wd2>\\linewidth\\resizebox{\\linewidth}{!}{\\usebox2}\\else\\usebox2\\fi\n";
    if !notes.is_empty() {
        let notes: Vec<String> = notes.iter().map(note).collect();
        out += &format!(
            "\\par\\medskip\n\\begin{{minipage}}{{\\linewidth}}\\scriptsize\\raggedright\n{}\n\\end{{minipage}}\n",
            notes.join("\\par\n")
        );
    }
    out + "\\end{table}\n"
}

/// Numbers stand at the right, texts at the left; long texts are broken, at a width that fits the longest word.
fn column(sheet: &Sheet, at: usize, heading: &Heading) -> String {
    let texts = || sheet.lines.iter().filter_map(|line| line.cells.get(at)).map(|cell| cell.text.as_str());
    let length = |text: &str| text.chars().count();
    if heading.wraps && texts().any(|text| length(text) > WIDEST) {
        let word = texts().flat_map(|text| text.split(' ')).map(length).max().unwrap_or(0);
        let width = 0.6 * word.max(WIDEST) as f64;
        return format!(">{{\\raggedright\\arraybackslash}}p{{{width:.1}em}}");
    }
    (if heading.numeric { "r" } else { "l" }).to_string()
}

fn row(cells: Vec<String>) -> String {
    // A line that begins with a bracket would be read as the option of the line break above it.
    let text = cells.join(" & ");
    let guard = if text.trim_start().starts_with('[') { "{}" } else { "" };
    format!("{guard}{text} \\\\\n")
}

fn heading(heading: &Heading) -> String {
    match &heading.latex {
        Some(LatexHeading::Source(source)) => source.to_string(),
        Some(LatexHeading::Words(words)) => escape(words),
        None => escape(&heading.text),
    }
}

fn cells(line: &Line) -> Vec<String> {
    let mut cells: Vec<String> = line.cells.iter().map(cell).collect();
    if let Some((first, count, text)) = &line.across {
        let spanned = format!("\\multicolumn{{{count}}}{{c}}{{{}}}", escape(text));
        cells.splice(*first..first + count, [spanned]);
    }
    cells
}

fn cell(Text { text, bold }: &Text) -> String {
    match (escape(text), bold) {
        (text, true) if !text.is_empty() => format!("\\textbf{{{text}}}"),
        (text, _) => text,
    }
}

fn note(Note { text, verbatim }: &Note) -> String {
    match verbatim {
        // Long signatures and hashes have no blanks to break at.
        Some(verbatim) => {
            let broken: Vec<String> = verbatim.split('|').map(escape).collect();
            let bar = format!("{}\\allowbreak{{}}", escape("|"));
            format!("{} \\texttt{{{}}}", breakable(&escape(text)), broken.join(&bar))
        }
        None => breakable(&escape(text)),
    }
}

/// Allows line breaks in long names, after the signs that join their parts.
fn breakable(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        out.push(character);
        if ",/".contains(character) && characters.peek().is_some_and(|next| *next != ' ') {
            out += "\\allowbreak{}";
        }
    }
    out
}

/// Escapes a text so that LaTeX prints it unchanged; characters without a command are shown by their code.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for character in text.chars() {
        let command = match character {
            '\\' => "\\textbackslash{}",
            '&' => "\\&",
            '%' => "\\%",
            '$' => "\\$",
            '#' => "\\#",
            '_' => "\\_",
            '{' => "\\{",
            '}' => "\\}",
            '~' => "\\textasciitilde{}",
            '^' => "\\textasciicircum{}",
            '|' => "\\textbar{}",
            '<' => "\\textless{}",
            '>' => "\\textgreater{}",
            '"' => "''",
            '`' => "\\textasciigrave{}",
            // Two of them would be one dash, or one quote.
            '-' if out.ends_with('-') => "{}-",
            '\'' if out.ends_with('\'') => "{}'",
            '±' => "$\\pm$",
            '×' => "$\\times$",
            '−' => "$-$",
            '≤' => "$\\le$",
            'ε' => "$\\epsilon$",
            '⁶' => "$^6$",
            '¹' => "$^1$",
            '²' => "$^2$",
            '·' => "$\\cdot$",
            '–' => "--",
            '…' => "\\dots{}",
            '†' => "\\dag{}",
            '\n' | '\r' | '\t' => " ",
            _ => "",
        };
        match command {
            // Of the letters in LaTeX's own UTF-8 support, only those that its oldest font encoding has.
            "" if character.is_ascii_graphic() || character == ' ' => out.push(character),
            "" if ('À'..='ÿ').contains(&character) && !"ÐðÞþ÷".contains(character) => {
                out.push(character)
            }
            "" => out += &format!("\\texttt{{U+{:04X}}}", u32::from(character)),
            command => out += command,
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_character_that_means_something_to_latex_is_escaped() {
        let special: String = (' '..='~').collect();
        let escaped = escape(&special);
        let mut rest = escaped.as_str();
        for command in [
            "\\textbackslash{}",
            "\\&",
            "\\%",
            "\\$",
            "\\#",
            "\\_",
            "\\{",
            "\\}",
            "\\textasciitilde{}",
            "\\textasciicircum{}",
        ] {
            assert!(escaped.contains(command), "{command} in {escaped}");
        }
        // What is left between commands and their braces is harmless.
        let mut plain = String::new();
        while let Some(at) = rest.find('\\') {
            plain += &rest[..at];
            let word = rest[at + 1..].chars().take_while(char::is_ascii_alphabetic).count();
            rest = &rest[at + 1 + word.max(1)..];
            rest = rest.strip_prefix("{}").unwrap_or(rest);
        }
        plain += rest;
        assert!(!plain.contains(['\\', '&', '%', '$', '#', '_', '{', '}', '~', '^']), "{plain}");
        assert_eq!(breakable("a,b=1, c/d"), "a,\\allowbreak{}b=1, c/\\allowbreak{}d");
        assert_eq!(escape("a-b --c --- it's ''d `e"), "a-b -{}-c -{}-{}- it's '{}'d \\textasciigrave{}e");
        assert_eq!(escape("ü × 中 ð\n"), "ü $\\times$ \\texttt{U+4E2D} \\texttt{U+00F0} ");
    }
}
