//! Reading the lines of a text file, one after the other.
//!
//! Lines end at `\n` alone (so U+2028, which other readers take for a line end, stays inside), and one `\r`
//! before it is dropped. Compressed files are recognised by the endings of their names. Only the current line is in
//! memory, and at most [`LONGEST_LINE`] bytes of it.

use crate::error::{Error, Result};
use crate::fetch::compression::{damage, open};
use crate::utf8::{BYTE_ORDER_MARK, end_of};
use serde::{Deserialize, Serialize};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

/// Largest number of bytes in a line; a sentence has a few hundred, and a file without line ends has no sentences.
pub const LONGEST_LINE: usize = 1 << 20;

/// A defect that makes a line unusable as text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Defect {
    /// The line is not UTF-8; `byte` is the first invalid byte, counted from 1.
    NotUtf8 { byte: usize },
    /// More than [`LONGEST_LINE`] bytes.
    TooLong,
}

/// Summary of the text of a source file, which does not depend on its compression.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SourceFile {
    /// Name of the file in the recipe.
    pub name: String,
    pub lines: usize,
    /// blake3 of the decompressed text, in hexadecimal.
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
            // The content of a line that is too long is not needed.
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

    /// Returns the current line without its end and, in the first line, without a byte order mark.
    pub fn current(&self) -> std::result::Result<&str, Defect> {
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.too_long || line.len() > LONGEST_LINE {
            return Err(Defect::TooLong);
        }
        let text =
            std::str::from_utf8(line).map_err(|error| Defect::NotUtf8 { byte: error.valid_up_to() + 1 })?;
        // Some editors mark UTF-8 with this character. Later in a text it is an ordinary character.
        Ok(if self.lines == 1 { text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text) } else { text })
    }

    /// Reads the whole text at once, for formats that do not consist of lines.
    ///
    /// # Errors
    /// The errors of [`LineReader::advance`], and a user error with the line for text that is not UTF-8.
    pub fn read_whole(&mut self) -> Result<String> {
        let mut bytes = Vec::new();
        self.input.read_to_end(&mut bytes).map_err(|error| self.unreadable(error))?;
        self.hasher.update(&bytes);
        let ends = bytes.iter().filter(|&&byte| byte == b'\n').count();
        self.lines = ends + usize::from(bytes.last().is_some_and(|&last| last != b'\n'));
        let text = String::from_utf8(bytes).map_err(|error| {
            let (line, byte) = end_of(&error.as_bytes()[..error.utf8_error().valid_up_to()]);
            self.mistake_at(line, &not_utf8(byte))
        })?;
        Ok(text.strip_prefix(BYTE_ORDER_MARK).map(String::from).unwrap_or(text))
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Number of the current line, from 1.
    pub fn number(&self) -> usize {
        self.lines
    }

    /// A user error about the current line.
    pub fn mistake(&self, what: &str) -> Error {
        self.mistake_at(self.lines, what)
    }

    /// A user error about another line.
    pub fn mistake_at(&self, line: usize, what: &str) -> Error {
        Error::user(format!("{}:{line}: {what}", self.path.display()))
    }

    /// Returns the user error for a defect of the current line. `is_sentence` says whether the line is a sentence, which
    /// cleaning can leave out.
    pub fn defect(&self, defect: Defect, is_sentence: bool) -> Error {
        let (what, cleaning) = match defect {
            Defect::NotUtf8 { byte } => (
                not_utf8(byte),
                ", or leave such training pairs out with cleaning.drop_not_utf8 in the recipe",
            ),
            Defect::TooLong => {
                let what =
                    format!("this line has more than {LONGEST_LINE} bytes; divide it into shorter lines");
                (what, ", or leave such training pairs out with cleaning.max_characters in the recipe")
            }
        };
        self.mistake(&format!("{what}{}", if is_sentence { cleaning } else { "" }))
    }

    fn unreadable(&self, error: std::io::Error) -> Error {
        match damage(&self.path.to_string_lossy(), &error) {
            Some(why) => self.mistake_at(self.lines + 1, &why),
            None => Error::io("read", &self.path)(error),
        }
    }

    /// Returns name, number of lines and hash of the text read so far.
    pub fn summary(&self, name: &str) -> SourceFile {
        SourceFile {
            name: name.into(),
            lines: self.lines,
            blake3: self.hasher.finalize().to_hex().to_string(),
        }
    }
}

fn not_utf8(byte: usize) -> String {
    format!("byte {byte} of this line is not UTF-8; convert the file, for example with iconv")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(name: &str, bytes: &[u8]) -> Result<Vec<String>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        let mut reader = LineReader::open(&path)?;
        let mut found = Vec::new();
        while reader.advance()? {
            found.push(reader.current().map_or_else(|defect| format!("{defect:?}"), str::to_string));
        }
        assert_eq!(reader.number(), found.len());
        let mut whole = LineReader::open(&path)?;
        if let Ok(text) = whole.read_whole() {
            assert_eq!(whole.summary(name), reader.summary(name), "{text}");
        }
        Ok(found)
    }

    fn message(name: &str, bytes: &[u8]) -> String {
        let error = read(name, bytes).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn lines_end_at_line_feeds_alone_and_lose_one_carriage_return() {
        let found = read("a", "x\u{2028}y\u{85}\r\n\r\r\n\nz".as_bytes()).unwrap();
        assert_eq!(found, ["x\u{2028}y\u{85}", "\r", "", "z"]);
        assert!(read("a", b"").unwrap().is_empty());
    }

    #[test]
    fn defective_lines_are_told_and_the_next_ones_read() {
        let long = "x".repeat(10 << 20);
        let text = [b"a\n1\xff2\n", long.as_bytes(), b"\nb\n"].concat();
        assert_eq!(read("a", &text).unwrap(), ["a", "NotUtf8 { byte: 2 }", "TooLong", "b"]);
        let longest = "x".repeat(LONGEST_LINE);
        assert_eq!(read("a", format!("{longest}\r\n").as_bytes()).unwrap(), ["TooLong"]);
        assert_eq!(read("a", format!("{longest}\n").as_bytes()).unwrap(), [longest.as_str()]);
        assert_eq!(read("a", longest.as_bytes()).unwrap(), [longest]);
    }

    #[test]
    fn damage_is_told_with_file_and_line() {
        let packed =
            crate::fetch::archive::tests::compressed(crate::fetch::compression::Compression::Gzip, b"x\ny\n");
        assert!(message("a.gz", &packed[..packed.len() - 3]).contains("a.gz:3: the gzip data is damaged"));
        assert!(message("a.gz", b"not gzip").contains("a.gz:1: the gzip data is damaged"));
    }
}
