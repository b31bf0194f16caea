//! The normalisation of Tercom, after which TER splits at white space.
//!
//! # Source
//! sacreBLEU 2.6.0, `tokenizers/tokenizer_ter.py`, after `Normalizer.java` of Tercom (Snover et al.).
//! Three rules of the source for Japanese syllables are left out: they ask for syllables at the very
//! start of the line, where an earlier rule has put a space, and so never apply.

use super::tokenize_13a::without_entities;
use regex::Regex;
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::LazyLock;

/// Tercom's switches, all off by default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TercomTokenizer {
    /// Decode character entities and set punctuation apart, much as `13a` does.
    pub normalized: bool,
    /// Remove punctuation.
    pub no_punct: bool,
    /// With `normalized`, set Chinese and Japanese characters apart; with `no_punct`, remove their
    /// punctuation, too.
    pub asian_support: bool,
    /// Keep capitals.
    pub case_sensitive: bool,
}

impl TercomTokenizer {
    /// Returns the text whose words between white space are compared.
    pub(super) fn normalize<'a>(&self, segment: &'a str) -> Cow<'a, str> {
        let mut text = Cow::Borrowed(segment);
        if !self.case_sensitive {
            text = Cow::Owned(text.to_lowercase());
        }
        if self.normalized {
            let mut normalized = normalize_western(&text);
            if self.asian_support {
                normalized = set_apart(&normalized, |c| is_asian(c) || is_asian_punctuation(c));
            }
            text = Cow::Owned(normalized);
        }
        if self.no_punct {
            let removed = |c| is_punctuation(c) || (self.asian_support && is_asian_punctuation(c));
            text = Cow::Owned(text.replace(removed, ""));
        }
        text
    }
}

/// Applies the part of the rules for any language and for those in Latin letters.
fn normalize_western(text: &str) -> String {
    static RULES: LazyLock<[(Regex, &str); 5]> = LazyLock::new(|| {
        [
            (r"([{-~\[-` -&(-+:-@/])", " $1 "),
            (r"'s ", " 's "),
            (r"([^0-9])([.,])", "$1 $2 "),
            (r"([.,])([^0-9])", " $1 $2"),
            (r"([0-9])(-)", "$1 $2 "),
        ]
        .map(|(pattern, to)| (Regex::new(pattern).expect("the pattern is a constant"), to))
    });
    // A hyphen joins lines where it starts the next one; the original means one that ends a line.
    let text = text.replace("\n-", "").replace('\n', " ");
    let padded = format!(" {} ", without_entities(&text));
    RULES.iter().fold(padded, |text, (rule, to)| rule.replace_all(&text, *to).into_owned())
}

/// Returns `text` with a space on both sides of every character for which `alone` is true.
fn set_apart(text: &str, alone: impl Fn(char) -> bool) -> String {
    let mut apart = String::with_capacity(text.len());
    for c in text.chars() {
        if alone(c) {
            apart.extend([' ', c, ' ']);
        } else {
            apart.push(c);
        }
    }
    apart
}

fn is_punctuation(c: char) -> bool {
    matches!(c, '.' | ',' | '?' | ':' | ';' | '!' | '"' | '(' | ')')
}

fn is_asian_punctuation(c: char) -> bool {
    matches!(c,
        '\u{3001}' | '\u{3002}' | '\u{3008}'..='\u{3011}' | '\u{3014}'..='\u{301f}' | '\u{30fb}'
        | '\u{ff61}'..='\u{ff65}' | '\u{ff01}' | '\u{ff02}' | '\u{ff08}' | '\u{ff09}' | '\u{ff0c}'
        | '\u{ff0e}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}')
}

/// Ideographs, their parts, and compatibility characters.
fn is_asian(c: char) -> bool {
    matches!(c,
        '\u{2e80}'..='\u{2eff}'
        | '\u{31c0}'..='\u{31ef}'
        | '\u{3200}'..='\u{4dbf}'   // the source's range to U+3F22, meant to end at U+32FF, included
        | '\u{4e00}'..='\u{9fff}'
        | '\u{f900}'..='\u{faff}'
        | '\u{fe30}'..='\u{fe4f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(tokenizer: TercomTokenizer, segment: &str) -> String {
        tokenizer.normalize(segment).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn only_capitals_change_by_default() {
        assert_eq!(words(TercomTokenizer::default(), "He's OK, Σ&amp;3.5-4."), "he's ok, σ&amp;3.5-4.");
        let kept = TercomTokenizer { case_sensitive: true, ..Default::default() };
        assert_eq!(words(kept, "He's OK."), "He's OK.");
    }

    #[test]
    fn normalized_sets_punctuation_and_possessives_apart() {
        let normalized = TercomTokenizer { normalized: true, ..Default::default() };
        assert_eq!(words(normalized, "It's Bob's, &amp;lt; 3.5-4."), "it 's bob's , < 3.5 - 4 .");
    }

    #[test]
    fn asian_support_needs_one_of_the_others() {
        let asian = TercomTokenizer { asian_support: true, ..Default::default() };
        let text = "我ひら㐀、b。！";
        assert_eq!(words(asian, text), text);
        assert_eq!(words(TercomTokenizer { normalized: true, ..asian }, text), "我 ひら 㐀 、 b 。 ！");
        assert_eq!(words(TercomTokenizer { no_punct: true, ..asian }, text), "我ひら㐀b");
        assert_eq!(words(TercomTokenizer { no_punct: true, ..Default::default() }, "a.b, 。"), "ab 。");
    }
}
