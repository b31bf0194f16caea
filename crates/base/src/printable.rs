//! Foreign text made safe for a terminal: control characters are shown, not executed.
//!
//! Labels, corpora, file names and messages may hold sequences that move the cursor, change the window's title or write
//! to the clipboard. Each control character becomes an escape such as `\u001b`, as in JSON, so that a JSON document
//! keeps its meaning.

use std::borrow::Cow;
use std::fmt::Write;
use std::io::IsTerminal;

/// Returns `text` with its control characters escaped, except line feeds and tabs.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| character.is_control() && !matches!(character, '\n' | '\t'))
}

/// Returns `text` with all control characters escaped, so that it stays in one line and as wide as its characters.
pub fn line(text: &str) -> Cow<'_, str> {
    escaped(text, char::is_control)
}

/// Returns `text` for standard output: unchanged, unless standard output is a terminal ([`lines`]).
pub fn on_stdout(text: &str) -> Cow<'_, str> {
    if std::io::stdout().is_terminal() { lines(text) } else { Cow::Borrowed(text) }
}

/// Returns a word for a shell, in quotes if it needs them.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=,:+@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) { word.to_string() } else { quoted(word) }
}

/// Returns a word for a shell, always in quotes.
pub fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn escaped(text: &str, is_escaped: impl Fn(char) -> bool) -> Cow<'_, str> {
    if !text.contains(&is_escaped) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        match is_escaped(character) {
            // Writing to a string never fails.
            true => _ = write!(shown, "\\u{:04x}", u32::from(character)),
            false => shown.push(character),
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_shown_and_all_else_stays() {
        let text = "a\u{1b}]0;title\u{7}\tb\r\nc\u{9b}31m\u{7f} ü\u{200d}🦀";
        assert_eq!(lines(text), "a\\u001b]0;title\\u0007\tb\\u000d\nc\\u009b31m\\u007f ü\u{200d}🦀");
        assert_eq!(line("a\tb\nc"), "a\\u0009b\\u000ac");
        assert!(matches!(lines("plain\n"), Cow::Borrowed(_)));
    }

    #[test]
    fn words_survive_a_shell() {
        assert_eq!(shell_word("sweeps/a.toml"), "sweeps/a.toml");
        assert_eq!(shell_word("a b"), "'a b'");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }

    #[test]
    fn a_json_document_means_the_same() {
        let value = serde_json::json!({ "label": "a\u{1b}[2J\u{9b}\u{7f}" });
        let text = serde_json::to_string_pretty(&value).unwrap();
        assert_eq!(serde_json::from_str::<serde_json::Value>(&lines(&text)).unwrap(), value);
        assert!(!lines(&text).contains('\u{9b}'));
    }
}
