//! Reading the sentences of a text file of any [`TextFormat`], one after the other.

use super::lines::{Defect, LONGEST_LINE, LineReader, SourceFile};
use super::recipe::{Side, TextFormat};
use super::wmt_xml;
use crate::constituency_tree::{EXAMPLE, Tree};
use crate::error::{Error, Result};
use crate::fetch::compression::plain_name;
use crate::white_space::words;
use std::path::Path;

/// Reads the sentences of a file of any [`TextFormat`].
pub struct TextReader {
    lines: LineReader,
    format: TextFormat,
    column: Option<usize>,
    /// The side to read from formats that hold both: trees, running text and WMT's XML.
    side: Side,
    /// The current sentence, where it is not the current line.
    sentence: String,
    /// Rest of the current line behind the sentence.
    rest: String,
    sentences: usize,
    /// For WMT's XML: the translator whose reference is read.
    translator: Option<String>,
    /// For WMT's XML: the sentences still to come, once the file is read.
    ahead: Option<std::vec::IntoIter<String>>,
}

impl TextFormat {
    /// Returns the format that a file's name implies: segments for `.sgm`, `.sgml` and `.xml`, else lines.
    pub fn of_name(path: &Path) -> TextFormat {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let ends = |ending: &&str| plain_name(&name).ends_with(ending);
        match [".sgm", ".sgml", ".xml"].iter().any(ends) {
            true => TextFormat::Segments,
            false => TextFormat::Lines,
        }
    }
}

impl TextReader {
    /// Opens a file. `column` counts from 1. Without `format`, the file's name decides.
    pub fn open(path: &Path, format: Option<TextFormat>, column: Option<usize>, side: Side) -> Result<Self> {
        Ok(TextReader {
            lines: LineReader::open(path)?,
            format: format.unwrap_or_else(|| TextFormat::of_name(path)),
            column,
            side,
            sentence: String::new(),
            rest: String::new(),
            sentences: 0,
            translator: None,
            ahead: None,
        })
    }

    /// For WMT's XML, which may hold several references: reads those of this translator.
    pub fn of_translator(mut self, translator: Option<&str>) -> Self {
        self.translator = translator.map(String::from);
        self
    }

    pub fn path(&self) -> &Path {
        self.lines.path()
    }

    /// Number of sentences read so far.
    pub fn sentences(&self) -> usize {
        self.sentences
    }

    /// Returns the reader of lines, for errors about the current sentence.
    pub fn lines(&self) -> &LineReader {
        &self.lines
    }

    /// Returns the user error for a defect of the current line.
    pub fn defect(&self, defect: Defect) -> Error {
        // Where sentences span lines, no sentence is known to leave out, and running text is never cleaned.
        let is_sentence = match self.format {
            TextFormat::Lines | TextFormat::IwsltTags => true,
            TextFormat::Segments | TextFormat::WmtXml | TextFormat::Trees | TextFormat::Running => false,
        };
        self.lines.defect(defect, is_sentence)
    }

    pub fn format(&self) -> TextFormat {
        self.format
    }

    pub fn summary(&self, name: &str) -> SourceFile {
        self.lines.summary(name)
    }

    /// Goes to the next sentence; false after the last.
    ///
    /// # Errors
    /// User errors with file and line: see [`LineReader::advance`]; a missing column; a segment without end; text that is
    /// not a tree; WMT's XML where another format was expected, or the other way round.
    pub fn advance(&mut self) -> Result<bool> {
        let found = match self.format {
            TextFormat::Lines | TextFormat::Running => self.lines.advance()?,
            TextFormat::Segments => self.next_segment()?,
            TextFormat::IwsltTags => self.next_untagged()?,
            TextFormat::Trees => self.next_tree()?,
            TextFormat::WmtXml => self.next_of_wmt()?,
        };
        self.sentences += usize::from(found);
        if let (true, Some(number), Ok(line)) = (found, self.column, self.lines.current()) {
            let Some(column) = line.split('\t').nth(number - 1) else {
                return Err(self.lines.mistake(&format!(
                    "no column {number}, this line has {}; expected columns separated by tabs",
                    line.split('\t').count()
                )));
            };
            self.sentence.clear();
            self.sentence.push_str(column);
        }
        Ok(found)
    }

