//! The tokeniser of NIST's `mteval-v13a.pl`, in the form of sacreBLEU's `13a`.
//!
//! # Source
//! sacreBLEU 2.6.0, `tokenizers/tokenizer_13a.py` and `tokenizer_re.py`.

use super::set_apart::Rules;
use std::borrow::Cow;

/// Calls `visit` with every token of `segment`, in order.
pub(super) fn for_each_token(segment: &str, visit: impl FnMut(&str)) {
    let rules = Rules {
        symbol: is_symbol,
        point: is_point,
        digit: |c: char| c.is_ascii_digit(),
        hyphen_after_digit: true,
        ends_are_non_digits: true,
    };
    rules.for_each_token(&unescape(segment), visit);
}

/// Applies the part of the rules that does not depend on the language: marks of skipped words, hyphens at
/// line ends, line breaks and character entities.
fn unescape(segment: &str) -> Cow<'_, str> {
    if !segment.bytes().any(|byte| matches!(byte, b'<' | b'\n' | b'&')) {
        return Cow::Borrowed(segment);
    }
    let text = segment.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if !text.contains('&') {
        return Cow::Owned(text);
    }
    Cow::Owned(without_entities(&text))
}

/// Replaces four character entities, in this order, so that `&amp;lt;` becomes `<`.
pub(super) fn without_entities(text: &str) -> String {
    text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">")
}

pub(super) fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// Every ASCII symbol but `'`, `,`, `-` and `.`.
pub(super) fn is_symbol(c: char) -> bool {
    matches!(c, '!'..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~')
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

    /// The four substitutions as the source states them.
    fn by_substitution(segment: &str) -> String {
        static RULES: LazyLock<Substitutions> = LazyLock::new(Substitutions::of_mteval_13a);
        RULES.apply(format!(" {} ", unescape(segment)))
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(5_000))]

        #[test]
        fn one_scan_equals_the_four_substitutions(line in "[.,05a\\-+' é\u{a0}\u{1c}]{0,24}") {
            prop_assert_eq!(tokens(&line), by_substitution(&line));
        }

        #[test]
        fn one_scan_equals_the_four_substitutions_on_any_text(line in any::<String>()) {
            prop_assert_eq!(tokens(&line), by_substitution(&line));
        }
    }

    #[test]
    fn points_and_hyphens_stay_inside_numbers_and_words() {
        assert_eq!(tokens("1,000.5-2"), "1,000.5 - 2");
        assert_eq!(tokens("10-12 Uhr"), "10 - 12 Uhr");
        assert_eq!(tokens("state-of-the-art isn't"), "state-of-the-art isn't");
        assert_eq!(tokens("„Hallo“, sagte er – 5 €."), "„Hallo“ , sagte er – 5 € .");
    }

    #[test]
    fn a_point_set_apart_by_rule_2_does_not_set_apart_the_next() {
        assert_eq!(tokens("a.,5"), "a . ,5");
        assert_eq!(tokens("a..5 .,5"), "a . .5 . ,5");
        assert_eq!(tokens("5.,5 ..."), "5 . , 5 . . .");
    }

    #[test]
    fn entities_are_decoded_once_and_in_order() {
        assert_eq!(tokens("a&quot;b &amp; c"), "a \" b & c");
        assert_eq!(tokens("&amp;lt; &amp;amp; &amp;quot; &apos;"), "< & amp ; & quot ; & apos ;");
    }

    #[test]
    fn line_ends_and_skipped_marks_vanish() {
        assert_eq!(tokens("exam-\nple<skipped> one\ntwo"), "example one two");
        assert_eq!(tokens(""), "");
    }
}
