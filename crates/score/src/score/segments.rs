//! Reading text to be scored: one segment a line.

use crate::error::{Error, Result};
use crate::utf8::{BYTE_ORDER_MARK, end_of};
use crate::white_space::trim_end;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::Path;

/// The path that stands for standard input.
pub const STANDARD_INPUT: &str = "-";

/// Reads the segments of a UTF-8 file that this program has written, which has no byte-order mark: U+FEFF at its start
/// is text.
///
/// # Errors
/// A user error that names file and line for text that is not UTF-8, and the file where it is missing or a
/// directory; an I/O error where it cannot be read.
pub fn read_own_segments(path: impl AsRef<Path>) -> Result<Vec<String>> {
    let (name, bytes) = read_bytes(path)?;
    segments_of(&name, bytes)
}

/// Returns the segments of text that was read from the file `name`.
///
/// As in sacreBLEU 2.6.0 (`utils.py`, `smart_open`), lines end at `\n` alone, a last line without
/// `\n` counts, and white space at line ends is dropped, so that `\r\n` reads like `\n` while a
/// `\r` inside a line is white space of that line.
///
/// # Errors
/// A user error that names file and line for text that is not UTF-8.
pub fn segments_of(name: &str, bytes: Vec<u8>) -> Result<Vec<String>> {
    let text = std::str::from_utf8(&bytes).map_err(|error| {
        let (line, byte) = end_of(&bytes[..error.valid_up_to()]);
        Error::user(format!("{name}:{line}: byte {byte} is not UTF-8; convert the text to UTF-8"))
    })?;
    Ok(text.split_terminator('\n').map(|line| trim_end(line).to_string()).collect())
}

/// Removes a byte-order mark from the start of a file's segments. Returns whether there was one.
///
/// # Deviation
/// sacreBLEU takes the mark for a part of the first word.
pub fn strip_byte_order_mark(segments: &mut [String]) -> bool {
    let rest = segments.first().and_then(|first| first.strip_prefix(BYTE_ORDER_MARK)).map(str::to_string);
    let found = rest.is_some();
    if let (Some(first), Some(rest)) = (segments.first_mut(), rest) {
        *first = rest;
    }
    found
}

/// Reads the bytes of a file, or of standard input if `path` is [`STANDARD_INPUT`], with the name that messages use.
///
/// # Errors
/// A user error for a file that is missing or a directory; an I/O error for what cannot be read.
pub fn read_bytes(path: impl AsRef<Path>) -> Result<(String, Vec<u8>)> {
    let path = path.as_ref();
    Ok(match path.as_os_str() == STANDARD_INPUT {
        true => ("standard input".to_string(), read_standard_input()?),
        false => (path.display().to_string(), read_file(path)?),
    })
}

fn read_standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    std::io::stdin().read_to_end(&mut bytes).map_err(Error::io("read", "standard input"))?;
    Ok(bytes)
}

fn read_file(path: &Path) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|mut file| file.read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(match error.kind() {
            ErrorKind::NotFound => Error::user(format!("{}: there is no such file", path.display())),
            ErrorKind::IsADirectory => {
                Error::user(format!("{} is a directory; name a file with one segment a line", path.display()))
            }
            _ => Error::io("read", path)(error),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::PathBuf;

    fn written(name: &str, bytes: &[u8]) -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        (directory, path)
    }

    #[test]
    fn lines_end_at_newlines_alone() {
        let text = "a\u{2028}b \u{1f}\r\n\n c\rd\u{85}e\u{1e}f\n";
        let (_directory, path) = written("text", text.as_bytes());
        assert_eq!(read_own_segments(&path).unwrap(), ["a\u{2028}b", "", " c\rd\u{85}e\u{1e}f"]);
    }

    #[test]
    fn one_byte_order_mark_at_the_start_of_a_file_is_no_text() {
        let (_directory, path) = written("text", "\u{feff}\u{feff}a\n\u{feff}b\n".as_bytes());
        let mut segments = read_own_segments(&path).unwrap();
        assert_eq!(segments, ["\u{feff}\u{feff}a", "\u{feff}b"]);
        assert!(strip_byte_order_mark(&mut segments));
        assert_eq!(segments, ["\u{feff}a", "\u{feff}b"]);
    }

    #[test]
    fn a_last_line_needs_no_newline_and_an_empty_file_has_no_line() {
        for (text, lines) in [("", 0), ("\n", 1), ("a", 1), ("a\n", 1), ("a\n\n", 2), ("a\n ", 2)] {
            let (_directory, path) = written("text", text.as_bytes());
            assert_eq!(read_own_segments(&path).unwrap().len(), lines, "{text:?}");
        }
    }

    #[test]
    fn mistakes_name_file_and_line() {
        let (_directory, path) = written("latin1.txt", b"good\nschlie\xdflich\n");
        let error = read_own_segments(&path).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("latin1.txt:2: byte 7 is not UTF-8"), "{error}");

        let directory = tempfile::tempdir().unwrap();
        let error = read_own_segments(directory.path()).unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("is a directory"), "{error}");

        let error = read_own_segments("no/such/file").unwrap_err();
        assert_eq!(error.to_string(), "no/such/file: there is no such file");
        assert_eq!(error.exit_code(), 2);
    }
}
