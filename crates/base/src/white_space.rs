//! White space as Python's `str` methods define it, on which the tokenisers of sacreBLEU and sacremoses rely.

/// Whether `str.split()` and `str.rstrip()` of Python treat `c` as white space.
///
/// Unicode's `White_Space`, which Rust uses, plus the four ASCII separators U+001C to U+001F, which
/// Python adds because their bidirectional class is B or S.
///
/// # Source
/// Python's library reference, `str.isspace`; compared over all code points with Python 3.11.
pub fn is_white_space(c: char) -> bool {
    matches!(c, '\u{1c}'..='\u{1f}') || c.is_whitespace()
}

/// Returns `text` without white space at its end: Python's `str.rstrip()`.
pub fn trim_end(text: &str) -> &str {
    text.trim_end_matches(is_white_space)
}

/// Returns `text` without white space at its ends: Python's `str.strip()`.
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_white_space)
}

/// Splits `text` at white space: Python's `str.split()`.
pub fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(is_white_space).filter(|word| !word.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn white_space_is_what_python_says() {
        // [c for c in range(0x110000) if chr(c).isspace()]
        let python = [
            0x9, 0xa, 0xb, 0xc, 0xd, 0x1c, 0x1d, 0x1e, 0x1f, 0x20, 0x85, 0xa0, 0x1680, 0x2000, 0x2001,
            0x2002, 0x2003, 0x2004, 0x2005, 0x2006, 0x2007, 0x2008, 0x2009, 0x200a, 0x2028, 0x2029, 0x202f,
            0x205f, 0x3000,
        ];
        let ours: Vec<u32> = ('\0'..=char::MAX).filter(|&c| is_white_space(c)).map(u32::from).collect();
        assert_eq!(ours, python);
    }

    #[test]
    fn ends_are_trimmed_and_words_found() {
        assert_eq!(trim_end(" a\u{1c}b \u{1f}\u{3000}\r\n"), " a\u{1c}b");
        assert_eq!(trim(" a\u{1c}b \u{1f}"), "a\u{1c}b");
        assert_eq!(words(" a\u{1c}b \u{1f}").collect::<Vec<_>>(), ["a", "b"]);
    }
}
