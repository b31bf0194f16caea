//! UTF-8 in files: the byte order mark, and the place where valid UTF-8 ends.

/// The mark with which some programs begin a file to declare it as UTF-8.
pub const BYTE_ORDER_MARK: char = '\u{feff}';

/// Returns the place behind the bytes in `valid`: its line, and its byte in that line, both counted from 1.
pub fn end_of(valid: &[u8]) -> (usize, usize) {
    let line = valid.iter().filter(|&&byte| byte == b'\n').count() + 1;
    let byte = valid.iter().rev().take_while(|&&byte| byte != b'\n').count() + 1;
    (line, byte)
}

#[cfg(test)]
mod tests {
    use super::end_of;

    #[test]
    fn lines_and_bytes_are_counted_from_one() {
        assert_eq!([&b""[..], b"ab", b"a\n", b"a\n\nbc"].map(end_of), [(1, 1), (1, 3), (2, 1), (3, 3)]);
    }
}
