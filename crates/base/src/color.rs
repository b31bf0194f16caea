//! Whether what is printed may be coloured or bold, and how errors are.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::sync::atomic::{AtomicU8, Ordering};

/// The value of `--color`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ColorChoice {
    /// On terminals, unless NO_COLOR is set or TERM is dumb
    #[default]
    Auto,
    /// Always, also in files and pipes
    Always,
    Never,
}

static CHOICE: AtomicU8 = AtomicU8::new(ColorChoice::Auto as u8);

impl ColorChoice {
    /// What a command line asks for, before it is parsed: its own errors are coloured too. What is no choice counts
    /// as [`Auto`](Self::Auto); parsing refuses it.
    pub fn of_words(words: impl IntoIterator<Item = OsString>) -> ColorChoice {
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
                choice = <ColorChoice as clap::ValueEnum>::from_str(&value, false).unwrap_or_default();
            }
        }
        choice
    }

    /// Makes it the choice of this process.
    pub fn apply(self) {
        CHOICE.store(self as u8, Ordering::Relaxed);
    }

    /// The same for the parser of the command line.
    pub fn for_clap(self) -> clap::ColorChoice {
        match self {
            ColorChoice::Auto => clap::ColorChoice::Auto,
            ColorChoice::Always => clap::ColorChoice::Always,
            ColorChoice::Never => clap::ColorChoice::Never,
        }
    }
}

/// Whether standard output may be coloured or bold.
pub fn on_stdout() -> bool {
    wanted(|| std::io::stdout().is_terminal())
}

/// Whether standard error may be coloured or bold.
pub fn on_stderr() -> bool {
    wanted(|| std::io::stderr().is_terminal())
}

fn wanted(terminal: impl FnOnce() -> bool) -> bool {
    const ALWAYS: u8 = ColorChoice::Always as u8;
    const NEVER: u8 = ColorChoice::Never as u8;
    match CHOICE.load(Ordering::Relaxed) {
        ALWAYS => true,
        NEVER => false,
        _ => {
            let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
            let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
            !refused && !dumb && terminal()
        }
    }
}

/// An error as it is printed: `error:` in red, `help:` in green.
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
        let of = |words: &str| ColorChoice::of_words(words.split(' ').map(OsString::from));
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
