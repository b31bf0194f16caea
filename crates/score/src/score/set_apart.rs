//! The scan that the tokenisers of the `mteval` family share: white space separates tokens, and some
//! characters are set apart as tokens of their own.

use crate::white_space::is_white_space;

/// Rules that say which characters are set apart.
///
/// # Source
/// sacreBLEU 2.6.0, `tokenizers/tokenizer_re.py` and `tokenizer_intl.py`, where substitutions rewrite
/// the line one after the other, with *point* and *digit* being classes of characters that have no
/// member in common:
///
/// 1. a space on both sides of every *symbol*;
/// 2. `(non-digit)(point)` → `\1 \2 `: a point that no digit precedes stands alone;
/// 3. `(point)(non-digit)` → ` \1 \2`: a point that no digit follows stands alone;
/// 4. `(digit)(-)` → `\1 \2 `: a hyphen after a digit stands alone.
///
/// One scan does the same, because all of them do no more than set single characters apart, and the
/// spaces they add are non-digits beside characters that are non-digits anyway. Only one effect of
/// the sequence shows: matches of rule 2 do not overlap, so a point that it has just set apart
/// cannot serve as the non-digit before the next one (`a.,5` gives `a . ,5`). Matches of rule 3
/// could only overlap in adjacent points, and rule 2 leaves no two points adjacent.
pub(super) struct Rules<Symbol, Point, Digit> {
    /// Set apart anywhere.
    pub symbol: Symbol,
    /// Set apart unless between digits.
    pub point: Point,
    pub digit: Digit,
    /// Whether rule 4 applies.
    pub hyphen_after_digit: bool,
    /// Whether the ends of the line count as non-digits. Otherwise rules 2 and 3 need a character
    /// there, and a point at an end may stay where it is.
    pub ends_are_non_digits: bool,
}

impl<Symbol, Point, Digit> Rules<Symbol, Point, Digit>
where
    Symbol: Fn(char) -> bool,
    Point: Fn(char) -> bool,
    Digit: Fn(char) -> bool,
{
    /// Calls `visit` with every token of `text`, in order.
    pub(super) fn for_each_token(&self, text: &str, mut visit: impl FnMut(&str)) {
        // Whether the characters before and after are digits; `None` at an end of the line.
        let mut before = None;
        let mut after_rule_2 = false;
        let mut token_start = 0;
        let mut characters = text.char_indices().peekable();
        while let Some((index, c)) = characters.next() {
            let mut after = || characters.peek().map(|&(_, next)| (self.digit)(next));
            let non_digit = |neighbour: Option<bool>| match neighbour {
                Some(digit) => !digit,
                None => self.ends_are_non_digits,
            };
            let point = (self.point)(c);
            let rule_2 = point && non_digit(before) && !after_rule_2;
            let alone = rule_2
                || (self.symbol)(c)
                || (point && non_digit(after()))
                || (self.hyphen_after_digit && c == '-' && before == Some(true));
            if alone || is_white_space(c) {
                if token_start < index {
                    visit(&text[token_start..index]);
                }
                token_start = index + c.len_utf8();
                // White space that is set apart is still no token.
                if alone && !is_white_space(c) {
                    visit(&text[index..token_start]);
                }
            }
            after_rule_2 = rule_2;
            before = Some((self.digit)(c));
        }
        if token_start < text.len() {
            visit(&text[token_start..]);
        }
    }
}

/// Helpers shared by the tests of the tokenisers.
#[cfg(test)]
pub(super) mod testing {
    use crate::white_space::words;
    use regex::Regex;

    /// Returns the tokens that a tokeniser visits, with one space between them.
    pub(in super::super) fn joined(for_each_token: impl FnOnce(&mut dyn FnMut(&str))) -> String {
        let mut tokens = Vec::new();
        for_each_token(&mut |token| tokens.push(token.to_string()));
        tokens.join(" ")
    }

    /// Substitutions one after the other, as the sources of the tokenisers state them.
    pub(in super::super) struct Substitutions(Vec<(Regex, &'static str)>);

    impl Substitutions {
        pub(in super::super) fn new<const N: usize>(rules: [(&str, &'static str); N]) -> Self {
            Substitutions(rules.map(|(pattern, to)| (Regex::new(pattern).unwrap(), to)).into())
        }

        /// The rules that `13a` and `zh` have in common.
        pub(in super::super) fn of_mteval_13a() -> Self {
            Self::new([
                (r"([\{-\~\[-\` -\&\(-\+\:-\@\/])", " $1 "),
                (r"([^0-9])([\.,])", "$1 $2 "),
                (r"([\.,])([^0-9])", " $1 $2"),
                (r"([0-9])(-)", "$1 $2 "),
            ])
        }

        /// Returns the tokens of the line after all substitutions, with one space between them.
        pub(in super::super) fn apply(&self, line: String) -> String {
            let line = self.0.iter().fold(line, |line, (rule, to)| rule.replace_all(&line, *to).into_owned());
            words(&line).collect::<Vec<_>>().join(" ")
        }
    }
}