    /// Returns the current sentence.
    pub fn current(&self) -> std::result::Result<&str, Defect> {
        match (self.format, self.column) {
            (TextFormat::Running, _) if self.side == Side::Source => self.lines.current().map(|_| ""),
            (TextFormat::Lines | TextFormat::Running, None) => self.lines.current(),
            (TextFormat::Lines | TextFormat::Running | TextFormat::IwsltTags, _) => {
                self.lines.current().map(|_| self.sentence.as_str())
            }
            (TextFormat::Segments | TextFormat::Trees | TextFormat::WmtXml, _) => Ok(&self.sentence),
        }
    }

    fn next_untagged(&mut self) -> Result<bool> {
        while self.lines.advance()? {
            let Ok(line) = self.lines.current() else { return Ok(true) };
            if ["<url>", "<talkid>", "<keywords>"].iter().any(|tag| line.contains(tag)) {
                continue;
            }
            self.sentence.clear();
            self.sentence.push_str(line);
            for tag in ["<title>", "</title>", "<description>", "</description>"] {
                if self.sentence.contains(tag) {
                    self.sentence = self.sentence.replace(tag, "");
                }
            }
            return Ok(true);
        }
        Ok(false)
    }

    /// Reads a segment as sacreBLEU does: squeezes white space and leaves entities alone. Segments may span lines.
    fn next_segment(&mut self) -> Result<bool> {
        let mut text: Option<String> = None;
        let mut begun = 0;
        loop {
            let line = std::mem::take(&mut self.rest);
            let mut line = line.as_str();
            let begins = if text.is_none() { find_tag(line, "<seg") } else { None };
            if text.is_none() {
                self.refuse_wmt(&line[..begins.unwrap_or(line.len())])?;
            }
            if let Some(start) = begins {
                let Some(end) = line[start..].find('>') else {
                    return Err(self.lines.mistake("the tag <seg is not closed by > in its line"));
                };
                line = &line[start + end + 1..];
                text = Some(String::new());
                begun = self.lines.number();
            }
            if let Some(text) = &mut text {
                let end = find_tag(line, "</seg");
                *text += &line[..end.unwrap_or(line.len())];
                text.push(' ');
                if let Some(end) = end {
                    self.rest = line[end + "</seg".len()..].to_string();
                    self.sentence = words(text).collect::<Vec<_>>().join(" ");
                    return Ok(true);
                }
                if text.len() > LONGEST_LINE {
                    return Err(self.unclosed(begun));
                }
            }
            if !self.lines.advance()? {
                return if text.is_some() { Err(self.unclosed(begun)) } else { Ok(false) };
            }
            self.rest = self.lines.current().map_err(|defect| self.defect(defect))?.to_string();
        }
    }

    /// Refuses WMT's XML, whose sides and systems' translations would be mixed into one text.
    fn refuse_wmt(&self, between: &str) -> Result<()> {
        match ["<src", "<ref", "<hyp"].into_iter().find(|tag| find_tag(between, tag).is_some()) {
            None => Ok(()),
            Some(tag) => Err(self.lines.mistake(&format!(
                "{tag}> belongs to WMT's XML since 2021, which holds source and references in one file; in a recipe, state the \
                 file both as source and as target, with format = \"wmt_xml\""
            ))),
        }
    }

    fn unclosed(&self, begun: usize) -> Error {
        let what = "the segment that begins here has no </seg>; the file is damaged or cut off";
        self.lines.mistake_at(begun, what)
    }

    /// Goes to the next sentence of WMT's XML. The first call reads the whole file.
    fn next_of_wmt(&mut self) -> Result<bool> {
        if self.ahead.is_none() {
            let text = self.lines.read_whole()?;
            let [sources, references] = wmt_xml::read(&text, self.translator.as_deref())
                .map_err(|problem| self.lines.mistake_at(problem.line, &problem.text))?;
            self.ahead = Some(if self.side == Side::Source { sources } else { references }.into_iter());
        }
        let next = self.ahead.as_mut().and_then(Iterator::next);
        let found = next.is_some();
        self.sentence = next.unwrap_or_default();
        Ok(found)
    }

