//! The international tokeniser of `mteval-v14.pl`, in the form of sacreBLEU's `intl`.
//!
//! Punctuation (Unicode category P) stands alone unless between numbers (category N), symbols
//! (category S) stand alone always. Nothing is unescaped, and a full stop after a number stays with
//! it at the end of a line: both are so in the original.
//!
//! # Source
//! sacreBLEU 2.6.0, `tokenizers/tokenizer_intl.py`.
//!
//! # Deviation
//! Categories are those of Unicode 16, in sacreBLEU those of the release of Python's `regex` module.
//! Compared over all code points with `regex` 2026.11.15: the only differences are 587 characters that
//! newer versions of Unicode have added, 5 in P, 246 in S and 336 in N, unassigned here.

use super::set_apart::Rules;
use unicode_general_category::{GeneralCategory, get_general_category};

/// Calls `visit` with every token of `segment`, in order.
pub(super) fn for_each_token(segment: &str, visit: impl FnMut(&str)) {
    let rules = Rules {
        symbol: is_symbol,
        point: is_punctuation,
        digit: is_number,
        hyphen_after_digit: false,
        ends_are_non_digits: false,
    };
    rules.for_each_token(segment, visit);
}

fn is_punctuation(c: char) -> bool {
    use GeneralCategory::*;
    matches!(
        get_general_category(c),
        ConnectorPunctuation
            | DashPunctuation
            | OpenPunctuation
            | ClosePunctuation
            | InitialPunctuation
            | FinalPunctuation
            | OtherPunctuation
    )
}

fn is_symbol(c: char) -> bool {
    use GeneralCategory::*;
    matches!(get_general_category(c), MathSymbol | CurrencySymbol | ModifierSymbol | OtherSymbol)
}

fn is_number(c: char) -> bool {
    use GeneralCategory::*;
    matches!(get_general_category(c), DecimalNumber | LetterNumber | OtherNumber)
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

    /// The three substitutions as the source states them.
    fn by_substitution(segment: &str) -> String {
        static RULES: LazyLock<Substitutions> = LazyLock::new(|| {
            Substitutions::new([
                (r"(\P{N})(\p{P})", "$1 $2 "),
                (r"(\p{P})(\P{N})", " $1 $2"),
                (r"(\p{S})", " $1 "),
            ])
        });
        RULES.apply(segment.to_string())
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn one_scan_equals_the_three_substitutions(line in "[.,05a²Ⅳ„“$+´ \u{a0}\u{1c}]{0,24}") {
            prop_assert_eq!(tokens(&line), by_substitution(&line));
        }
    }

    #[test]
    fn punctuation_stays_between_numbers_only() {
        assert_eq!(tokens("1,000.5-2"), "1,000.5-2");
        assert_eq!(tokens("10-12 Uhr"), "10-12 Uhr");
        assert_eq!(tokens("state-of-the-art isn't"), "state - of - the - art isn ' t");
        assert_eq!(tokens("„Hallo“, sagte er – 5 €."), "„ Hallo “ , sagte er – 5 € .");
    }

    #[test]
    fn nothing_is_unescaped() {
        assert_eq!(tokens("a&quot;b &amp; c"), "a & quot ; b & amp ; c");
    }

    #[test]
    fn a_full_stop_after_a_number_ends_the_line_with_it() {
        assert_eq!(tokens("in 1990."), "in 1990.");
        assert_eq!(tokens("in 1990. So"), "in 1990 . So");
        assert_eq!(tokens(".5"), ".5");
    }
}
