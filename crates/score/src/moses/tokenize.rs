//! Words and signs set apart by blanks.
//!
//! # Source
//! sacremoses 0.2.0, `tokenize.py` (`MosesTokenizer.tokenize`), without its option to protect patterns.
//!
//! # Deviation
//! From Moses's `tokenizer.perl`, as sacremoses: classes of characters are those of `characters.rs`; Finnish
//! and Swedish colons have no rule; a line may end in a blank, after `.'`. From sacremoses: [`Language`].

use super::characters::{DIGIT, HAN, INDIC_SIGN, KANA, LETTER, LOWER, NUMBER, SPACE};
use super::language::Language;
use super::prefixes::Prefixes;
use super::rewrite::{Rewrite, regex};
use crate::white_space::{trim, words};
use regex::{Captures, Regex};

/// Options of Moses's command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TokenizeOptions {
    /// Hyphens between letters or digits become tokens: `well-known` gives `well @-@ known` (Moses's `-a`).
    pub split_hyphens: bool,
    /// Write the signs that are special to Moses as entities: `&`, `|`, `<`, `>`, `'`, `"`, `[`, `]`.
    /// `false` is Moses's `-no-escape`.
    pub escape: bool,
}

impl Default for TokenizeOptions {
    /// Moses's defaults.
    fn default() -> Self {
        TokenizeOptions { split_hyphens: false, escape: true }
    }
}

/// Sets words and signs apart, line by line.
#[derive(Debug, Clone)]
pub struct Tokenizer {
    options: TokenizeOptions,
    clean: Rewrite,
    signs: Rewrite,
    hyphens: Rewrite,
    full_stops: Regex,
    commas_and_apostrophes: Rewrite,
    prefixes: Prefixes,
    letter: Regex,
    starts_lower: Regex,
    full_stop_marks: Regex,
}

impl Tokenizer {
    pub fn new(language: Language, options: TokenizeOptions) -> Self {
        // Chinese and Japanese add their own characters to the letters in some of the rules.
        let own = match language {
            Language::Chinese => HAN.to_string(),
            Language::Japanese => format!("{KANA}{HAN}"),
            _ => String::new(),
        };
        let signs = format!(r"[^{LETTER}{DIGIT}{INDIC_SIGN}{own}{SPACE}.'`,\-]");
        let between = format!("([{LETTER}{DIGIT}{INDIC_SIGN}{own}])-([{LETTER}{DIGIT}{INDIC_SIGN}{own}])");
        let commas = [
            (format!("([^{NUMBER}]),"), "$1 , "),
            (format!(",([^{NUMBER}])"), " , $1"),
            (format!("([{NUMBER}]),$"), "$1 , "),
        ];
        Tokenizer {
            options,
            clean: Rewrite::new([(format!("{SPACE}+").as_str(), " "), (r"[\x00-\x1f]", "")]),
            signs: Rewrite::new([(signs, " $0 ")]),
            // Matches share letters in `a-b-c`; a second round finds those that the first has used up.
            hyphens: Rewrite::new([(between.as_str(), "$1 @-@ $2"), (between.as_str(), "$1 @-@ $2")]),
            full_stops: regex(r"\.{2,}"),
            commas_and_apostrophes: Rewrite::new(commas.into_iter().chain(apostrophes(language))),
            prefixes: Prefixes::of(language),
            letter: regex(&format!("[{LETTER}{INDIC_SIGN}{own}]")),
            starts_lower: regex(&format!("^[{LOWER}]")),
            full_stop_marks: regex("(?:DOT)+MULTI"),
        }
    }

    /// Returns the tokens of `line`, with one blank between them.
    pub fn tokenize(&self, line: &str) -> String {
        let mut text = trim(&self.clean.apply(line.to_string())).to_string();
        text = self.signs.apply(text);
        if self.options.split_hyphens {
            text = self.hyphens.apply(text);
        }
        text = self.mark_full_stops(&text);
        text = self.commas_and_apostrophes.apply(text);
        text = self.set_full_stops_apart(&text);
        if let Some(text_before) = text.strip_suffix(".'") {
            text = format!("{text_before} . ' ");
        }
        text = self.restore_full_stops(&text);
        if self.options.escape { escape(&text) } else { text }
    }

    /// Writes full stops in a row as letters, so that the rules see a word: `..` as ` DOTDOTMULTI `.
    fn mark_full_stops(&self, text: &str) -> String {
        let mark = |found: &Captures| {
            let mark = format!(" {}MULTI", "DOT".repeat(found[0].len()));
            let end = found.get(0).map_or(text.len(), |found| found.end());
            if end < text.len() { mark + " " } else { mark }
        };
        self.full_stops.replace_all(text, mark).into_owned()
    }

