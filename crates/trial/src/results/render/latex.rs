//! Tables and notes as LaTeX with booktabs.

use super::super::sheet::{Heading, Line, Note, Sheet, Text};

/// How every file begins.
const MADE_BY: &str = "% Made by `ablate table`.";

/// Whether a file is one of these.
pub fn is_own(text: &[u8]) -> bool {
    text.starts_with(MADE_BY.as_bytes())
}

/// One `table` a sheet; the notes stand below the first.
pub fn document(sheets: &[Sheet], notes: &[Note], caption: &str) -> String {
    let mut out = format!("{MADE_BY} Needs \\usepackage{{booktabs}}.\n");
    for (index, sheet) in sheets.iter().enumerate() {
        let (caption, notes) = if index == 0 { (caption, notes) } else { (sheet.title.as_str(), &[][..]) };
        out += &float(sheet, caption, notes);
    }
    out
}

fn float(sheet: &Sheet, caption: &str, notes: &[Note]) -> String {
    let columns: String =
        sheet.headings.iter().map(|heading| if heading.numeric { 'r' } else { 'l' }).collect();
    let mut out = format!(
        "\\begin{{table}}[tp]\n\\centering\n\\caption{{{}}}\n\\footnotesize\n\\setlength{{\\tabcolsep}}{{3pt}}\n",
        escape(caption)
    );
    // Of Table 3 with spreads, the natural width is more than many papers have.
    out += &format!("\\begin{{tabular}}{{@{{}}{columns}@{{}}}}\n\\toprule\n");
    out += &row(sheet.headings.iter().map(heading).collect());
    out += "\\midrule\n";
    for line in &sheet.lines {
        if line.rule {
            out += "\\midrule\n";
        }
        out += &row(cells(line));
    }
    out += "\\bottomrule\n\\end{tabular}\n";
    if !notes.is_empty() {
        let notes: Vec<String> = notes.iter().map(note).collect();
        out += &format!(
            "\\par\\medskip\n\\begin{{minipage}}{{\\linewidth}}\\scriptsize\\raggedright\n{}\n\\end{{minipage}}\n",
            notes.join("\\par\n")
        );
    }
    out + "\\end{table}\n"
}

fn row(cells: Vec<String>) -> String {
    // A line that begins with a bracket would be read as the option of the line break above it.
    let text = cells.join(" & ");
    let guard = if text.trim_start().starts_with('[') { "{}" } else { "" };
    format!("{guard}{text} \\\\\n")
}

fn heading(heading: &Heading) -> String {
    heading.latex.map_or_else(|| escape(&heading.text), String::from)
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
            format!("{} \\texttt{{{}}}", escape(text), broken.join(&bar))
        }
        None => escape(text),
    }
}

/// Text that LaTeX sets as it reads, whatever characters it holds; those without a command are shown by their code.
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
            '±' => "$\\pm$",
            '×' => "$\\times$",
            '−' => "$-$",
            '≤' => "$\\le$",
            'ε' => "$\\epsilon$",
            '⁶' => "$^6$",
            '¹' => "$^1$",
            '²' => "$^2$",
            '–' => "--",
            '…' => "\\dots{}",
            '†' => "\\dag{}",
            '\n' | '\r' | '\t' => " ",
            _ => "",
        };
        match command {
            // Of what LaTeX's own UTF-8 knows, the letters that its oldest font encoding has.
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
        assert_eq!(escape("ü × 中 ð\n"), "ü $\\times$ \\texttt{U+4E2D} \\texttt{U+00F0} ");
    }
}
