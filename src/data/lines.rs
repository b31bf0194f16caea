//! Reading the sentences of a text file, one after the other.
//!
//! Lines end at `\n` alone (so U+2028, which other readers take for a line end, stays inside), and one `\r`
//! before it is dropped. Compressed files are told by their names' endings. Nothing but the current line is in
//! memory, and of a line no more than [`LONGEST_LINE`].

use super::recipe::{Side, TextFormat};
use crate::error::{Error, Result};
use crate::fetch::compression::{damage, open, plain_name};
use crate::tree::{EXAMPLE, Tree};
use crate::white_space::words;
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Bytes of a line at most; a sentence has a few hundred, and a file without line ends has no sentences.
pub const LONGEST_LINE: usize = 1 << 20;

/// What some programs write at the start of a file to say that it is UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// What makes a line no text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The byte, from 1, that cannot be.
    NotUtf8 { byte: usize },
    /// More than [`LONGEST_LINE`] bytes.
    TooLong,
}

/// What a source file held, however it is compressed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// As the recipe names it.
    pub name: String,
    pub lines: usize,
    /// Of the text, decompressed.
    pub blake3: String,
}

/// Reads a text file line by line and hashes it on the way.
pub struct LineReader {
    path: PathBuf,
    input: BufReader<Box<dyn Read>>,
    buffer: Vec<u8>,
    too_long: bool,
    lines: usize,
    hasher: blake3::Hasher,
}

impl LineReader {
    pub fn open(path: &Path) -> Result<Self> {
        let input = open(path).map_err(Error::io("read", path))?;
        Ok(LineReader {
            path: path.into(),
            input: BufReader::with_capacity(1 << 16, input),
            buffer: Vec::new(),
            too_long: false,
            lines: 0,
            hasher: blake3::Hasher::new(),
        })
    }

    /// Goes to the next line; false after the last.
    ///
    /// # Errors
    /// A user error with file and line for damaged or truncated compressed data and for bombs.
    pub fn advance(&mut self) -> Result<bool> {
        self.buffer.clear();
        self.too_long = false;
        let mut any = false;
        loop {
            let available = match self.input.fill_buf() {
                Ok(available) => available,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(self.unreadable(error)),
            };
            let end = available.iter().position(|&byte| byte == b'\n');
            let taken = &available[..end.map_or(available.len(), |end| end + 1)];
            self.hasher.update(taken);
            any |= !taken.is_empty();
            // Of a line that is too long, nothing is of use.
            self.too_long |= self.buffer.len() + taken.len() > LONGEST_LINE + 1;
            if !self.too_long {
                self.buffer.extend_from_slice(taken);
            }
            let read = taken.len();
            self.input.consume(read);
            if end.is_some() || read == 0 {
                self.lines += usize::from(any);
                return Ok(any);
            }
        }
    }

    /// The line that [`LineReader::advance`] went to, without its end, and without the mark that a file may begin with.
    pub fn current(&self) -> std::result::Result<&str, Defect> {
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.too_long || line.len() > LONGEST_LINE {
            return Err(Defect::TooLong);
        }
        let text =
            std::str::from_utf8(line).map_err(|error| Defect::NotUtf8 { byte: error.valid_up_to() + 1 })?;
        // Some editors mark UTF-8 so. Inside a text the character is its own.
        Ok(if self.lines == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text })
    }

    /// A user error about the current line.
    pub fn mistake(&self, what: &str) -> Error {
        Error::user(format!("{}:{}: {what}", self.path.display(), self.lines))
    }

    /// The error that a defect of the current line is, unless it is tolerated.
    pub fn defect(&self, defect: Defect) -> Error {
        match defect {
            Defect::NotUtf8 { byte } => self.mistake(&format!(
                "byte {byte} of this line is not UTF-8; convert the file, for example with iconv, or leave such \
                 training pairs out with cleaning.drop_not_utf8 in the recipe"
            )),
            Defect::TooLong => self.mistake(&format!(
                "this line has more than {LONGEST_LINE} bytes; expected one sentence a line; leave such training \
                 pairs out with cleaning.max_characters in the recipe"
            )),
        }
    }

    fn unreadable(&self, error: std::io::Error) -> Error {
        match damage(&self.path.to_string_lossy(), &error) {
            Some(why) => Error::user(format!("{}:{}: {why}", self.path.display(), self.lines + 1)),
            None => Error::io("read", &self.path)(error),
        }
    }

    /// What was read, up to here.
    fn summary(&self, name: &str) -> SourceFile {
        SourceFile {
            name: name.into(),
            lines: self.lines,
            blake3: self.hasher.finalize().to_hex().to_string(),
        }
    }
}

