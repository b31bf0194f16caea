//! The page around the sections.

use super::section::Section;
use super::subject::Report;
use crate::figures::font::{self, Weight};
use crate::figures::paint::Paint;
use crate::figures::svg::{dark_rules, escaped};
use crate::results::sheet::{Line, Sheet, Text};
use std::fmt::Write;

/// How a page begins, and how its title ends: by these it is known again.
const BEGINNING: &str = "<!DOCTYPE html>";
const TITLE_END: &str = " – ablate</title>";
/// Bytes in which the title ends; names of sweeps are those of files.
const HEAD: usize = 4096;

/// The whole page: one file that loads nothing.
pub fn page(report: &Report, sections: &[Section]) -> String {
    let shown: Vec<&Section> = sections.iter().filter(|section| !section.body.is_empty()).collect();
    let name = escaped(report.name);
    let dark = dark_rules(&Paint::themed());
    let mut out = format!(
        "{BEGINNING}\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; font-src data:\">\n\
         <title>{name}{TITLE_END}\n<style>\n{}{}@media (prefers-color-scheme:dark){{\n{dark}}}\n</style>\n</head>\n<body>\n",
        font::style_sheet(&[Weight::Regular, Weight::Bold]),
        include_str!("page.css"),
    );
    let _ = writeln!(out, "<header>\n<h1>{name}</h1>");
    for paragraph in question(report.sweep_text) {
        let _ = writeln!(out, "<p class=\"question\">{}</p>", escaped(&paragraph));
    }
    let _ = writeln!(out, "<p>{}</p>\n<nav>", escaped(&extent(report)));
    for (index, section) in shown.iter().enumerate() {
        let _ = writeln!(out, "<a href=\"#s{index}\">{}</a>", escaped(section.title));
    }
    out += "</nav>\n</header>\n<main>\n";
    for (index, section) in shown.iter().enumerate() {
        let title = escaped(section.title);
        let _ = write!(out, "<section id=\"s{index}\">\n<h2>{title}</h2>\n{}</section>\n", section.body);
    }
    out + "</main>\n</body>\n</html>\n"
}

/// Whether a file is a page of a report.
pub fn is_own(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    head.starts_with(BEGINNING.as_bytes())
        && head.windows(TITLE_END.len()).any(|window| window == TITLE_END.as_bytes())
}

/// What the sweep is about: the comment at the top of its file, up to where it turns into commands.
fn question(sweep: &str) -> Vec<String> {
    let mut paragraphs = vec![String::new()];
    for line in sweep.lines().skip_while(|line| line.trim().is_empty()) {
        let Some(comment) = line.strip_prefix('#') else { break };
        // A directive for editors, or an indented command.
        if comment.starts_with(":schema") || comment.starts_with("   ") {
            continue;
        }
        match comment.trim() {
            "" => paragraphs.push(String::new()),
            words => {
                let last = paragraphs.last_mut().expect("there is one from the start");
                if !last.is_empty() {
                    last.push(' ');
                }
                last.push_str(words);
            }
        }
    }
    paragraphs.retain(|paragraph| !paragraph.is_empty());
    paragraphs
}

/// Rows, seeds and how many trials are done.
fn extent(report: &Report) -> String {
    let finished = report.trials.iter().filter(|trial| trial.record.is_some()).count();
    let failed = report.trials.iter().filter(|trial| trial.failure.is_some()).count();
    let rows = report.rows().len();
    let mut text = format!(
        "{rows} {}, {} trials: {finished} finished",
        if rows == 1 { "row" } else { "rows" },
        report.trials.len()
    );
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    if let Some(base) = report.base() {
        let _ = write!(text, ". Base row: {base}");
    }
    text + "."
}

/// A table of texts.
pub fn sheet(sheet: &Sheet) -> String {
    let mut out = String::from("<div class=\"wide\"><table>\n");
    if !sheet.title.is_empty() {
        let _ = writeln!(out, "<caption>{}</caption>", escaped(&sheet.title));
    }
    out += "<thead><tr>";
    let class = |numeric: bool| if numeric { " class=\"number\"" } else { "" };
    for heading in &sheet.headings {
        let _ = write!(out, "<th{}>{}</th>", class(heading.numeric), escaped(&heading.text));
    }
    out += "</tr></thead>\n<tbody>\n";
    for Line { rule, cells, across } in &sheet.lines {
        out += if *rule { "<tr class=\"rule\">" } else { "<tr>" };
        let mut index = 0;
        while index < cells.len() {
            if let Some((first, count, text)) = across
                && *first == index
            {
                let _ = write!(out, "<td colspan=\"{count}\">{}</td>", escaped(text));
                index += (*count).max(1);
                continue;
            }
            let Text { text, bold } = &cells[index];
            let text = if *bold { format!("<b>{}</b>", escaped(text)) } else { escaped(text) };
            let numeric = sheet.headings.get(index).is_some_and(|heading| heading.numeric);
            let _ = write!(out, "<td{}>{text}</td>", class(numeric));
            index += 1;
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_is_the_comment_without_commands_and_directives() {
        let sweep = "#:schema x.json\n# Do positions\n# matter?\n#   ablate sweep x.toml\n#\n# Yes.\n\nbase = 1\n# no\n";
        assert_eq!(question(sweep), ["Do positions matter?", "Yes."]);
        assert_eq!(question("base = 1"), Vec::<String>::new());
    }
}