    /// Reads lines until all brackets are closed, and skips empty lines between trees. A source is the words of the tree,
    /// a target the tree in one line.
    fn next_tree(&mut self) -> Result<bool> {
        let mut text = String::new();
        let mut begun = 0;
        let mut depth = 0;
        let wrong = |reader: &Self, begun: usize, problem: &str| {
            let what = format!("no tree begins here: {problem}; expected trees such as {EXAMPLE}");
            Err(reader.lines.mistake_at(begun, &what))
        };
        while self.lines.advance()? {
            let line = self.lines.current().map_err(|defect| self.defect(defect))?;
            if text.is_empty() && words(line).next().is_none() {
                continue;
            }
            if text.is_empty() {
                begun = self.lines.number();
            } else {
                text.push(' ');
            }
            text += line;
            depth += line.matches('(').count() as isize - line.matches(')').count() as isize;
            if depth > 0 && text.len() <= LONGEST_LINE {
                continue;
            }
            return match Tree::parse(&text) {
                Ok(tree) => {
                    self.sentence =
                        if self.side == Side::Source { tree.sentence() } else { tree.to_string() };
                    Ok(true)
                }
                Err(problem) => wrong(self, begun, &problem),
            };
        }
        if text.is_empty() { Ok(false) } else { wrong(self, begun, "the file ends before it is closed") }
    }
}

