//! Cutting a line into pieces, and writing bytes as printable characters.
//!
//! Merges never cross pieces, so a piece is what a word is to subword-nmt. The cut loses
//! nothing: the pieces of a line, put together, are the line with one blank before it.

use std::sync::LazyLock;

/// Rule that cuts lines into pieces.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Cut {
    /// Letters with their marks, digits, or other signs, each with at most one blank before it; or white space.
    #[default]
    Text,
    /// The rule of [`Cut::Text`], but a bracket with the letters directly behind it is a piece: `(NP` and `)NP` of a tree
    /// that is written as a sequence. Merges make one token of each, as in the vocabularies of Vinyals et al. (2015).
    Trees,
}

impl Cut {
    /// The pieces as a regular expression. Every character belongs to exactly one of four classes, so nothing falls between
    /// pieces.
    pub const fn pattern(self) -> &'static str {
        match self {
            Cut::Text => r" ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+",
            Cut::Trees => r" ?[()][\p{L}\p{M}]+| ?[\p{L}\p{M}]+| ?\p{N}+| ?[^\s\p{L}\p{M}\p{N}]+|\s+",
        }
    }
}

/// The four classes of [`Cut::pattern`].
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
pub fn for_each_piece(line: &str, cut: Cut, mut visit: impl FnMut(&str)) {
    if line.is_empty() {
        return;
    }
    let classes = &**CLASSES;
    let mut rest = String::with_capacity(line.len() + 1);
    rest.push(' ');
    rest.push_str(line);
    let mut rest = rest.as_str();
    while !rest.is_empty() {
        let end = match cut {
            Cut::Text => None,
            Cut::Trees => first_symbol(rest, classes),
        };
        let (piece, after) = rest.split_at(end.unwrap_or_else(|| first_piece(rest, classes)));
        visit(piece);
        rest = after;
    }
}

/// Returns the end of the first piece of `text`, which is not empty.
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

/// Returns the end of the bracket with its label that `text` begins with, if it does.
fn first_symbol(text: &str, classes: &[Class]) -> Option<usize> {
    let bracket = text.strip_prefix(' ').unwrap_or(text);
    let label = bracket.strip_prefix(['(', ')'])?;
    let after = label.trim_start_matches(|character| classes[character as usize] == Class::Letter);
    (after.len() < label.len()).then(|| text.len() - after.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn pieces(line: &str) -> Vec<String> {
        pieces_of(line, Cut::Text)
    }

    fn pieces_of(line: &str, cut: Cut) -> Vec<String> {
        let mut found = Vec::new();
        for_each_piece(line, cut, |piece| found.push(piece.to_string()));
        found
    }

    #[test]
    fn words_digits_signs_and_blanks_become_pieces() {
        assert_eq!(pieces("Don't pay 30€!"), [" Don", "'", "t", " pay", " 30", "€!"]);
        assert_eq!(pieces("a  b\t c "), [" a", "  ", "b", "\t ", "c", " "]);
        assert_eq!(pieces(""), [""; 0]);
    }

    #[test]
    fn a_bracket_of_a_tree_goes_with_its_label() {
        let cut = |line| pieces_of(line, Cut::Trees);
        assert_eq!(cut("(S (NP XX )NP . )S"), [" (S", " (NP", " XX", " )NP", " .", " )S"]);
        assert_eq!(cut("(( )a1 -LRB- ("), [" ((", " )a", "1", " -", "LRB", "-", " ("]);
        assert_eq!(pieces("(S )S"), [" (", "S", " )", "S"]);
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
        fn pieces_are_the_matches_of_the_pattern(line in any::<String>(), near in "[ \\t\u{a0}a-cß\u{301}0-2½.!()]{0,30}") {
            for cut in [Cut::Text, Cut::Trees] {
                let pattern = regex::Regex::new(cut.pattern()).unwrap();
                for line in [&line, &near].into_iter().filter(|line| !line.is_empty()) {
                    let prefixed = format!(" {line}");
                    let found = pattern.find_iter(&prefixed).map(|piece| piece.as_str().to_string());
                    prop_assert_eq!(pieces_of(line, cut), found.collect::<Vec<_>>());
                }
            }
        }
    }

    #[test]
    fn every_character_has_the_class_that_the_pattern_gives_it() {
        let pattern = regex::Regex::new(Cut::Text.pattern()).unwrap();
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
