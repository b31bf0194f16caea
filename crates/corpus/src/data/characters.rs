//! The tokenizer of characters (`data.pieces = "characters"`): a token for each character of the training text.
//!
//! A character that the training text does not have is `<unk>`. Ids: the special tokens, `<unk>`, then the
//! characters in the order of their code points. The blank is always one of them.

use super::bpe::{PieceCounts, SPECIALS};
use super::tokenizer_json::{joined, not_ours, quoted};
use crate::error::{Error, Result};
use hashbrown::HashMap;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};

/// Stands for every character that the training text does not have.
const UNKNOWN: &str = "<unk>";
/// Tokens before the first character.
const FIRST: u32 = SPECIALS.len() as u32 + 1;
/// Largest number of different characters in a training text: more than any writing system needs.
const MOST_CHARACTERS: usize = 1 << 15;

/// The smallest and the largest size of a vocabulary of characters.
pub const SIZES: [usize; 2] = [FIRST as usize + 1, FIRST as usize + MOST_CHARACTERS];

/// Encodes lines as ids of their characters and back.
#[derive(Debug, Clone)]
pub struct CharacterTokenizer {
    /// Each token as `tokenizer.json` writes it.
    tokens: Vec<Box<str>>,
    ids: HashMap<char, u32>,
}

impl CharacterTokenizer {
    /// Creates a tokenizer of the characters of a text.
    ///
    /// # Errors
    /// A user error if there are too many for a vocabulary.
    pub fn from_counts(counts: &PieceCounts) -> Result<Self> {
        let characters: BTreeSet<char> =
            counts.pieces().flat_map(str::chars).chain(std::iter::once(' ')).collect();
        if characters.len() > MOST_CHARACTERS {
            return Err(Error::user(format!(
                "the training text has {} different characters, and a vocabulary of characters holds {MOST_CHARACTERS}; \
                 use data.pieces = \"bpe\"",
                characters.len()
            )));
        }
        Ok(Self::of(characters))
    }

    fn of(characters: impl IntoIterator<Item = char>) -> Self {
        let mut tokens: Vec<Box<str>> = SPECIALS.into_iter().chain([UNKNOWN]).map(Box::from).collect();
        let mut ids = HashMap::new();
        for character in characters {
            ids.insert(character, tokens.len() as u32);
            tokens.push(character.to_string().into());
        }
        CharacterTokenizer { tokens, ids }
    }

    pub fn size(&self) -> usize {
        self.tokens.len()
    }

    /// The character itself; `<unused>` beyond the vocabulary.
    pub fn token(&self, id: u32) -> &str {
        self.tokens.get(id as usize).map_or("<unused>", |token| token)
    }

    /// Returns a token in readable form: a blank as `␣`, a control character as its escape sequence.
    pub fn label(&self, id: u32) -> String {
        match self.token(id) {
            " " => "␣".into(),
            token if token.contains(char::is_control) => token.escape_default().to_string(),
            token => token.to_string(),
        }
    }

    /// Appends the ids of a line to `ids`.
    pub fn encode_into(&self, line: &str, ids: &mut Vec<u32>) {
        let unknown = FIRST - 1;
        ids.extend(line.chars().map(|character| self.ids.get(&character).copied().unwrap_or(unknown)));
    }

    /// Returns the text of `ids`. Special tokens and ids beyond the vocabulary give no text, `<unk>` gives U+FFFD.
    pub fn decode(&self, ids: &[u32]) -> String {
        let text = |&id: &u32| match id {
            _ if id as usize >= self.tokens.len() || id < FIRST - 1 => "",
            _ if id < FIRST => "\u{fffd}",
            _ => self.token(id),
        };
        ids.iter().map(text).collect()
    }

    /// `tokenizer.json` of Hugging Face `tokenizers`, the same text on every machine. The special tokens are not declared as
    /// added tokens, as in [`BpeTokenizer::to_json`](super::bpe_tokenizer::BpeTokenizer::to_json).
    pub fn to_json(&self) -> String {
        let vocabulary =
            joined(self.tokens.iter().enumerate().map(|(id, token)| format!("{}:{id}", quoted(token))));
        [
            r#"{"version":"1.0","truncation":null,"padding":null,"added_tokens":[],"#,
            r#""normalizer":null,"pre_tokenizer":{"type":"Split","pattern":{"Regex":"[\\s\\S]"},"#,
            r#""behavior":"Isolated","invert":false},"post_processor":null,"decoder":{"type":"Fuse"},"#,
            &format!(
                "\"model\":{{\"type\":\"WordLevel\",\"vocab\":{{\n{vocabulary}}},\"unk_token\":\"{UNKNOWN}\"}}}}\n"
            ),
        ]
        .concat()
    }

