//! The same sentences translated by every row.

use super::pictures::row_name;
use super::section::Section;
use super::subject::Report;
use super::texts::Texts;
use crate::error::Result;
use crate::experiment::recorded_hypotheses;
use crate::figures::svg::escaped;
use std::collections::HashMap;
use std::fmt::Write;

/// Number of sentences shown.
const SENTENCES: usize = 5;
/// Rows whose translation is shown without a click, at most: that of the base row and the best ones.
const MOST_OPEN: usize = 8;

pub fn section(report: &Report, texts: &Texts) -> Result<Section> {
    let mut section = Section::new("Sample translations");
    let mut translated = Vec::new();
    for (trial, record) in report.by_interest() {
        if !record.has_translations() {
            continue;
        }
        let lines = recorded_hypotheses(&trial.run_dir, record, texts.split)?;
        translated.push((trial, record, row_name(report, std::slice::from_ref(trial)), lines));
    }
    let Some((_, first, _, lines)) = translated.first() else { return Ok(section) };
    let text = texts.of(first);
    let count = lines.len();
    if text.is_some() {
        section.paragraph(&format!(
            "Sentences at even distances in the {} set, translated by the first seed of each row: the {}, then by score. Words that the reference does not have are underlined.",
            texts.split.name(),
            report.base_name()
        ));
    } else {
        section.paragraph("Without sources and references, which are not prepared here.");
    }
    for nth in 0..SENTENCES.min(count) {
        let line = (2 * nth + 1) * count / (2 * SENTENCES.min(count));
        let _ =
            writeln!(section.body, "<table class=\"sample\"><caption>sentence {}</caption><tbody>", line + 1);
        let row = |class: &str, name: &str, words: &str| {
            let name = escaped(name);
            format!("<tr class=\"{class}\"><th scope=\"row\">{name}</th><td>{words}</td></tr>\n")
        };
        if let Some(text) = text {
            section.body += &row("given", "source", &escaped(&text.source[line]));
            section.body += &row("given", "reference", &escaped(&text.target[line]));
        }
        // Rows of another text translate other sentences.
        let same = translated.iter().filter(|(_, record, ..)| record.data.has_text_of(&first.data));
        let shown: Vec<String> = same
            .map(|(_, _, name, lines)| {
                let reference = text.map(|text| text.target[line].as_str());
                row("", name, &marked(&lines[line], reference))
            })
            .collect();
        let (open, folded) = shown.split_at(shown.len().min(MOST_OPEN));
        section.body += &open.concat();
        section.body += "</tbody></table>\n";
        if !folded.is_empty() {
            let _ = write!(
                section.body,
                "<details><summary>{} more rows</summary>\n<table class=\"sample\"><tbody>\n{}</tbody></table></details>\n",
                folded.len(),
                folded.concat()
            );
        }
    }
    Ok(section)
}

/// Returns a translation in which words are marked that the reference does not have, or less often. An empty
/// translation becomes a note.
fn marked(translation: &str, reference: Option<&str>) -> String {
    if translation.trim().is_empty() {
        return "<i>(empty)</i>".to_string();
    }
    let Some(reference) = reference else { return escaped(translation) };
    let mut left: HashMap<&str, usize> = HashMap::new();
    reference.split_whitespace().for_each(|word| *left.entry(word).or_default() += 1);
    let word = |word: &str| match left.get_mut(word) {
        Some(count) if *count > 0 => {
            *count -= 1;
            escaped(word)
        }
        _ => format!("<u>{}</u>", escaped(word)),
    };
    translation.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_the_reference_has_less_often_are_marked() {
        assert_eq!(marked("die die <Katze>", Some("die Katze")), "die <u>die</u> <u>&lt;Katze&gt;</u>");
        assert_eq!(marked("a  b", None), "a  b");
        assert_eq!(
            (marked("", Some("a")), marked(" ", None)),
            ("<i>(empty)</i>".into(), "<i>(empty)</i>".into())
        );
    }
}
