//! A part of the page, with its figures.

use crate::figures::svg::escaped;
use crate::figures::{Series, Svg};
use crate::results::metric::{METRICS, find};
use std::collections::HashSet;

/// A figure with the name of its file.
pub struct Figure {
    /// File name without an ending: letters, digits and `-`.
    pub file: String,
    pub svg: Svg,
}

/// A part of the page.
pub struct Section {
    pub title: &'static str,
    /// HTML; figures stand in it as `<!--figure N-->`.
    pub body: String,
    pub figures: Vec<Figure>,
}

impl Section {
    pub fn new(title: &'static str) -> Section {
        Section { title, body: String::new(), figures: Vec::new() }
    }

    /// Appends a paragraph of text, in which words between backticks are code.
    pub fn paragraph(&mut self, text: &str) {
        self.body += &format!("<p>{}</p>\n", with_code(text));
    }

    /// Appends a figure.
    pub fn figure(&mut self, file: &str, svg: Svg) {
        self.body += &format!("<figure>\n{}</figure>\n", svg.inline());
        self.figures.push(Figure { file: file.to_string(), svg });
    }
}

/// Returns the label `what` of an axis of values. It says if they are means over seeds.
pub fn over_seeds(what: &str, series: &[Series]) -> String {
    let spread = series.iter().flat_map(|series| &series.points).any(|point| point.spread.is_some());
    if spread { format!("{what}, mean and standard deviation over seeds") } else { what.to_string() }
}

/// Returns the readable form of a tag: `dev/bleu` becomes BLEU (dev).
pub fn spoken(tag: &str) -> String {
    find(&METRICS, tag).map_or_else(|| tag.to_string(), |(metric, set)| metric.on(set))
}

/// Returns words for the beginning of a line. Names with capitals of their own, such as chrF, stay as they are.
pub fn heading(words: &str) -> String {
    let mut characters = words.chars();
    match (words.contains(char::is_uppercase), characters.next()) {
        (false, Some(first)) => first.to_uppercase().chain(characters).collect(),
        _ => words.to_string(),
    }
}

/// Returns the name of one of several pictures, numbered from 0: `2 of 3`. None for the only one.
pub fn part_name(part: usize, parts: usize) -> Option<String> {
    (parts > 1).then(|| format!("{} of {parts}", part + 1))
}

/// Returns a text as HTML. Words between two backticks are code; a single backtick stands as it is.
pub fn with_code(text: &str) -> String {
    let mut html = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('`')
        && let Some((code, next)) = after.split_once('`')
    {
        html += &format!("{}<code>{}</code>", escaped(before), escaped(code));
        rest = next;
    }
    html + &escaped(rest)
}

/// Returns a file name of the letters and digits in `parts`, with `-` for every run of other characters.
pub fn file_name(parts: &[&str]) -> String {
    let mut name = String::new();
    for character in parts.join("-").chars() {
        match character {
            c if c.is_ascii_alphanumeric() => name.push(c.to_ascii_lowercase()),
            _ if name.ends_with('-') || name.is_empty() => {}
            _ => name.push('-'),
        }
    }
    name.trim_end_matches('-').to_string()
}

/// Makes the file names of figures unique by a number, which starts at 2 for the second figure of a name.
pub fn distinguish(figures: &mut [Figure]) {
    let mut used = HashSet::new();
    for figure in figures {
        let name = figure.file.clone();
        let mut number = 1;
        while !used.insert(figure.file.clone()) {
            number += 1;
            figure.file = format!("{name}-{number}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_between_backticks_are_code_and_all_of_it_is_escaped() {
        for (text, html) in [
            ("a < `b & c`, `d`", "a &lt; <code>b &amp; c</code>, <code>d</code>"),
            ("`<b>`", "<code>&lt;b&gt;</code>"),
            ("a ` b < c", "a ` b &lt; c"),
            ("`a` and ` b", "<code>a</code> and ` b"),
            ("", ""),
        ] {
            assert_eq!(with_code(text), html);
        }
    }

    #[test]
    fn names_of_files_are_plain() {
        assert_eq!(file_name(&["curves", "dev/perplexity", "(A), 1 of 2"]), "curves-dev-perplexity-a-1-of-2");
        assert_eq!(file_name(&["curves", ""]), "curves");
        let figure = |file: &str| Figure { file: file.into(), svg: Svg::new(1.0, 1.0, "") };
        let mut figures = ["a", "b", "a", "a", "a-2"].map(figure);
        distinguish(&mut figures);
        assert_eq!(figures.map(|figure| figure.file), ["a", "b", "a-2", "a-3", "a-2-2"]);
        assert_eq!(spoken("dev/word_perplexity"), "word perplexity (dev)");
        assert_eq!(
            ["perplexity (dev)", "BLEU (test)", "chrF (test)"].map(heading),
            ["Perplexity (dev)", "BLEU (test)", "chrF (test)"]
        );
    }
}