    /// Undoes [`Tokenizer::mark_full_stops`]. As in sacremoses, such letters in the text itself are changed, too.
    fn restore_full_stops(&self, text: &str) -> String {
        let full_stops = |found: &Captures| ".".repeat((found[0].len() - "MULTI".len()) / "DOT".len());
        self.full_stop_marks.replace_all(text, full_stops).into_owned()
    }

    /// Sets a full stop at the end of a word apart, unless the word is an abbreviation or the next word begins small.
    fn set_full_stops_apart(&self, text: &str) -> String {
        let mut tokens = words(text).peekable();
        let mut done = String::with_capacity(text.len() + 8);
        while let Some(token) = tokens.next() {
            if !done.is_empty() {
                done.push(' ');
            }
            let next = tokens.peek().copied();
            match token.strip_suffix('.') {
                Some(word) if !word.is_empty() && !self.keeps_full_stop(word, next) => {
                    done.push_str(word);
                    done.push_str(" .");
                }
                _ => done.push_str(token),
            }
        }
        done
    }

    fn keeps_full_stop(&self, word: &str, next: Option<&str>) -> bool {
        (word.contains('.') && self.letter.is_match(word))
            || next.is_some_and(|next| self.starts_lower.is_match(next))
            || self.prefixes.keeps_full_stop(word, next)
    }
}

/// Returns the rules for apostrophes, which belong to the word before, to the word after, or to none.
fn apostrophes(language: Language) -> Vec<(String, &'static str)> {
    // Without the characters that a language adds: sacremoses compiles these rules before it adds them.
    let letter = format!("{LETTER}{INDIC_SIGN}");
    let both = |before: String, after: String| format!("({before})'({after})");
    match language {
        Language::English => vec![
            (both(format!("[^{letter}]"), format!("[^{letter}]")), "$1 ' $2"),
            (both(format!("[^{letter}{NUMBER}]"), format!("[{letter}]")), "$1 ' $2"),
            (both(format!("[{letter}]"), format!("[^{letter}]")), "$1 ' $2"),
            (both(format!("[{letter}]"), format!("[{letter}]")), "$1 '$2"),
            (both(format!("[{NUMBER}]"), "s".to_string()), "$1 '$2"),
        ],
        Language::French => vec![
            (both(format!("[^{letter}]"), format!("[^{letter}]")), "$1 ' $2"),
            (both(format!("[^{letter}]"), format!("[{letter}]")), "$1 ' $2"),
            (both(format!("[{letter}]"), format!("[^{letter}]")), "$1 ' $2"),
            (both(format!("[{letter}]"), format!("[{letter}]")), "$1' $2"),
        ],
        Language::German | Language::Japanese | Language::Russian | Language::Chinese => {
            vec![("'".to_string(), " ' ")]
        }
    }
}

/// Writes the signs that are special to Moses as entities.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '|' => escaped.push_str("&#124;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\'' => escaped.push_str("&apos;"),
            '"' => escaped.push_str("&quot;"),
            '[' => escaped.push_str("&#91;"),
            ']' => escaped.push_str("&#93;"),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(language: Language, line: &str) -> String {
        Tokenizer::new(language, TokenizeOptions { escape: false, ..Default::default() }).tokenize(line)
    }

    #[test]
    fn words_and_signs_stand_apart() {
        for (language, line, expected) in [
            (Language::English, "It's 5,300.50 (about), isn't it?", "It 's 5,300.50 ( about ) , isn 't it ?"),
            (Language::French, "L'été d'1 an, non ?", "L' été d ' 1 an , non ?"),
            (Language::German, "Er hat's, z.B. Dr. Ute.", "Er hat ' s , z.B. Dr. Ute ."),
            (Language::English, "No. 5. No. That etc. and ... so..", "No. 5 . No . That etc. and ... so .."),
            (Language::Russian, "5 м. Да.", "5 м. Да ."),
            (Language::Chinese, "他说：“好。”", "他说 ： “ 好。 ”"),
            (Language::English, " \t\u{0}", ""),
        ] {
            assert_eq!(tokens(language, line), expected, "{line}");
        }
    }

    #[test]
    fn every_hyphen_between_letters_can_be_split() {
        let options = TokenizeOptions { split_hyphens: true, escape: true };
        let tokenizer = Tokenizer::new(Language::English, options);
        assert_eq!(tokenizer.tokenize("a-b-c-d -e f-"), "a @-@ b @-@ c @-@ d -e f-");
        assert_eq!(tokenizer.tokenize("[R&D] <b>"), "&#91; R &amp; D &#93; &lt; b &gt;");
    }

    #[test]
    fn what_looks_like_an_internal_mark_becomes_full_stops_as_in_the_source() {
        assert_eq!(tokens(Language::English, "DOTDOTMULTI DOTS"), ".. DOTS");
        assert_eq!(tokens(Language::English, "he said 'so.'"), "he said ' so . ' ");
    }
}
