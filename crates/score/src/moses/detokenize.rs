//! Text from tokens: signs join the words that they belong to.
//!
//! # Source
//! sacremoses 0.2.0, `tokenize.py` (`MosesDetokenizer`); its rules for Czech, Finnish, Italian and Irish are
//! left out, because [`Language`] does not know them.

use super::characters::{CURRENCY, LETTER, is_cjk};
use super::language::Language;
use super::rewrite::regex;
use crate::white_space::{trim, words};
use regex::Regex;
use std::collections::HashSet;

/// Joins tokens to text, line by line.
#[derive(Debug, Clone)]
pub struct Detokenizer {
    language: Language,
    opening: Regex,
    closing: Regex,
    quotation_marks: Regex,
    /// Starts with an apostrophe and a letter: `'s`.
    ending: Regex,
    /// Ends with a letter and an apostrophe: `l'`.
    elision: Regex,
    starts_with_letter: Regex,
}

/// The neighbour that a token joins.
enum Joins {
    Neither,
    Previous,
    Next,
}

impl Detokenizer {
    pub fn new(language: Language) -> Self {
        Detokenizer {
            language,
            opening: regex(&format!(r"^[{CURRENCY}(\[{{¿¡]+$")),
            closing: regex(r"^[,.?!:;\\%}\])]+$"),
            quotation_marks: regex(r#"^['"„“`]+$"#),
            ending: regex(&format!("^'[{LETTER}]")),
            elision: regex(&format!("[{LETTER}]'$")),
            starts_with_letter: regex(&format!("^[{LETTER}]")),
        }
    }

    /// Returns the text of a line of tokens between white space; entities become the signs they stand for.
    pub fn detokenize(&self, line: &str) -> String {
        let joined = format!(" {} ", words(line).collect::<Vec<_>>().join(" "));
        let line = unescape(joined.replace(" @-@ ", "-"));
        let tokens: Vec<&str> = words(&line).collect();
        let mut text = String::with_capacity(line.len());
        let mut open_marks = HashSet::new();
        let mut blank = false;
        for (index, token) in tokens.iter().enumerate() {
            let previous = index.checked_sub(1).map(|index| tokens[index]);
            let next = tokens.get(index + 1).copied();
            let joins = self.joins(token, previous, next, &mut open_marks);
            // In French a blank goes before these signs.
            let french_sign =
                self.language == Language::French && matches!(*token, "?" | "!" | ":" | ";" | "\\" | "%");
            if french_sign || (blank && !matches!(joins, Joins::Previous)) {
                text.push(' ');
            }
            text.push_str(token);
            blank = !matches!(joins, Joins::Next);
        }
        trim(&text).to_string()
    }

    /// Returns the neighbour that `token` joins. `open_marks` holds the quotation marks that are still to be closed.
    fn joins<'a>(
        &self,
        token: &'a str,
        previous: Option<&str>,
        next: Option<&str>,
        open_marks: &mut HashSet<&'a str>,
    ) -> Joins {
        if token.starts_with(is_cjk) {
            let joins = previous.is_some_and(|previous| previous.ends_with(is_cjk));
            return if joins { Joins::Previous } else { Joins::Neither };
        }
        if self.opening.is_match(token) {
            return Joins::Next;
        }
        if self.closing.is_match(token) {
            return Joins::Previous;
        }
        match self.language {
            Language::English if previous.is_some() && self.ending.is_match(token) => return Joins::Previous,
            Language::French
                if self.elision.is_match(token)
                    && next.is_some_and(|next| self.starts_with_letter.is_match(next)) =>
            {
                return Joins::Next;
            }
            _ => {}
        }
        if self.quotation_marks.is_match(token) {
            return self.quotation_mark_joins(token, previous, open_marks);
        }
        Joins::Neither
    }

    /// A quotation mark opens or closes by turns; an English apostrophe after an `s` does neither.
    fn quotation_mark_joins<'a>(
        &self,
        token: &'a str,
        previous: Option<&str>,
        open_marks: &mut HashSet<&'a str>,
    ) -> Joins {
        let mark = if token.chars().all(|c| matches!(c, '„' | '“')) { "\"" } else { token };
        if open_marks.remove(mark) {
            return Joins::Previous;
        }
        let possessive = self.language == Language::English
            && token == "'"
            && previous.is_some_and(|previous| previous.ends_with('s'));
        if possessive {
            return Joins::Previous;
        }
        open_marks.insert(mark);
        Joins::Next
    }
}

/// Replaces entities of Moses, older ones too, by their signs; `&amp;` last, so that nothing is decoded twice.
fn unescape(mut text: String) -> String {
    for (entity, sign) in [
        ("&bar;", "|"),
        ("&#124;", "|"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&bra;", "["),
        ("&ket;", "]"),
        ("&quot;", "\""),
        ("&apos;", "'"),
        ("&#91;", "["),
        ("&#93;", "]"),
        ("&amp;", "&"),
    ] {
        if text.contains(entity) {
            text = text.replace(entity, sign);
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_join_the_words_they_belong_to() {
        for (language, tokens, expected) in [
            (Language::English, "It &apos;s ( about ) $ 5 , is n&apos;t it ?", "It's (about) $5, is n't it?"),
            (
                Language::English,
                "the dogs &apos; &quot; well @-@ known &quot; house",
                "the dogs' \"well-known\" house",
            ),
            (Language::German, "„ Hallo “ , &amp;lt; er .", "„Hallo“, &lt; er."),
            (Language::French, "L&apos; été &apos; n&apos; 5 ?", "L'été 'n' 5 ?"),
            (Language::Chinese, "他 说 hello 好 。", "他说 hello 好。"),
            (Language::English, " ", ""),
        ] {
            assert_eq!(Detokenizer::new(language).detokenize(tokens), expected, "{tokens}");
        }
    }
}
