//! The tokeniser of NIST's `mteval-v13a.pl`, in the form of sacreBLEU's `13a`.
//!
//! # Source
//! sacreBLEU 2.6.0, `tokenizers/tokenizer_13a.py` and `tokenizer_re.py`. There, four substitutions
//! rewrite the line one after the other:
//!
//! 1. a space on both sides of every ASCII symbol but `'`, `,`, `-` and `.`;
//! 2. `([^0-9])([.,])` → `\1 \2 `: a point that no digit precedes stands alone;
//! 3. `([.,])([^0-9])` → ` \1 \2`: a point that no digit follows stands alone;
//! 4. `([0-9])(-)` → `\1 \2 `: a hyphen after a digit stands alone.
//!
//! One scan does the same, because all four do no more than set single characters apart, and the
//! spaces they add are non-digits beside characters that are non-digits anyway. Only one effect of
//! the sequence shows: matches of rule 2 do not overlap, so a point that it has just set apart
//! cannot serve as the `[^0-9]` before the next one (`a.,5` gives `a . ,5`). Matches of rule 3
//! could only overlap in adjacent points, and rule 2 leaves no two points adjacent.

use super::white_space::is_white_space;
use std::borrow::Cow;

/// Calls `visit` with every token of `segment`, in order.
pub(super) fn for_each_token(segment: &str, mut visit: impl FnMut(&str)) {
    let text = unescape(segment);
    let bytes = text.as_bytes();
    let mut token_start = 0;
    let mut after_rule_2 = false;
    for (index, c) in text.char_indices() {
        // Both ends count as spaces. A byte of a longer character is no digit, as it should be.
        let digit_before = index > 0 && bytes[index - 1].is_ascii_digit();
        let digit_after = bytes.get(index + 1).is_some_and(u8::is_ascii_digit);
        let rule_2 = is_point(c) && !digit_before && !after_rule_2;
        let rule_3 = is_point(c) && !digit_after;
        let rule_4 = c == '-' && digit_before;
        let alone = is_symbol(c) || rule_2 || rule_3 || rule_4;
        after_rule_2 = rule_2;
        if alone || is_white_space(c) {
            if token_start < index {
                visit(&text[token_start..index]);
            }
            token_start = index + c.len_utf8();
            if alone {
                visit(&text[index..token_start]);
            }
        }
    }
    if token_start < text.len() {
        visit(&text[token_start..]);
    }
}

/// The part of the rules that does not depend on the language: marks of skipped words, hyphens at
/// line ends, line breaks and, in this order, four character entities (so `&amp;lt;` becomes `<`).
fn unescape(segment: &str) -> Cow<'_, str> {
    if !segment.contains(['<', '\n', '&']) {
        return Cow::Borrowed(segment);
    }
    let text = segment.replace("<skipped>", "").replace("-\n", "").replace('\n', " ");
    if !text.contains('&') {
        return Cow::Owned(text);
    }
    let text = text.replace("&quot;", "\"").replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">");
    Cow::Owned(text)
}

fn is_point(c: char) -> bool {
    matches!(c, '.' | ',')
}

/// The characters of rule 1, less the space, which separates tokens anyway.
fn is_symbol(c: char) -> bool {
    matches!(c, '!'..='&' | '('..='+' | '/' | ':'..='@' | '['..='`' | '{'..='~')
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use regex::Regex;
    use std::sync::LazyLock;

    fn tokens(segment: &str) -> String {
        let mut tokens = Vec::new();
        for_each_token(segment, |token| tokens.push(token.to_string()));
        tokens.join(" ")
    }

    /// The four substitutions as the source states them.
    fn by_substitution(segment: &str) -> String {
        static RULES: LazyLock<Vec<(Regex, &str)>> = LazyLock::new(|| {
            [
                (r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", " $1 "),
                (r"(?s)([^0-9])([\.,])", "$1 $2 "),
                (r"(?s)([\.,])([^0-9])", " $1 $2"),
                (r"([0-9])(-)", "$1 $2 "),
            ]
            .map(|(pattern, replacement)| (Regex::new(pattern).unwrap(), replacement))
            .to_vec()
        });
        let padded = format!(" {} ", unescape(segment));
        let line = RULES.iter().fold(padded, |line, (rule, to)| rule.replace_all(&line, *to).into_owned());
        line.split(is_white_space).filter(|token| !token.is_empty()).collect::<Vec<_>>().join(" ")
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
