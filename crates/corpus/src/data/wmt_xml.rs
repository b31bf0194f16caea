//! WMT's XML since 2021: the sources of a test set, their references and systems' translations in one file.
//!
//! # Source
//! sacreBLEU 2.6.0, `dataset/wmt_xml.py`: within a document a reference belongs to the source segment of the same
//! number; segments without any reference are left out, and so are documents of test suites; white space is squeezed.
//!
//! # Deviation
//! sacreBLEU reads a segment up to the first element or comment in it, takes the last one of segments with the same
//! number, and ends with an exception at a source segment without text. Here elements and repeated numbers are mistakes,
//! comments are passed over, and the segment is an empty line.

use crate::white_space::words;
use roxmltree::{Document, Node, ParsingOptions};
use std::collections::{BTreeMap, BTreeSet};

/// A fault of a file, and the line where it is.
#[derive(Debug, PartialEq)]
pub struct Problem {
    pub line: usize,
    pub text: String,
}

type Result<T> = std::result::Result<T, Problem>;

/// Segments of one document and side, by number.
type Segments = BTreeMap<u64, String>;

/// Returns the sources and their references by `translator`, which may be absent if the file has only one.
pub fn read(xml: &str, translator: Option<&str>) -> Result<[Vec<String>; 2]> {
    // A document type may name entities; the parser bounds what they expand to.
    let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
    let document = Document::parse_with_options(xml, options).map_err(|error| Problem {
        line: error.pos().row as usize,
        text: format!("the XML is damaged or cut off: {error}"),
    })?;
    let root = document.root_element();
    let [sources, references] = ["src", "ref"].map(|name| named(root, name).collect::<Vec<_>>());
    for (name, sides) in [("src", &sources), ("ref", &references)] {
        check_language(root, name, sides)?;
    }
    let translator = chosen(root, &references, translator)?;
    let mut sides = [Vec::new(), Vec::new()];
    for document in named(root, "doc").filter(|document| !document.has_attribute("testsuite")) {
        let mut references: BTreeMap<Option<&str>, Segments> = BTreeMap::new();
        for reference in named(document, "ref") {
            let found = segments([reference])?;
            if references.insert(reference.attribute("translator"), found).is_some() {
                return Err(problem(
                    reference,
                    "this document has two references by the same translator".into(),
                ));
            }
        }
        for (number, source) in segments(named(document, "src"))? {
            let by = |reference: &Segments| reference.get(&number).is_some_and(|text| !text.is_empty());
            if !references.values().any(by) {
                continue;
            }
            let reference = references.get(&translator).and_then(|found| found.get(&number));
            let reference = reference.map_or("", String::as_str);
            for (side, text) in sides.iter_mut().zip([source.as_str(), reference]) {
                side.push(words(text).collect::<Vec<_>>().join(" "));
            }
        }
    }
    Ok(sides)
}

/// The elements of a name below another one.
fn named<'a, 'input>(node: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    node.descendants().skip(1).filter(move |node| node.tag_name().name() == name)
}

fn problem(node: Node, text: String) -> Problem {
    Problem { line: node.document().text_pos_at(node.range().start).row as usize, text }
}

/// Checks that all sources, or all references, have one language.
fn check_language(root: Node, name: &str, sides: &[Node]) -> Result<()> {
    let Some(first) = sides.first() else {
        let text = format!(
            "there is no <{name}>; expected WMT's XML since 2021, with <src> and <ref> in each <doc>; files of one side \
             alone are read with format = \"segments\""
        );
        return Err(problem(root, text));
    };
    let language = |node: &Node| node.attribute("lang").map(String::from);
    match sides.iter().find(|node| language(node) != language(first)) {
        None => Ok(()),
        Some(other) => {
            let shown = |node: &Node| language(node).unwrap_or_else(|| "no language".into());
            let text = format!(
                "this <{name}> is in {}, but the first is in {}; expected one language a side",
                shown(other),
                shown(first)
            );
            Err(problem(*other, text))
        }
    }
}

/// Returns the translator whose references are read; `None` if the file names none.
fn chosen<'a>(root: Node, references: &[Node<'a, '_>], asked: Option<&str>) -> Result<Option<&'a str>> {
    let known: BTreeSet<Option<&str>> = references.iter().map(|node| node.attribute("translator")).collect();
    let names: Vec<String> = known.iter().flatten().map(|name| format!("{name:?}")).collect();
    let names = if names.is_empty() { "none".into() } else { names.join(", ") };
    match asked {
        Some(asked) => known.iter().copied().find(|name| *name == Some(asked)).ok_or_else(|| {
            problem(root, format!("there is no reference by translator {asked:?}; the file names {names}"))
        }),
        None if known.len() == 1 => Ok(known.into_iter().next().flatten()),
        None => {
            let text = format!(
                "there are references by several translators ({names}); choose one with translator = \"…\" in the recipe"
            );
            Err(problem(root, text))
        }
    }
}

