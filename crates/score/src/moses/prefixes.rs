//! Words whose full stop does not end a sentence: `Dr.`, `No. 5`.

use super::language::Language;
use std::collections::HashSet;

/// Mark in the lists behind words that keep their full stop only before a number.
const NUMERIC_ONLY: &str = " #NUMERIC_ONLY#";

/// The words of one language. Source and licence: `prefixes/README.md`.
#[derive(Debug, Clone)]
pub(super) struct Prefixes {
    /// Words that keep their full stop before anything.
    always: HashSet<&'static str>,
    /// Words that keep their full stop before a digit.
    before_digits: HashSet<&'static str>,
}

impl Prefixes {
    pub(super) fn of(language: Language) -> Self {
        let list = match language {
            Language::German => include_str!("prefixes/de.txt"),
            Language::English | Language::Japanese => include_str!("prefixes/en.txt"),
            Language::French => include_str!("prefixes/fr.txt"),
            Language::Russian => include_str!("prefixes/ru.txt"),
            Language::Chinese => include_str!("prefixes/zh.txt"),
        };
        let before_digits: HashSet<_> =
            list.lines().filter_map(|line| line.strip_suffix(NUMERIC_ONLY)).collect();
        let always = list.lines().filter(|word| !before_digits.contains(word)).collect();
        Prefixes { always, before_digits }
    }

    /// Whether `word` keeps its full stop before `next`.
    pub(super) fn keeps_full_stop(&self, word: &str, next: Option<&str>) -> bool {
        let digit_follows = next.is_some_and(|next| next.starts_with(|c: char| c.is_ascii_digit()));
        self.always.contains(word) || (digit_follows && self.before_digits.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_words_keep_their_full_stop_only_before_digits() {
        let english = Prefixes::of(Language::English);
        assert!(english.keeps_full_stop("Dr", None) && english.keeps_full_stop("Dr", Some("Who")));
        assert!(english.keeps_full_stop("No", Some("5th")));
        assert!(!english.keeps_full_stop("No", Some("٥")) && !english.keeps_full_stop("No", None));
        assert!(!english.keeps_full_stop("word", Some("5")));
        assert!(Prefixes::of(Language::German).keeps_full_stop("bzw", None));
    }
}
