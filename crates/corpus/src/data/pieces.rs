//! Cutting a line into pieces, and writing bytes as printable characters.
//!
//! Merges never cross pieces, so a piece is what a word is to subword-nmt. The cut loses
//! nothing: the pieces of a line, put together, are the line with one blank before it.

use std::sync::LazyLock;

/// Letters with their marks, digits, or other signs, each with at most one blank before it; or white space.
///
/// Every character belongs to exactly one of the four classes, so nothing falls between pieces.
pub const PATTERN: &str = r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+";

/// The four classes of [`PATTERN`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Number,
    Space,
    Other,
}

/// The class of every character, as the crate behind `regex` knows them, so that both always agree.
static CLASSES: LazyLock<Box<[Class]>> = LazyLock::new(|| {
    let mut classes = vec![Class::Other; char::MAX as usize + 1].into_boxed_slice();
    for (set, class) in [(r"[\p{L}\p{M}]", Class::Letter), (r"\p{N}", Class::Number), (r"\s", Class::Space)] {
        let parsed = regex_syntax::parse(set).expect("the class is a constant");
        let regex_syntax::hir::HirKind::Class(regex_syntax::hir::Class::Unicode(members)) = parsed.kind()
        else {
            unreachable!("{set} is a class of characters")
        };
        for range in members.ranges() {
            classes[range.start() as usize..=range.end() as usize].fill(class);
        }
    }
    classes
});

/// GPT-2's table: byte → printable character, one to one.
///
/// # Source
/// Radford et al. 2019, the released `encoder.py`, `bytes_to_unicode`: printable Latin-1
/// stands for itself, every other byte for the next character from U+0100 on.
pub const BYTE_CHARACTERS: [char; 256] = byte_characters();

const fn stands_for_itself(byte: usize) -> bool {
    matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff)
}

const fn byte_characters() -> [char; 256] {
    let mut table = ['\0'; 256];
    let (mut byte, mut next) = (0, 0x100);
    while byte < 256 {
        // Either way below U+0200, so the cast always finds a character.
        let code = if stands_for_itself(byte) { byte as u32 } else { next };
        table[byte] = match char::from_u32(code) {
            Some(character) => character,
            None => '\0',
        };
        if !stands_for_itself(byte) {
            next += 1;
        }
        byte += 1;
    }
    table
}

/// Calls `visit` with each piece of `line`, in order. An empty line has none.
pub fn for_each_piece(line: &str, mut visit: impl FnMut(&str)) {
    if line.is_empty() {
        return;
    }
    let classes = &**CLASSES;
    let mut rest = String::with_capacity(line.len() + 1);
    rest.push(' ');
    rest.push_str(line);
    let mut rest = rest.as_str();
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(first_piece(rest, classes));
        visit(piece);
        rest = after;
    }
}

/// Where the first piece of `text`, which is not empty, ends.
fn first_piece(text: &str, classes: &[Class]) -> usize {
    let class = |character: char| classes[character as usize];
    let mut characters = text.chars();
    let first = characters.next().map_or(Class::Other, class);
    let kind = match characters.clone().next().map(class) {
        // One blank goes with what follows it, unless that is white space too.
        Some(second) if text.starts_with(' ') && second != Class::Space => second,
        _ => first,
    };
    text.len() - characters.as_str().trim_start_matches(|character| class(character) == kind).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(line: &str) -> Vec<String> {
        let mut found = Vec::new();
        for_each_piece(line, |piece| found.push(piece.to_string()));
        found
    }

    #[test]
    fn words_digits_signs_and_blanks_become_pieces() {
        assert_eq!(pieces("Don't pay 30€!"), [" Don", "'", "t", " pay", " 30", "€!"]);
        assert_eq!(pieces("a  b\t c "), [" a", "  ", "b", "\t ", "c", " "]);
        assert_eq!(pieces(""), [""; 0]);
    }

    #[test]
    fn every_character_is_in_some_piece() {
        for character in (0..=0x10_ffff).filter_map(char::from_u32) {
            let line = format!("a{character}b");
            assert_eq!(pieces(&line).concat(), format!(" {line}"), "U+{:04X}", character as u32);
        }
    }

    proptest! {
        #[test]
        fn pieces_are_the_matches_of_the_pattern(line in any::<String>(), near in "[ \\t\u{a0}a-cß\u{301}0-2½.!]{0,30}") {
            let pattern = regex::Regex::new(PATTERN).unwrap();
            for line in [line, near].iter().filter(|line| !line.is_empty()) {
                let prefixed = format!(" {line}");
                let expected: Vec<_> = pattern.find_iter(&prefixed).map(|piece| piece.as_str().to_string()).collect();
                prop_assert_eq!(pieces(line), expected);
            }
        }
    }

    #[test]
    fn every_character_has_the_class_that_the_pattern_gives_it() {
        let pattern = regex::Regex::new(PATTERN).unwrap();
        for character in '\0'..=char::MAX {
            let line = format!("a{character}1{character}.{character} {character}");
            let prefixed = format!(" {line}");
            assert!(
                pattern.find_iter(&prefixed).map(|piece| piece.as_str()).eq(pieces(&line)),
                "U+{:04X}",
                character as u32
            );
        }
    }

    #[test]
    fn the_table_of_bytes_is_one_to_one_and_printable() {
        let distinct: std::collections::HashSet<char> = BYTE_CHARACTERS.into_iter().collect();
        assert_eq!(distinct.len(), 256);
        assert!(BYTE_CHARACTERS.iter().all(|c| !c.is_whitespace() && !c.is_control()));
        assert_eq!([BYTE_CHARACTERS[b' ' as usize], BYTE_CHARACTERS[b'\n' as usize]], ['Ġ', 'Ċ']);
        assert_eq!([BYTE_CHARACTERS[0], BYTE_CHARACTERS[0x7f], BYTE_CHARACTERS[0xad]], ['Ā', 'ġ', 'Ń']);
    }
}