/// Returns the start of a tag, in letters of either case.
fn find_tag(line: &str, tag: &str) -> Option<usize> {
    let (bytes, tag) = (line.as_bytes(), tag.as_bytes());
    let is_end = |at: usize| bytes.get(at).is_none_or(|byte| byte.is_ascii_whitespace() || *byte == b'>');
    bytes
        .windows(tag.len())
        .enumerate()
        .filter(|(_, window)| window.eq_ignore_ascii_case(tag))
        .map(|(at, _)| at)
        .find(|at| is_end(at + tag.len()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::utf8::BYTE_ORDER_MARK;

    fn read(
        name: &str,
        bytes: &[u8],
        format: Option<TextFormat>,
        column: Option<usize>,
    ) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut reader = TextReader::open(&path, format, column, Side::Source)?;
        let mut found = Vec::new();
        while reader.advance()? {
            found.push(reader.current().map_or_else(|defect| format!("{defect:?}"), str::to_string));
        }
        assert_eq!(reader.sentences(), found.len());
        Ok(found)
    }

    fn message(name: &str, bytes: &[u8], column: Option<usize>) -> String {
        let error = read(name, bytes, None, column).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn one_byte_order_mark_at_the_start_of_a_file_is_no_text() {
        let mark = BYTE_ORDER_MARK;
        let text = format!("{mark}{mark}a\tb\n{mark}c\td\n");
        let found = |column| read("a", text.as_bytes(), None, column).unwrap();
        assert_eq!(found(None), [format!("{mark}a\tb"), format!("{mark}c\td")]);
        assert_eq!(found(Some(1)), [format!("{mark}a"), format!("{mark}c")]);
        assert_eq!(read("a", format!("{mark}\r\nb").as_bytes(), None, None).unwrap(), ["", "b"]);
        let tree = format!("{mark}(X (NN a))\n");
        assert_eq!(read("a", tree.as_bytes(), Some(TextFormat::Trees), None).unwrap(), ["a"]);
        // A byte is counted as the file has it.
        assert_eq!(read("a", b"\xef\xbb\xbfx\xff\n", None, None).unwrap(), ["NotUtf8 { byte: 5 }"]);
    }

    #[test]
    fn columns_are_separated_by_tabs() {
        let table = b"a\tb\tc\nd\te\n";
        assert_eq!(read("a.tsv", table, None, Some(2)).unwrap(), ["b", "e"]);
        let said = message("a.tsv", table, Some(3));
        assert!(said.contains("a.tsv:2: no column 3, this line has 2"), "{said}");
    }

    #[test]
    fn segments_are_read_as_sacrebleu_reads_them() {
        let text = "<srcset setid=\"t\">\n<doc>\n<hl>\n<seg id=\"1\"> one &amp;  a &  b </seg>\n</hl>\n\
                    <p>\n<SEG id=\"2\">two</SEG><seg id='3'>three\n and\tmore\n</seg>\n<segment>no</segment>\n<seg></seg></doc>";
        for name in ["a.sgm", "a.sgml", "a.de.xml"] {
            let found = read(name, text.as_bytes(), None, None).unwrap();
            assert_eq!(found, ["one &amp; a & b", "two", "three and more", ""], "{name}");
        }
        assert_eq!(read("a.sgm", text.as_bytes(), Some(TextFormat::Lines), None).unwrap().len(), 11);
        assert!(message("a.sgm", b"<doc>\n<seg id=\"1\">one\n<p>", None).contains("a.sgm:2: the segment"));
        assert!(message("a.sgm", b"<seg id=\"1\"\n>one</seg>", None).contains("not closed by >"));
        let said = message("a.sgm", b"<seg>\n\xff</seg>", None);
        assert!(said.contains("a.sgm:2: byte 1") && !said.contains("cleaning"), "{said}");
        let long = [b"<seg>".as_slice(), &vec![b'x'; LONGEST_LINE]].concat();
        let said = message("a.sgm", &long, None);
        assert!(said.contains("a.sgm:1: this line has more") && !said.contains("cleaning"), "{said}");
    }

    #[test]
    fn xml_of_both_sides_is_not_taken_for_one() {
        for tag in ["src lang='en'", "REF", "hyp"] {
            let text = format!("<dataset>\n<doc>\n<{tag}><seg id=\"1\">a</seg>\n");
            let said = message("a.xml", text.as_bytes(), None);
            assert!(said.contains("a.xml:3: <") && said.contains("format = \"wmt_xml\""), "{said}");
        }
        // In a segment it is text.
        assert_eq!(read("a.sgm", b"<seg>a <src> b</seg>", None, None).unwrap(), ["a <src> b"]);
    }

    #[test]
    fn each_side_of_wmts_xml_is_read_from_the_same_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xml");
        let text = "\u{feff}<dataset><doc><src lang=\"en\"><seg id=\"1\">a &amp; b</seg></src>\n<ref lang=\"de\" \
                    translator=\"A\"><seg id=\"1\">c</seg></ref></doc></dataset>";
        let open = |text: &[u8], side, translator| {
            std::fs::write(&path, text).unwrap();
            let reader = TextReader::open(&path, Some(TextFormat::WmtXml), None, side).unwrap();
            reader.of_translator(translator)
        };
        for (side, expected) in [(Side::Source, "a & b"), (Side::Target, "c")] {
            let mut reader = open(text.as_bytes(), side, Some("A"));
            assert!(reader.advance().unwrap());
            assert_eq!(reader.current(), Ok(expected));
            assert!(!reader.advance().unwrap());
            assert_eq!((reader.sentences(), reader.summary("a").lines), (1, 2));
        }
        let said =
            |text: &[u8], translator| open(text, Side::Source, translator).advance().unwrap_err().to_string();
        assert!(
            said(text.as_bytes(), Some("B")).contains("a.xml:1: there is no reference by translator \"B\"")
        );
        assert!(said(b"<dataset>\n<doc\n", None).contains("a.xml:"), "{}", said(b"<dataset>\n<doc\n", None));
        assert!(said(b"<dataset>\n a\xff\n", None).contains("a.xml:2: byte 3 of this line is not UTF-8"));
    }

    #[test]
    fn trees_are_words_for_one_side_and_a_line_for_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mrg");
        std::fs::write(&path, "\n( (S (NP-SBJ (NN dog))\n   (VP (VBZ barks)) ))\n\n(X (NN a))\n").unwrap();
        for (side, expected) in [
            (Side::Source, ["dog barks", "a"]),
            (Side::Target, ["( (S (NP-SBJ (NN dog)) (VP (VBZ barks))))", "(X (NN a))"]),
        ] {
            let mut reader = TextReader::open(&path, Some(TextFormat::Trees), None, side).unwrap();
            for sentence in expected {
                assert!(reader.advance().unwrap());
                assert_eq!(reader.current(), Ok(sentence));
            }
            assert!(!reader.advance().unwrap());
        }
        let said = |bytes: &[u8]| read("a", bytes, Some(TextFormat::Trees), None).unwrap_err().to_string();
        for (bytes, problem) in [
            (
                &b"(X (NN a))\n(X (NN b)\n\n"[..],
                "a:2: no tree begins here: the file ends before it is closed",
            ),
            (b"\n(X (NN a))) (X\n", "a:2: no tree begins here: byte 11: there is text behind the tree"),
            (b"dog\n", "a:1: no tree begins here: byte 1: a tree begins with ("),
            (b"(X (NN a)\n\xff))\n", "a:2: byte 1 of this line is not UTF-8"),
        ] {
            assert!(said(bytes).contains(problem) && !said(bytes).contains("cleaning"), "{}", said(bytes));
        }
    }

    #[test]
    fn metadata_among_the_lines_of_iwslt_is_dropped() {
        let text = "<url>http://x</url>\n<keywords>a, b</keywords>\n<talkid>1</talkid>\n<title>T: t</title>\n\
                    <description>D <b>d</b></description>\n One sentence. \n";
        let found = read("train.tags.de-en.de", text.as_bytes(), Some(TextFormat::IwsltTags), None).unwrap();
        assert_eq!(found, ["T: t", "D <b>d</b>", " One sentence. "]);
    }
}