/// Reads the sentences of a file of any [`TextFormat`].
pub struct TextReader {
    lines: LineReader,
    format: TextFormat,
    column: Option<usize>,
    /// What a tree or running text is read for.
    side: Side,
    /// The current sentence, where it is not the current line.
    sentence: String,
    /// What follows it in the current line.
    rest: String,
    sentences: usize,
}

impl TextReader {
    /// `column` counts from 1. Without a format the file's name tells.
    pub fn open(path: &Path, format: Option<TextFormat>, column: Option<usize>, side: Side) -> Result<Self> {
        let by_name = || {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let ends = |ending: &&str| plain_name(&name).ends_with(ending);
            match [".sgm", ".sgml", ".xml"].iter().any(ends) {
                true => TextFormat::Segments,
                false => TextFormat::Lines,
            }
        };
        Ok(TextReader {
            lines: LineReader::open(path)?,
            format: format.unwrap_or_else(by_name),
            column,
            side,
            sentence: String::new(),
            rest: String::new(),
            sentences: 0,
        })
    }

    pub fn path(&self) -> &Path {
        &self.lines.path
    }

    /// Sentences so far.
    pub fn sentences(&self) -> usize {
        self.sentences
    }

    /// For errors about the current sentence.
    pub fn lines(&self) -> &LineReader {
        &self.lines
    }

    pub fn summary(&self, name: &str) -> SourceFile {
        self.lines.summary(name)
    }

