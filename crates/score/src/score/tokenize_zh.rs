//! The tokeniser for Chinese, in the form of sacreBLEU's `zh`: every Chinese character stands alone,
//! and the rules of `13a`, without unescaping, cut what lies between.
//!
//! # Source
//! sacreBLEU 2.6.0, `tokenizers/tokenizer_zh.py`.

use super::set_apart::Rules;
use super::tokenize_13a::{is_point, is_symbol};
use crate::white_space::trim;

/// Calls `visit` with every token of `segment`, in order.
pub(super) fn for_each_token(segment: &str, visit: impl FnMut(&str)) {
    let rules = Rules {
        symbol: |c: char| is_symbol(c) || is_chinese(c),
        point: is_point,
        digit: |c: char| c.is_ascii_digit(),
        hyphen_after_digit: true,
        ends_are_non_digits: false,
    };
    rules.for_each_token(trim(segment), visit);
}

/// Whether a character counts as Chinese, by the ranges of the source.
///
/// Two of its ranges are meant for ideographs beyond U+FFFF but written as `'\u20000'` to
/// `'\u2a6d6'` and `'\u2f800'` to `'\u2fa1d'`. Python reads the first as U+2000 followed by a zero,
/// so that as a bound on single characters it means U+2001 to U+2A6D: dashes, quotation marks, the
/// euro sign and arrows stand alone, ideographs of extension B do not. Scores are only comparable if
/// this is kept.
fn is_chinese(c: char) -> bool {
    matches!(c,
        '\u{2001}'..='\u{2a6d}'     // meant: U+20000 to U+2A6D6, ideographs, extension B
        | '\u{2e80}'..='\u{2eff}'   // radicals, supplement
        | '\u{2f00}'..='\u{2fdf}'   // radicals; holds U+2F81 to U+2FA1, meant: U+2F800 to U+2FA1D
        | '\u{2ff0}'..='\u{303f}'   // description characters, punctuation
        | '\u{3100}'..='\u{312f}'   // phonetic symbols
        | '\u{31a0}'..='\u{31bf}'   // phonetic symbols, extension
        | '\u{31c0}'..='\u{31ef}'   // strokes
        | '\u{3200}'..='\u{33ff}'   // enclosed letters, compatibility characters
        | '\u{3400}'..='\u{4db5}'   // ideographs, extension A
        | '\u{4e00}'..='\u{9fbb}'   // ideographs
        | '\u{f900}'..='\u{fa2d}'   // compatibility ideographs
        | '\u{fa30}'..='\u{fa6a}'
        | '\u{fa70}'..='\u{fad9}'
        | '\u{fe10}'..='\u{fe1f}'   // vertical forms
        | '\u{fe30}'..='\u{fe4f}'   // compatibility forms
        | '\u{ff00}'..='\u{ffef}'   // full-width and half-width forms
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::score::set_apart::testing::{Substitutions, joined};
    use proptest::prelude::*;
    use std::sync::LazyLock;

    fn tokens(segment: &str) -> String {
        joined(|visit| for_each_token(segment, visit))
    }

    /// The substitutions as the source states them.
    fn by_substitution(segment: &str) -> String {
        static RULES: LazyLock<Substitutions> = LazyLock::new(Substitutions::of_mteval_13a);
        let mut line = String::new();
        for c in trim(segment).chars() {
            line += &if is_chinese(c) { format!(" {c} ") } else { c.to_string() };
        }
        RULES.apply(line)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn one_scan_equals_the_substitutions(line in "[.,05a!\\-+'语、“ \u{3000}\u{1c}\n]{0,24}") {
            prop_assert_eq!(tokens(&line), by_substitution(&line));
        }
    }

    #[test]
    fn ideographs_stand_alone_and_numbers_stay_whole() {
        assert_eq!(tokens("他买了3.5公斤苹果，很便宜。"), "他 买 了 3.5 公 斤 苹 果 ， 很 便 宜 。");
        assert_eq!(tokens("GPT-4 10-12、ok"), "GPT-4 10 - 12 、 ok");
    }

    #[test]
    fn the_ranges_are_the_source_s_also_where_it_errs() {
        assert_eq!(tokens("a—b“c”€5→"), "a — b “ c ” € 5 →");
        assert_eq!(tokens("\u{20000}\u{20001}\u{2000b}"), "\u{20000}\u{20001}\u{2000b}");
        assert!(!is_chinese('\u{2000}') && is_chinese('\u{2001}'));
        assert!(is_chinese('\u{2a6d}') && !is_chinese('\u{2a6e}'));
    }

    #[test]
    fn a_point_at_an_end_stays_unless_the_other_side_sets_it_apart() {
        assert_eq!(tokens("5."), "5.");
        assert_eq!(tokens(".5"), ".5");
        assert_eq!(tokens(".,5"), ". , 5");
        assert_eq!(tokens("a."), "a .");
        assert_eq!(tokens("&amp; x"), "& amp ; x");
    }
}