/// The segments below some elements, by number.
fn segments<'a, 'input: 'a>(sides: impl IntoIterator<Item = Node<'a, 'input>>) -> Result<Segments> {
    let mut found = Segments::new();
    for segment in sides.into_iter().flat_map(|side| named(side, "seg")) {
        let number = segment.attribute("id").unwrap_or_default();
        let Ok(id) = number.trim().parse() else {
            return Err(problem(segment, format!("the segment's id is {number:?}; expected a number")));
        };
        if let Some(inner) = segment.children().find(|node| node.is_element()) {
            let name = inner.tag_name().name();
            return Err(problem(inner, format!("a segment holds the element <{name}>; expected text alone")));
        }
        let text =
            segment.children().filter_map(|node| if node.is_text() { node.text() } else { None }).collect();
        if found.insert(id, text).is_some() {
            return Err(problem(segment, format!("this document has two segments {id} on one side")));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    /// `scripts/make_wmt_xml_fixtures.py` writes them.
    #[derive(Deserialize)]
    struct Fixture {
        cases: Vec<Case>,
    }

    #[derive(Deserialize)]
    struct Case {
        name: String,
        xml: String,
        source: Vec<String>,
        /// By translator; one who is not named is "".
        references: BTreeMap<String, Vec<String>>,
    }

    #[test]
    fn source_and_references_are_those_of_sacrebleu() {
        let text = include_str!("../../../../tests/fixtures/wmt_xml.json");
        let fixture: Fixture = serde_json::from_str(text).unwrap();
        for Case { name, xml, source, references } in fixture.cases {
            for (translator, reference) in &references {
                let found = read(&xml, Some(translator.as_str()).filter(|name| !name.is_empty())).unwrap();
                assert_eq!(found, [source.clone(), reference.clone()], "{name}, {translator}");
            }
        }
    }

    fn dataset(doc: &str) -> String {
        format!("<dataset>\n<doc id=\"1\" origlang=\"en\">\n{doc}\n</doc>\n</dataset>")
    }

    const SOURCE: &str = "<src lang=\"en\"><seg id=\"1\">a</seg></src>\n";

    #[test]
    fn what_nothing_could_be_told_from_is_refused_with_its_line() {
        let reference = |translator: &str, text: &str| {
            format!("<ref lang=\"de\" translator=\"{translator}\"><seg id=\"1\">{text}</seg></ref>\n")
        };
        let [a, b] = ["A", "B"].map(|name| reference(name, "x"));
        let cases = [
            (format!("{SOURCE}{a}{b}"), 1, "several translators (\"A\", \"B\")"),
            (format!("{SOURCE}{a}{a}"), 5, "two references by the same translator"),
            (SOURCE.to_string(), 1, "there is no <ref>"),
            (a.clone(), 1, "there is no <src>"),
            (format!("{SOURCE}{SOURCE}{a}"), 4, "two segments 1 on one side"),
            (format!("{SOURCE}<src lang=\"fr\"/>{a}"), 4, "is in fr, but the first is in en"),
            (format!("{SOURCE}{}", reference("A", "\n<b>x</b>")), 5, "the element <b>"),
            (format!("{SOURCE}<ref><seg>x</seg></ref>"), 4, "id is \"\""),
            (format!("{SOURCE}</ref>"), 4, "damaged or cut off"),
            (format!("{SOURCE}{}", reference("A", "&none;")), 4, "damaged or cut off"),
        ];
        for (doc, line, text) in cases {
            let found = read(&dataset(&doc), None).unwrap_err();
            assert!(found.line == line && found.text.contains(text), "{text}: {found:?}");
        }
        let found = read(&dataset(&format!("{SOURCE}{a}")), Some("C")).unwrap_err();
        assert_eq!(found.text, "there is no reference by translator \"C\"; the file names \"A\"");
    }

    #[test]
    fn a_source_without_text_and_a_comment_are_no_end_of_the_text() {
        let doc = "<src lang=\"en\"><seg id=\"1\"/></src><ref><seg id=\"1\">x<!-- note --> y</seg></ref>";
        assert_eq!(read(&dataset(doc), None).unwrap(), [vec![String::new()], vec!["x y".into()]]);
    }

    #[test]
    fn entities_cannot_grow_without_end() {
        let entities: String =
            (1..12).map(|n| format!("<!ENTITY e{n} \"{}\">", format!("&e{};", n - 1).repeat(10))).collect();
        let doc = format!("{SOURCE}<ref><seg id=\"1\">&e11;</seg></ref>");
        let xml = format!("<!DOCTYPE dataset [<!ENTITY e0 \"lol\">{entities}]>{}", dataset(&doc));
        assert!(read(&xml, None).unwrap_err().text.contains("damaged or cut off"));
    }
}
