//! The page around the sections.

use super::section::{Section, with_code};
use super::subject::Report;
use crate::figures::font::{self, Weight};
use crate::figures::paint::Paint;
use crate::figures::svg::{dark_rules, escaped};
use crate::results::sheet::{Line, Sheet, Text};
use crate::telemetry::format::counted;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// The beginning of a page and the end of its title, by which a page of this program is recognised.
const BEGINNING: &str = "<!DOCTYPE html>";
const TITLE_END: &str = " – ablate</title>";
/// Bytes at the beginning of a page that contain the whole title; the name of a sweep is no longer than a file name.
const HEAD: usize = 4096;

/// Sorts and filters the table of results and compares two of its rows. The page is complete without it.
const SCRIPT: &str = include_str!("page.js");

/// The whole page: one file that loads nothing.
pub fn page(report: &Report, sections: &[Section]) -> String {
    let shown: Vec<&Section> = sections.iter().filter(|section| !section.body.is_empty()).collect();
    let name = escaped(report.name);
    let dark = dark_rules(&Paint::themed());
    // The only script that a browser runs is the one whose hash the page names.
    let hash = hash(SCRIPT);
    let mut out = format!(
        "{BEGINNING}\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n\
         <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; font-src data:; script-src 'sha256-{hash}'\">\n\
         <title>{name}{TITLE_END}\n<style>\n{}{}@media (prefers-color-scheme:dark){{\n{dark}}}\n</style>\n</head>\n<body>\n",
        font::style_sheet(&[Weight::Regular, Weight::Bold]),
        include_str!("page.css"),
    );
    let _ = writeln!(out, "<header>\n<h1>{name}</h1>");
    for part in introduction(report.sweep_text) {
        let _ = match part {
            Part::Paragraph(words) => writeln!(out, "<p class=\"question\">{}</p>", with_code(&words)),
            Part::Block(lines) => writeln!(out, "<pre class=\"question\">{}</pre>", escaped(&lines)),
        };
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
    out + &format!("</main>\n<script>{SCRIPT}</script>\n</body>\n</html>\n")
}

/// Returns the hash by which a content security policy names a script.
fn hash(script: &str) -> String {
    STANDARD.encode(Sha256::digest(script))
}

/// Whether a file is a page of a report.
pub fn is_own(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    head.starts_with(BEGINNING.as_bytes())
        && head.windows(TITLE_END.len()).any(|window| window == TITLE_END.as_bytes())
}

/// Beginning, after the `#`, of those lines of a sweep file's first comment that are shown as they stand.
const INDENT: &str = "   ";

/// A piece of the comment at the top of a sweep file.
#[derive(Debug, PartialEq)]
enum Part {
    /// Words of a paragraph, without line breaks.
    Paragraph(String),
    /// Indented lines as they stand: commands, a table, or the rules of verdicts.
    Block(String),
}

/// Returns the comment at the top of a sweep file, which says what the sweep is about, without directives for editors.
fn introduction(sweep: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut goes_on = false;
    for line in sweep.lines().skip_while(|line| line.trim().is_empty()) {
        let Some(comment) = line.strip_prefix('#') else { break };
        if comment.starts_with(":schema") {
            continue;
        }
        let text = comment.trim();
        match (comment.trim_end().strip_prefix(INDENT), parts.last_mut().filter(|_| goes_on)) {
            _ if text.is_empty() => {}
            (Some(indented), Some(Part::Block(lines))) => *lines += &format!("\n{indented}"),
            (Some(indented), _) => parts.push(Part::Block(indented.to_string())),
            (None, Some(Part::Paragraph(words))) => *words += &format!(" {text}"),
            (None, _) => parts.push(Part::Paragraph(text.to_string())),
        }
        goes_on = !text.is_empty();
    }
    parts
}

/// Returns the numbers of rows and of trials, how many are finished or failed, and the base row.
fn extent(report: &Report) -> String {
    let finished = report.trials.iter().filter(|trial| trial.record.is_some()).count();
    let failed = report.trials.iter().filter(|trial| trial.failure.is_some()).count();
    let rows = report.rows().len();
    let [rows, trials] = [(rows, "row"), (report.trials.len(), "trial")].map(|(n, noun)| counted(n, noun));
    let mut text = format!("{rows}, {trials}: {finished} finished");
    if failed > 0 {
        let _ = write!(text, ", {failed} failed");
    }
    match (report.base(), &report.table.base) {
        (Some(base), Some(_)) => _ = write!(text, ". Base row: {base}"),
        (Some(first), None) => {
            _ = write!(text, ". No base row; others are shown beside the first row, {first}")
        }
        (None, _) => {}
    }
    text + "."
}

/// A table of texts.
pub fn sheet(sheet: &Sheet) -> String {
    marked(sheet, "", &[], &[])
}

/// Data of a line of the table of results for the script.
#[derive(Debug, Clone, Default)]
pub struct LineData {
    /// Label of the line's row.
    pub name: String,
    /// Group of the row, where the cell may be blank because the line above has the same group.
    pub group: Option<String>,
    /// Whether blank settings of the other lines have the values of this one.
    pub is_base: bool,
}

impl LineData {
    fn attributes(&self) -> String {
        let group = self.group.as_deref().map(|group| format!(" data-group=\"{}\"", escaped(group)));
        let base = if self.is_base { " data-base" } else { "" };
        format!(" data-row=\"{}\"{}{base}", escaped(&self.name), group.unwrap_or_default())
    }
}

/// Returns the table of results, whose lines the script sorts and filters by row name. The columns behind the keys,
/// `settings` in number, are settings.
pub fn results(sheet: &Sheet, lines: &[LineData], settings: usize) -> String {
    let mut heads = vec![" data-key"; sheet.keys];
    heads.extend(vec![" data-setting"; settings]);
    marked(sheet, " class=\"results\"", &heads, lines)
}

/// Returns a table whose `rows` already have markup. Each heading comes with whether its column holds numbers.
pub fn table(headings: &[(&str, bool)], rows: &str) -> String {
    let head: String = headings
        .iter()
        .map(|(text, numeric)| format!("<th{}>{}</th>", class_of(*numeric), escaped(text)))
        .collect();
    format!(
        "<div class=\"wide\"><table>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n"
    )
}

/// The class of a column's cells.
fn class_of(numeric: bool) -> &'static str {
    if numeric { " class=\"number\"" } else { "" }
}

