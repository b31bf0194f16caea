//! Reading parallel text, and which training pairs are kept.
//!
//! One sentence a line, plain or gzip. Lines end at `\n` alone (so U+2028, which other readers
//! take for a line end, stays inside), and one `\r` before it is dropped.
//! Config keys: `data.recipe`, `data.lowercase`, `data.max_length`, `data.max_length_ratio`.

use super::{DataConfig, FilePair};
use crate::error::{Error, Result};
use flate2::read::MultiGzDecoder;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fs::File;
use std::io::{BufRead, BufReader, ErrorKind};
use std::path::{Path, PathBuf};

/// Reads a text file line by line and hashes it on the way.
pub struct LineReader {
    path: PathBuf,
    input: Box<dyn BufRead>,
    buffer: Vec<u8>,
    lines: usize,
    hasher: blake3::Hasher,
}

impl LineReader {
    /// Opens `path`; a name in `.gz` is decompressed.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("read", path))?;
        let input: Box<dyn BufRead> = match is_gzip(path) {
            true => Box::new(BufReader::new(MultiGzDecoder::new(BufReader::new(file)))),
            false => Box::new(BufReader::new(file)),
        };
        Ok(LineReader {
            path: path.into(),
            input,
            buffer: Vec::new(),
            lines: 0,
            hasher: blake3::Hasher::new(),
        })
    }

    /// The next line without its end, or nothing after the last.
    ///
    /// # Errors
    /// User errors with file and line: not UTF-8, damaged or truncated gzip.
    pub fn next_line(&mut self) -> Result<Option<&str>> {
        self.buffer.clear();
        if let Err(error) = self.input.read_until(b'\n', &mut self.buffer) {
            return Err(self.read_error(error));
        }
        if self.buffer.is_empty() {
            return Ok(None);
        }
        self.hasher.update(&self.buffer);
        self.lines += 1;
        let line = self.buffer.strip_suffix(b"\n").unwrap_or(&self.buffer);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        match std::str::from_utf8(line) {
            Ok(line) => Ok(Some(line)),
            Err(error) => Err(Error::user(format!(
                "{}:{}: byte {} of this line is not UTF-8; convert the file, for example with iconv",
                self.path.display(),
                self.lines,
                error.valid_up_to() + 1
            ))),
        }
    }

    fn read_error(&self, error: std::io::Error) -> Error {
        let damaged = matches!(
            error.kind(),
            ErrorKind::UnexpectedEof | ErrorKind::InvalidData | ErrorKind::InvalidInput
        );
        if damaged && is_gzip(&self.path) {
            return Error::user(format!(
                "{}:{}: the gzip data is damaged or ends too early ({error}); fetch the file again",
                self.path.display(),
                self.lines + 1
            ));
        }
        Error::io("read", &self.path)(error)
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

/// Calls `visit` with every pair of lines and says what the two files held.
///
/// # Errors
/// User errors that name the file: missing, empty, unreadable (see [`LineReader::next_line`]),
/// sides of unequal length, or not the number of pairs that the recipe states.
pub fn read_pairs(
    pair: &FilePair,
    directory: &Path,
    mut visit: impl FnMut(&str, &str) -> Result<()>,
) -> Result<[SourceFile; 2]> {
    let mut source = LineReader::open(&locate(directory, &pair.source)?)?;
    let mut target = LineReader::open(&locate(directory, &pair.target)?)?;
    loop {
        match (source.next_line()?, target.next_line()?) {
            (Some(source), Some(target)) => visit(source, target)?,
            (None, None) => break,
            (Some(_), None) => return Err(unequal(&mut source, &target)),
            (None, Some(_)) => return Err(unequal(&mut target, &source)),
        }
    }
    if source.lines == 0 {
        return Err(Error::user(format!("{}: the file is empty", source.path.display())));
    }
    if let Some(stated) = pair.pairs.filter(|&stated| stated != source.lines) {
        return Err(Error::user(format!(
            "{}: has {} lines, but the recipe states pairs = {stated}; it is another version of the file, or a part of it",
            source.path.display(),
            source.lines
        )));
    }
    Ok([source.summary(&pair.source), target.summary(&pair.target)])
}

/// The error for two sides of which `longer` goes on when `shorter` has ended.
fn unequal(longer: &mut LineReader, shorter: &LineReader) -> Error {
    loop {
        match longer.next_line() {
            Ok(Some(_)) => {}
            Ok(None) => break,
            Err(error) => return error,
        }
    }
    Error::user(format!(
        "{} has {} lines, but {} has {}; line n of one must translate line n of the other",
        longer.path.display(),
        longer.lines,
        shorter.path.display(),
        shorter.lines
    ))
}

/// The file called `name` in `directory`, with `.gz` or without.
fn locate(directory: &Path, name: &str) -> Result<PathBuf> {
    let other = match name.strip_suffix(".gz") {
        Some(plain) => plain.to_string(),
        None => format!("{name}.gz"),
    };
    let found = [name, &other].into_iter().map(|name| directory.join(name)).find(|path| path.is_file());
    found.ok_or_else(|| {
        Error::user(format!(
            "{}: neither {name} nor {other} is there; give the folder that holds them with --source",
            directory.display()
        ))
    })
}

fn is_gzip(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "gz")
}