    /// Reads what [`CharacterTokenizer::to_json`] wrote.
    ///
    /// # Errors
    /// Anything else is a user error.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Document {
            model: Model,
        }
        #[derive(Deserialize)]
        struct Model {
            vocab: BTreeMap<String, u32>,
        }
        let Document { model } = serde_json::from_str(text).map_err(|_| not_ours())?;
        let mut characters = Vec::with_capacity(model.vocab.len());
        for token in model.vocab.into_keys() {
            let mut letters = token.chars();
            match (letters.next(), letters.next()) {
                (Some(character), None) => characters.push(character),
                _ if SPECIALS.contains(&token.as_str()) || token == UNKNOWN => {}
                _ => return Err(not_ours()),
            }
        }
        // In the order of the keys, whose bytes in UTF-8 are in the order of code points.
        let tokenizer = Self::of(characters);
        if tokenizer.to_json() == text { Ok(tokenizer) } else { Err(not_ours()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &str = "To be,\tor <nöt> 日本\n";

    fn tokenizer() -> CharacterTokenizer {
        let mut counts = PieceCounts::default();
        counts.add(TEXT);
        CharacterTokenizer::from_counts(&counts).unwrap()
    }

    fn encoded(line: &str) -> Vec<u32> {
        let mut ids = Vec::new();
        tokenizer().encode_into(line, &mut ids);
        ids
    }

    #[test]
    fn a_token_is_a_character_in_the_order_of_code_points() {
        let tokenizer = tokenizer();
        // 15 characters and four special tokens.
        assert_eq!(tokenizer.size(), 4 + "\t\n ,<>Tbenortö日本".chars().count());
        assert_eq!(encoded("\t\n ,"), [4, 5, 6, 7]);
        assert_eq!(encoded(TEXT).len(), TEXT.chars().count());
        assert_eq!(tokenizer.decode(&encoded(TEXT)), TEXT);
        assert_eq!(["\n", " ", "T"].map(|text| tokenizer.label(encoded(text)[0])), ["\\n", "␣", "T"]);
        assert_eq!((tokenizer.token(3), tokenizer.token(99)), (UNKNOWN, "<unused>"));
    }

    #[test]
    fn other_characters_are_unknown_and_special_names_are_text() {
        assert_eq!(encoded("Zb"), [3, encoded("b")[0]]);
        assert!(encoded("<s>").iter().all(|&id| id >= 3), "its letters");
        assert_eq!(tokenizer().decode(&[1, 3, encoded("b")[0], 2, 0, u32::MAX]), "\u{fffd}b");
    }

    #[test]
    fn too_many_characters_are_refused() {
        let mut counts = PieceCounts::default();
        let count = MOST_CHARACTERS as u32;
        (0x4e00..0x4e00 + count + 10).filter_map(char::from_u32).for_each(|c| counts.add(&c.to_string()));
        let error = CharacterTokenizer::from_counts(&counts).unwrap_err().to_string();
        assert!(error.contains("32768; use data.pieces"), "{error}");
    }

    #[test]
    fn json_gives_the_same_tokenizer_and_no_other_json_does() {
        let json = tokenizer().to_json();
        assert_eq!(CharacterTokenizer::from_json(&json).unwrap().to_json(), json);
        serde_json::from_str::<serde_json::Value>(&json).unwrap();
        for changed in [String::new(), json.replace("\"T\"", "\"TT\""), json.replace(":5", ":55")] {
            assert!(CharacterTokenizer::from_json(&changed).is_err());
        }
    }

    proptest! {
        #[test]
        fn characters_come_back_exactly(line in "[To be,rntö日本<>\t]{0,30}") {
            prop_assert_eq!(tokenizer().decode(&encoded(&line)), line);
        }
    }
}