fn marked(sheet: &Sheet, class: &str, heads: &[&str], lines: &[LineData]) -> String {
    let mut out = format!("<div class=\"wide\"><table{class}>\n");
    if !sheet.title.is_empty() {
        let _ = writeln!(out, "<caption>{}</caption>", escaped(&sheet.title));
    }
    out += "<thead><tr>";
    for (index, heading) in sheet.headings.iter().enumerate() {
        let key = heads.get(index).copied().unwrap_or_default();
        let _ = write!(out, "<th{}{key}>{}</th>", class_of(heading.numeric), escaped(&heading.text));
    }
    out += "</tr></thead>\n<tbody>\n";
    for (nth, Line { rule, cells, across }) in sheet.lines.iter().enumerate() {
        let rule = if *rule { " class=\"rule\"" } else { "" };
        let data = lines.get(nth).map(LineData::attributes).unwrap_or_default();
        let _ = write!(out, "<tr{rule}{data}>");
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
            let _ = write!(out, "<td{}>{text}</td>", class_of(numeric));
            index += 1;
        }
        out += "</tr>\n";
    }
    out + "</tbody></table></div>\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::results::sheet::Heading;

    #[test]
    fn the_script_is_named_as_browsers_do_and_ends_where_it_ends() {
        // From the specification of Content Security Policy Level 3, section 2.3.1.
        assert_eq!(hash("alert('Hello, world.');"), "qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng=");
        assert!(!SCRIPT.contains("</script") && !SCRIPT.contains("<!--"));
    }

    #[test]
    fn the_script_is_told_what_a_blank_cell_means() {
        let sheet = Sheet {
            title: String::new(),
            headings: vec![Heading::words("group"), Heading::numbers("h")],
            keys: 1,
            lines: vec![Line::plain(["(A)", "8"]), Line::plain(["", "4"])],
        };
        let data = |name: &str, is_base| LineData { name: name.into(), group: Some("(A)".into()), is_base };
        let found = results(&sheet, &[data("base", true), data("four", false)], 1);
        assert!(found.contains("<th data-key>group</th><th class=\"number\" data-setting>h</th>"), "{found}");
        assert!(found.contains("<tr data-row=\"base\" data-group=\"(A)\" data-base><td>(A)</td>"), "{found}");
        assert!(found.contains("<tr data-row=\"four\" data-group=\"(A)\"><td></td>"), "{found}");
    }

    #[test]
    fn the_introduction_is_the_comment_without_directives_and_keeps_indented_lines() {
        let sweep = "\
#:schema x.json
# Do positions
# matter?
#   ablate prepare x.toml
#   ablate sweep x.toml
#
# Yes:
#
#   row    rule
#
#   next   block

base = 1
# no
";
        let paragraph = |words: &str| Part::Paragraph(words.to_string());
        let block = |lines: &str| Part::Block(lines.to_string());
        assert_eq!(
            introduction(sweep),
            [
                paragraph("Do positions matter?"),
                block("ablate prepare x.toml\nablate sweep x.toml"),
                paragraph("Yes:"),
                block("row    rule"),
                block("next   block"),
            ]
        );
        assert_eq!(introduction("base = 1"), []);
    }
}