/// `line` as the configuration wants it: lower-cased, if it says so.
pub fn normalized<'a>(line: &'a str, config: &DataConfig) -> Cow<'a, str> {
    if config.lowercase { Cow::Owned(line.to_lowercase()) } else { Cow::Borrowed(line) }
}

/// Whether a training pair has text on both sides.
pub fn has_text(source: &str, target: &str) -> bool {
    !source.trim().is_empty() && !target.trim().is_empty()
}

/// What became of the training pairs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CleaningCounts {
    pub read: usize,
    pub kept: usize,
    /// Dropped: a side without text.
    pub empty: usize,
    /// Dropped: a side of more than `max_length` tokens.
    pub too_long: usize,
    /// Dropped: the sides differ by more than a factor of `max_length_ratio`.
    pub unbalanced: usize,
}

impl CleaningCounts {
    /// Counts a pair with text on both sides, by the tokens of each; says whether it is kept.
    pub fn keep(&mut self, source_length: usize, target_length: usize, config: &DataConfig) -> bool {
        let (shorter, longer) = (source_length.min(target_length), source_length.max(target_length));
        if longer > config.max_length {
            self.too_long += 1;
            false
        } else if longer as f64 > config.max_length_ratio * shorter as f64 {
            self.unbalanced += 1;
            false
        } else {
            self.kept += 1;
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    fn pair(source: &str, target: &str) -> FilePair {
        let (source, target) = (source.to_string(), target.to_string());
        FilePair { source, target, pairs: None, source_url: None, target_url: None }
    }

    fn read(files: &[(&str, &[u8])], pair: &FilePair) -> Result<Vec<(String, String)>> {
        let directory = tempfile::tempdir().unwrap();
        files.iter().for_each(|(name, bytes)| std::fs::write(directory.path().join(name), bytes).unwrap());
        let mut pairs = Vec::new();
        read_pairs(pair, directory.path(), |source, target| {
            pairs.push((source.to_string(), target.to_string()));
            Ok(())
        })?;
        Ok(pairs)
    }

    fn message(files: &[(&str, &[u8])], pair: &FilePair) -> String {
        let error = read(files, pair).unwrap_err();
        assert_eq!(error.exit_code(), 2, "{error}");
        error.to_string()
    }

    #[test]
    fn lines_end_at_line_feeds_alone_and_lose_one_carriage_return() {
        let pairs =
            read(&[("a", "x\u{2028}y\u{85}\r\n\r\r\nz".as_bytes()), ("b", b"1\n\n3\n")], &pair("a", "b"));
        let expected = [("x\u{2028}y\u{85}", "1"), ("\r", ""), ("z", "3")].map(|(a, b)| (a.into(), b.into()));
        assert_eq!(pairs.unwrap(), expected);
    }

    #[test]
    fn a_gzip_name_finds_the_plain_file_and_the_other_way_round() {
        let two_members = [gzip(b"x\n"), gzip(b"y\n")].concat();
        let pairs = read(&[("a.gz", &two_members), ("b", b"1\n2\n")], &pair("a", "b.gz")).unwrap();
        assert_eq!(pairs, [("x".into(), "1".into()), ("y".into(), "2".into())]);
    }

    #[test]
    fn the_hash_is_that_of_the_text_however_compressed() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        std::fs::write(path("a"), b"x\n").unwrap();
        std::fs::write(path("b.gz"), gzip(b"x\n")).unwrap();
        let [a, b] = read_pairs(&pair("a", "b"), directory.path(), |_, _| Ok(())).unwrap();
        assert_eq!((&a.blake3, a.lines), (&b.blake3, b.lines));
    }

    #[test]
    fn mistakes_in_files_are_named_with_file_and_line() {
        let ab = pair("a", "b");
        let missing = message(&[("a", b"x\n")], &ab);
        assert!(missing.contains("neither b nor b.gz") && missing.contains("--source"), "{missing}");
        let encoding = message(&[("a", b"x\ny\n"), ("b", b"1\n2\xff\n")], &ab);
        assert!(encoding.contains("b:2: byte 2 of this line is not UTF-8"), "{encoding}");
        let unequal = message(&[("a", b"x\n"), ("b", b"1\n2\n3\n")], &ab);
        assert!(unequal.contains("b has 3 lines, but") && unequal.contains("a has 1;"), "{unequal}");
        let stated = message(&[("a", b"x\n"), ("b", b"1\n")], &FilePair { pairs: Some(7), ..ab.clone() });
        assert!(stated.contains("has 1 lines, but the recipe states pairs = 7"), "{stated}");
        let empty = message(&[("a", b""), ("b", b"")], &ab);
        assert!(empty.contains("a: the file is empty"), "{empty}");
    }

    #[test]
    fn every_truncation_of_a_gzip_file_is_an_error() {
        let text = "one line and another\n".repeat(20);
        let (whole, plain) = (gzip(text.as_bytes()), text.as_bytes());
        for length in 0..whole.len() {
            let shown = message(&[("a.gz", &whole[..length]), ("b", plain)], &pair("a", "b"));
            assert!(shown.contains("a.gz"), "{length}: {shown}");
        }
        assert!(read(&[("a.gz", &whole), ("b", plain)], &pair("a", "b")).is_ok());
        assert!(
            message(&[("a.gz", b"not gzip"), ("b", plain)], &pair("a", "b"))
                .contains("a.gz:1: the gzip data")
        );
    }
}
