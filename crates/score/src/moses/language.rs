//! The languages whose rules are known.

use crate::error::{Error, Result};
use serde::Deserialize;
use std::fmt;
use std::str::FromStr;

/// A language, by its ISO 639-1 code. Abbreviations, apostrophes, quotation marks and numbers depend on it.
///
/// # Deviation
/// sacremoses knows more languages, and takes English rules for those it does not know. Here only Japanese
/// takes them, and other languages are refused: a score must not depend on a silent fallback.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub enum Language {
    #[serde(rename = "de")]
    German,
    #[serde(rename = "en")]
    English,
    #[serde(rename = "fr")]
    French,
    #[serde(rename = "ja")]
    Japanese,
    #[serde(rename = "ru")]
    Russian,
    #[serde(rename = "zh")]
    Chinese,
}

impl Language {
    pub const ALL: [Language; 6] = [
        Language::German,
        Language::English,
        Language::French,
        Language::Japanese,
        Language::Russian,
        Language::Chinese,
    ];

    /// The ISO 639-1 code.
    pub fn code(self) -> &'static str {
        match self {
            Language::German => "de",
            Language::English => "en",
            Language::French => "fr",
            Language::Japanese => "ja",
            Language::Russian => "ru",
            Language::Chinese => "zh",
        }
    }
}

impl fmt::Display for Language {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.code())
    }
}

impl FromStr for Language {
    type Err = Error;

    /// Parses the ISO 639-1 code.
    fn from_str(code: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|language| language.code() == code).ok_or_else(|| {
            let codes = Self::ALL.map(Language::code).join(", ");
            Error::user(format!("there are no Moses rules for language {code:?}; there are for {codes}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn languages_are_known_by_their_codes() {
        for language in Language::ALL {
            assert_eq!(language.code().parse::<Language>().unwrap(), language);
            assert_eq!(serde_json::from_str::<Language>(&format!("\"{language}\"")).unwrap(), language);
        }
        let error = "xx".parse::<Language>().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("de, en, fr, ja, ru, zh"), "{error}");
    }
}
