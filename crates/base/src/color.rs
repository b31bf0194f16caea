//! Colours on the terminal: whether output may be coloured or bold, and the format of errors.

use anstream::AutoStream;
use anstream::stream::RawStream;
use clap::{ColorChoice, ValueEnum};
use std::ffi::OsString;

/// Returns the value of `--color` from a command line that is not parsed yet, because the errors of parsing are
/// coloured too. An invalid value counts as `auto`; parsing refuses it later.
pub fn choice_of_words(words: impl IntoIterator<Item = OsString>) -> ColorChoice {
    let mut choice = ColorChoice::Auto;
    let mut words = words.into_iter().take_while(|word| word != "--");
    while let Some(word) = words.next() {
        let Some(word) = word.to_str() else { continue };
        let value = match word.strip_prefix("--color") {
            Some("") => words.next().and_then(|value| value.into_string().ok()),
            Some(rest) => rest.strip_prefix('=').map(String::from),
            None => None,
        };
        if let Some(value) = value {
            choice = ColorChoice::from_str(&value, false).unwrap_or_default();
        }
    }
    choice
}

/// Sets the choice for this process.
pub fn apply(choice: ColorChoice) {
    match choice {
        ColorChoice::Auto => anstream::ColorChoice::Auto,
        ColorChoice::Always => anstream::ColorChoice::Always,
        ColorChoice::Never => anstream::ColorChoice::Never,
    }
    .write_global();
}

/// Whether standard output may be coloured or bold.
pub fn on_stdout() -> bool {
    wanted(&std::io::stdout())
}

/// Whether standard error may be coloured or bold.
pub fn on_stderr() -> bool {
    wanted(&std::io::stderr())
}

fn wanted(stream: &impl RawStream) -> bool {
    AutoStream::choice(stream) != anstream::ColorChoice::Never
}

/// Formats an error for the terminal: `error:` in red and `help:` in green, if `colored`.
pub fn error(message: &str, colored: bool) -> String {
    if !colored {
        return format!("error: {message}");
    }
    let help = message.replace("\n  help:", "\n  \u{1b}[1;32mhelp:\u{1b}[0m");
    format!("\u{1b}[1;31merror:\u{1b}[0m {help}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_choice_before_the_end_of_options_counts() {
        let of = |words: &str| choice_of_words(words.split(' ').map(OsString::from));
        assert_eq!(of("ablate table --color never x"), ColorChoice::Never);
        assert_eq!(of("ablate --color=always"), ColorChoice::Always);
        assert_eq!(of("ablate --color=always --color never"), ColorChoice::Never);
        for words in [
            "ablate",
            "ablate --color",
            "ablate --color red",
            "ablate --colors never",
            "ablate -- --color never",
        ] {
            assert_eq!(of(words), ColorChoice::Auto, "{words}");
        }
    }

    #[test]
    fn errors_are_plain_or_marked() {
        assert_eq!(error("a\n  help: b", false), "error: a\n  help: b");
        assert_eq!(
            error("a\n  help: b", true),
            "\u{1b}[1;31merror:\u{1b}[0m a\n  \u{1b}[1;32mhelp:\u{1b}[0m b"
        );
    }
}
