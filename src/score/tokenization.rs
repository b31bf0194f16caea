//! The choice of tokeniser: the `tok` of a signature.

use super::tokenize_13a;
use super::white_space::is_white_space;
use serde::{Deserialize, Serialize};

/// How a segment is cut into the tokens that are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Tokenization {
    /// The rules of NIST's `mteval-v13a.pl`: WMT's standard and sacreBLEU's default.
    #[default]
    #[serde(rename = "13a")]
    Mteval13a,
    /// White space as it stands, for text that is already tokenised.
    #[serde(rename = "none")]
    None,
}

impl Tokenization {
    /// The name in configurations and signatures.
    pub fn name(self) -> &'static str {
        match self {
            Tokenization::Mteval13a => "13a",
            Tokenization::None => "none",
        }
    }

    /// Calls `visit` with every token of `segment` in order. Tokens are never empty and contain no
    /// white space.
    pub fn for_each_token(self, segment: &str, visit: impl FnMut(&str)) {
        match self {
            Tokenization::Mteval13a => tokenize_13a::for_each_token(segment, visit),
            Tokenization::None => {
                segment.split(is_white_space).filter(|token| !token.is_empty()).for_each(visit)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn configurations_use_the_names_of_signatures() {
        for tokenization in [Tokenization::Mteval13a, Tokenization::None] {
            let json = serde_json::to_string(&tokenization).unwrap();
            assert_eq!(json, format!("\"{}\"", tokenization.name()));
            assert_eq!(serde_json::from_str::<Tokenization>(&json).unwrap(), tokenization);
        }
    }

    #[test]
    fn none_splits_at_white_space_only() {
        let mut tokens = Vec::new();
        Tokenization::None.for_each_token(" a,b\u{1d}\u{a0} c.\t", |token| tokens.push(token.to_string()));
        assert_eq!(tokens, ["a,b", "c."]);
    }
}