    /// Goes to the next sentence; false after the last.
    ///
    /// # Errors
    /// User errors with file and line: see [`LineReader::advance`]; a missing column; a segment without end; what is no
    /// tree.
    pub fn advance(&mut self) -> Result<bool> {
        let found = match self.format {
            TextFormat::Lines | TextFormat::Running => self.lines.advance()?,
            TextFormat::Segments => self.next_segment()?,
            TextFormat::IwsltTags => self.next_untagged()?,
            TextFormat::Trees => self.next_tree()?,
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

    /// The sentence that [`TextReader::advance`] went to.
    pub fn current(&self) -> std::result::Result<&str, Defect> {
        match (self.format, self.column) {
            (TextFormat::Running, _) if self.side == Side::Source => self.lines.current().map(|_| ""),
            (TextFormat::Lines | TextFormat::Running, None) => self.lines.current(),
            (TextFormat::Lines | TextFormat::Running | TextFormat::IwsltTags, _) => {
                self.lines.current().map(|_| self.sentence.as_str())
            }
            (TextFormat::Segments | TextFormat::Trees, _) => Ok(&self.sentence),
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

    /// As sacreBLEU reads them: white space squeezed, entities left alone. Segments may span lines.
    fn next_segment(&mut self) -> Result<bool> {
        let mut text: Option<String> = None;
        let mut begun = 0;
        loop {
            let line = std::mem::take(&mut self.rest);
            let mut line = line.as_str();
            if text.is_none()
                && let Some(start) = find_tag(line, "<seg")
            {
                let Some(end) = line[start..].find('>') else {
                    return Err(self.lines.mistake("the tag <seg is not closed by > in its line"));
                };
                line = &line[start + end + 1..];
                text = Some(String::new());
                begun = self.lines.lines;
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
            self.rest = self.lines.current().map_err(|defect| self.lines.defect(defect))?.to_string();
        }
    }

    fn unclosed(&self, begun: usize) -> Error {
        Error::user(format!(
            "{}:{begun}: the segment that begins here has no </seg>; the file is damaged or cut off",
            self.path().display()
        ))
    }

    /// Lines up to the one that closes what they open; empty lines between trees are passed over.
    fn next_tree(&mut self) -> Result<bool> {
        let mut text = String::new();
        let mut begun = 0;
        let mut depth = 0;
        let wrong = |reader: &Self, begun: usize, problem: &str| {
            Err(Error::user(format!(
                "{}:{begun}: no tree begins here: {problem}; expected trees such as {EXAMPLE}",
                reader.path().display()
            )))
        };
        while self.lines.advance()? {
            let line = self.lines.current().map_err(|defect| self.lines.defect(defect))?;
            if text.is_empty() && words(line).next().is_none() {
                continue;
            }
            if text.is_empty() {
                begun = self.lines.lines;
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
                    self.sentence = if self.side == Side::Source { tree.sentence() } else { tree.sequence() };
                    Ok(true)
                }
                Err(problem) => wrong(self, begun, &problem),
            };
        }
        if text.is_empty() { Ok(false) } else { wrong(self, begun, "the file ends before it is closed") }
    }
}

/// Where a tag begins, in letters of either case.
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
    fn lines_end_at_line_feeds_alone_and_lose_one_carriage_return() {
        let found = read("a", "x\u{2028}y\u{85}\r\n\r\r\n\nz".as_bytes(), None, None).unwrap();
        assert_eq!(found, ["x\u{2028}y\u{85}", "\r", "", "z"]);
        assert!(read("a", b"", None, None).unwrap().is_empty());
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
    fn defective_lines_are_told_and_the_next_ones_read() {
        let long = "x".repeat(10 << 20);
        let text = [b"a\n1\xff2\n", long.as_bytes(), b"\nb\n"].concat();
        assert_eq!(read("a", &text, None, None).unwrap(), ["a", "NotUtf8 { byte: 2 }", "TooLong", "b"]);
        let longest = "x".repeat(LONGEST_LINE);
        assert_eq!(read("a", format!("{longest}\r\n").as_bytes(), None, None).unwrap(), ["TooLong"]);
        assert_eq!(read("a", format!("{longest}\n").as_bytes(), None, None).unwrap(), [longest.as_str()]);
        assert_eq!(read("a", longest.as_bytes(), None, None).unwrap(), [longest]);
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
        assert!(message("a.sgm", b"<seg>\n\xff</seg>", None).contains("a.sgm:2: byte 1"));
    }

    #[test]
    fn trees_are_words_for_one_side_and_a_sequence_for_the_other() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mrg");
        std::fs::write(&path, "\n( (S (NP-SBJ (NN dog))\n   (VP (VBZ barks)) ))\n\n(X (NN a))\n").unwrap();
        for (side, expected) in
            [(Side::Source, ["dog barks", "a"]), (Side::Target, ["(S (NP XX )NP (VP XX )VP )S", "(X XX )X"])]
        {
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
            assert!(said(bytes).contains(problem), "{}", said(bytes));
        }
    }

    #[test]
    fn metadata_among_the_lines_of_iwslt_is_dropped() {
        let text = "<url>http://x</url>\n<keywords>a, b</keywords>\n<talkid>1</talkid>\n<title>T: t</title>\n\
                    <description>D <b>d</b></description>\n One sentence. \n";
        let found = read("train.tags.de-en.de", text.as_bytes(), Some(TextFormat::IwsltTags), None).unwrap();
        assert_eq!(found, ["T: t", "D <b>d</b>", " One sentence. "]);
    }

    #[test]
    fn damage_is_told_with_file_and_line() {
        let packed =
            crate::fetch::archive::tests::compressed(crate::fetch::compression::Compression::Gzip, b"x\ny\n");
        assert!(
            message("a.gz", &packed[..packed.len() - 3], None).contains("a.gz:3: the gzip data is damaged")
        );
        assert!(message("a.gz", b"not gzip", None).contains("a.gz:1: the gzip data is damaged"));
    }
}
