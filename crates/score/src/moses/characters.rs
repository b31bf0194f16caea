//! The classes of characters in Moses's rules, as sets of `regex`.
//!
//! sacremoses ships lists of characters that a tool made from the properties of Perl's Unicode tables. The
//! lists are those properties with the gaps named here, all of which show in tokens of rare scripts and are
//! kept. `tests/texts/moses.rs` holds every set to its list.

/// White space of Python's `str` methods and `\s`: Unicode's, and U+001C to U+001F.
pub(super) const SPACE: &str = r"[\s\x1c-\x1f]";

/// Letters, and marks that belong to them (Perl's `Alphabetic`), of Unicode 7.
///
/// Only letters up to U+FFFF. Chinese characters and Korean syllables are not in the list, nor marks that became
/// alphabetic later; U+25CC is, because the tool prints marks on it.
pub(super) const LETTER: &str = concat!(
    r"[[\p{Alphabetic}&&\p{age=7.0}&&[\x00-\u{ffff}]]--\p{Han}--[\u{ac00}-\u{d7a3}]--[",
    r"\u{363}-\u{36f}\u{f82}\u{f83}\u{1063}\u{1064}\u{1069}-\u{106d}\u{1087}-\u{108d}\u{108f}\u{109a}\u{109b}",
    r"\u{1c36}\u{1dd3}-\u{1de6}\u{a802}\u{a80b}\u{a9e5}\u{aa7b}-\u{aa7d}",
    r"]]\u{135f}\u{25cc}",
);

/// Numbers of any kind (Perl's `N`), of Unicode 7 and up to U+FFFF, without the Chinese ones.
pub(super) const NUMBER: &str = r"[[\p{N}&&\p{age=7.0}&&[\x00-\u{ffff}]]--\p{Han}]";

/// Decimal digits among [`NUMBER`].
pub(super) const DIGIT: &str = r"[\p{Nd}&&\p{age=7.0}&&[\x00-\u{ffff}]]";

/// Small letters (Perl's `Lowercase`) of Unicode 9, when Georgian ones were not among them; and U+25CC.
pub(super) const LOWER: &str =
    r"[[\p{Lowercase}&&\p{age=9.0}]--[\u{10d0}-\u{10fa}\u{10fc}-\u{10ff}]]\u{25cc}";

/// Currency symbols (Perl's `Sc`) of Unicode 7.
pub(super) const CURRENCY: &str = r"[\p{Sc}&&\p{age=7.0}]";

/// Signs of Indic scripts that the tokeniser counts as letters: viramas and nuktas, each as sacremoses lists it.
pub(super) const INDIC_SIGN: &str = concat!(
    r"\u{93c}\u{94d}\u{9bc}\u{9cd}\u{a3c}\u{a4d}\u{abc}\u{acd}\u{afd}-\u{aff}\u{b3c}\u{b4d}\u{bcd}\u{c4d}\u{cbc}",
    r"\u{ccd}\u{d3b}\u{d3c}\u{d4d}\u{dca}\u{eba}\u{1039}\u{1714}\u{1bab}\u{1c37}\u{a8c4}\u{a8f3}\u{a8f4}\u{a953}",
    r"\u{aaf6}\u{10a3f}\u{11046}\u{110b9}\u{110ba}\u{11133}\u{11173}\u{111c0}\u{111ca}\u{11235}\u{11236}\u{112e9}",
    r"\u{112ea}\u{1133c}\u{1134d}\u{11442}\u{11446}\u{114c2}\u{114c3}\u{115bf}\u{115c0}\u{1163f}\u{116b6}\u{116b7}",
    r"\u{11839}\u{1183a}\u{119e0}\u{11a34}\u{11c3f}\u{11d42}\u{11d45}\u{11d97}\u{1e94a}",
);

/// Chinese characters and the punctuation used with them, of Unicode 8; and U+25CC.
pub(super) const HAN: &str =
    r"[[\p{scx:Han}&&\p{age=8.0}]--[\u{b7}\u{2ff0}-\u{2ffb}\u{a700}-\u{a707}]]\u{25cc}";

/// Japanese syllables of both scripts and the punctuation used with them, of Unicode 8.
pub(super) const KANA: &str = r"[[[\p{scx:Hiragana}\p{scx:Katakana}]&&\p{age=8.0}]--[\u{305}\u{323}]]";

/// Whether the detokeniser puts no space between `c` and another such character.
///
/// Blocks of Chinese, Japanese, Korean, Yi, Tangut and related scripts, as sacremoses's `is_cjk` lists them.
pub(super) fn is_cjk(c: char) -> bool {
    matches!(c,
        '\u{1100}'..='\u{11ff}'
        | '\u{2e80}'..='\u{a4cf}'
        | '\u{a840}'..='\u{a87f}'
        | '\u{ac00}'..='\u{d7af}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}'
        | '\u{ff65}'..='\u{ffdc}'
        | '\u{17000}'..='\u{18aff}'
        | '\u{1b000}'..='\u{1b12f}'
        | '\u{1b170}'..='\u{1b2ff}'
        | '\u{20000}'..='\u{2ffff}'
    )
}
