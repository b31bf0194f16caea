//! The choice of tokeniser: the `tok` of a signature.

use super::{tokenize_13a, tokenize_intl, tokenize_zh};
use crate::error::{Error, Result};
use crate::white_space::{is_white_space, words};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::str::FromStr;

/// Rule that cuts a segment into the tokens that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub enum Tokenization {
    /// The rules of NIST's `mteval-v13a.pl`: WMT's standard and sacreBLEU's default.
    #[default]
    #[serde(rename = "13a")]
    Mteval13a,
    /// The rules of `mteval-v14.pl --international-tokenization`: punctuation and symbols of all
    /// scripts stand alone.
    #[serde(rename = "intl")]
    International,
    /// Every Chinese character a token, and the rules of `13a` for what lies between.
    #[serde(rename = "zh")]
    Chinese,
    /// Every character a token.
    #[serde(rename = "char")]
    Character,
    /// White space as it stands, for text that is already tokenised.
    #[serde(rename = "none")]
    None,
}

impl Tokenization {
    pub const ALL: [Tokenization; 5] = [
        Tokenization::Mteval13a,
        Tokenization::International,
        Tokenization::Chinese,
        Tokenization::Character,
        Tokenization::None,
    ];

    /// Returns the name in configurations and signatures.
    pub fn name(self) -> &'static str {
        match self {
            Tokenization::Mteval13a => "13a",
            Tokenization::International => "intl",
            Tokenization::Chinese => "zh",
            Tokenization::Character => "char",
            Tokenization::None => "none",
        }
    }

    /// Calls `visit` with every token of `segment` in order. Tokens are never empty and contain no
    /// white space.
    pub fn for_each_token(self, segment: &str, mut visit: impl FnMut(&str)) {
        match self {
            Tokenization::Mteval13a => tokenize_13a::for_each_token(segment, visit),
            Tokenization::International => tokenize_intl::for_each_token(segment, visit),
            Tokenization::Chinese => tokenize_zh::for_each_token(segment, visit),
            Tokenization::Character => {
                let mut bytes = [0; 4];
                for c in segment.chars().filter(|&c| !is_white_space(c)) {
                    visit(c.encode_utf8(&mut bytes));
                }
            }
            Tokenization::None => words(segment).for_each(visit),
        }
    }
}

impl FromStr for Tokenization {
    type Err = Error;

    /// Parses the name in signatures.
    fn from_str(name: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|tokenization| tokenization.name() == name).ok_or_else(|| {
            let names = Self::ALL.map(Tokenization::name).join(", ");
            Error::user(format!("there is no such tokeniser; the tokenisers are {names}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(tokenization: Tokenization, segment: &str) -> Vec<String> {
        let mut tokens = Vec::new();
        tokenization.for_each_token(segment, |token| tokens.push(token.to_string()));
        tokens
    }

    #[test]
    fn configurations_use_the_names_of_signatures() {
        for tokenization in Tokenization::ALL {
            let json = format!("\"{}\"", tokenization.name());
            assert_eq!(serde_json::from_str::<Tokenization>(&json).unwrap(), tokenization);
            assert_eq!(tokenization.name().parse::<Tokenization>().unwrap(), tokenization);
        }
    }

    #[test]
    fn an_unknown_name_is_the_user_s_mistake() {
        let error = "13b".parse::<Tokenization>().unwrap_err();
        assert_eq!(error.exit_code(), 2);
        assert!(error.to_string().contains("13a, intl, zh, char, none"), "{error}");
    }

    #[test]
    fn none_splits_at_white_space_only() {
        assert_eq!(tokens(Tokenization::None, " a,b\u{1d}\u{a0} c.\t"), ["a,b", "c."]);
    }

    #[test]
    fn char_makes_every_character_but_white_space_a_token() {
        assert_eq!(
            tokens(Tokenization::Character, "né\u{301} \u{1f}语\u{0}"),
            ["n", "é", "\u{301}", "语", "\0"]
        );
    }
}
