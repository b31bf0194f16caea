//! BLEU as the paper's authors computed it: Moses's `multi-bleu.perl` on Moses's tokens, with compounds
//! split at hyphens.
//!
//! The score depends on the tokeniser, so it can only be compared with scores computed in the same way; text that
//! another tokeniser has cut is taken as given. With the compound split, the score is about 0.7 to 1.0 higher
//! on English to German.
//!
//! # Source
//! mosesdecoder, `scripts/generic/multi-bleu.perl`; the split is that of tensor2tensor,
//! `utils/get_ende_bleu.sh`, and fairseq, `scripts/compound_split_bleu.sh`. All three read bytes, not
//! characters, which shows in white space, letters and the split; it is kept.

use super::bleu::{Bleu, BleuConfig, SentenceStatistics};
use super::metric::{Counts, Metric, check_lines};
use super::ngram::Interner;
use super::signature::Signature;
use super::smoothing::Smoothing;
use super::tokenization::Tokenization;
use crate::error::Result;
use crate::moses::{Language, Normalization, Normalizer, TokenizeOptions, Tokenizer};
use std::borrow::Cow;

/// Moses's tokens of raw text, as in `get_ende_bleu.sh`: signs become entities, hyphens stay.
///
/// Both sides are treated alike. The script expects a tokenised reference with normalised punctuation, and leaves
/// the punctuation of the hypothesis as it is; later versions apply [`Normalization::Unicode`] to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MosesTokens {
    pub language: Language,
    /// Normalisation of punctuation before tokenisation.
    pub normalization: Normalization,
}

impl MosesTokens {
    fn of(self, lines: &[String]) -> Vec<String> {
        let normalizer = Normalizer::new(self.normalization, self.language);
        let tokenizer = Tokenizer::new(self.language, TokenizeOptions::default());
        lines.iter().map(|line| tokenizer.tokenize(&normalizer.normalize(line))).collect()
    }
}

/// Processing of the text before it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct MultiBleuConfig {
    /// Tokenise first; otherwise white space separates the tokens that the text comes with.
    pub moses: Option<MosesTokens>,
    /// Split compounds at hyphens.
    pub compound_split: bool,
    /// Lower-case ASCII letters.
    pub lowercase: bool,
}

impl MultiBleuConfig {
    fn tokens(&self, segment: &str, interner: &mut Interner) -> Vec<u32> {
        let mut text = Cow::Borrowed(segment);
        if self.compound_split {
            text = Cow::Owned(split_compounds(&text));
        }
        if self.lowercase {
            text = Cow::Owned(text.to_ascii_lowercase());
        }
        let words = text.split(|c: char| u8::try_from(c).is_ok_and(is_white_space));
        words.filter(|word| !word.is_empty()).map(|word| interner.id(word)).collect()
    }

    fn bleu(counts: &[u64]) -> Bleu {
        let config =
            BleuConfig { tokenizer: Tokenization::None, smoothing: Smoothing::None, ..BleuConfig::default() };
        Bleu::from_statistics(&config, &counts.into())
    }
}

impl Metric for MultiBleuConfig {
    fn name(&self) -> String {
        if self.compound_split { "multi-BLEU, compounds split" } else { "multi-BLEU" }.to_string()
    }

    /// `tok:given` says that the text's own tokens are compared; `norm:punct|tok:moses-de` names the rules otherwise.
    fn signature(&self, references: usize) -> Signature {
        let mut signature =
            Signature::new(references).with("case", "c", if self.lowercase { "lc" } else { "mixed" });
        if let Some(MosesTokens { normalization, .. }) = self.moses {
            signature = signature.with("norm", "nr", normalization.name());
        }
        let tokens = self.moses.map_or("given".to_string(), |moses| format!("moses-{}", moses.language));
        signature
            .with("tok", "tok", tokens)
            .with("split", "sp", if self.compound_split { "atat" } else { "no" })
            .with("smooth", "s", Smoothing::None.to_string())
    }

    fn counts(&self, hypotheses: &[String], references: &[Vec<String>]) -> Result<Counts> {
        check_lines(hypotheses, references)?;
        if let Some(moses) = self.moses {
            let references: Vec<_> = references.iter().map(|reference| moses.of(reference)).collect();
            return MultiBleuConfig { moses: None, ..*self }.counts(&moses.of(hypotheses), &references);
        }
        let mut counts = Counts::with_capacity(SentenceStatistics::WIDTH, hypotheses.len());
        let mut interner = Interner::default();
        for (line, hypothesis) in hypotheses.iter().enumerate() {
            let hypothesis = self.tokens(hypothesis, &mut interner);
            let references: Vec<_> =
                references.iter().map(|reference| self.tokens(&reference[line], &mut interner)).collect();
            let statistics = SentenceStatistics::new(&hypothesis, &references);
            counts.push(&<[u64; SentenceStatistics::WIDTH]>::from(statistics));
        }
        Ok(counts)
    }

    fn score(&self, counts: &[u64]) -> f64 {
        Self::bleu(counts).score
    }

    fn json(&self, counts: &[u64]) -> serde_json::Value {
        serde_json::json!(Self::bleu(counts))
    }
}

/// Whether a byte is white space to Perl.
fn is_white_space(byte: u8) -> bool {
    byte.is_ascii_whitespace() || byte == 0x0b
}

/// Replaces `Rhein-Main` by `Rhein ##AT##-##AT## Main`: Perl's `s/(\S)-(\S)/$1 ##AT##-##AT## $2/g`.
///
/// Matches do not overlap, so that `a-b-c` is split once and `ab-cd-ef` twice.
fn split_compounds(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut split = String::with_capacity(text.len() + 16);
    let (mut copied, mut index) = (0, 0);
    while let Some(&[before, middle, after]) = bytes[index..].first_chunk() {
        if middle == b'-' && !is_white_space(before) && !is_white_space(after) {
            // A hyphen is a character of its own: both cuts are at the bounds of characters.
            split.push_str(&text[copied..index + 1]);
            split.push_str(" ##AT##-##AT## ");
            copied = index + 2;
            index += 3;
        } else {
            index += 1;
        }
    }
    split.push_str(&text[copied..]);
    split
}

#[cfg(test)]
mod tests {
    use super::*;

    fn score(config: MultiBleuConfig, hypotheses: [&str; 2], references: [&str; 2]) -> f64 {
        let counts =
            config.counts(&hypotheses.map(String::from), &[references.map(String::from).to_vec()]).unwrap();
        config.score(&counts.sum())
    }

    #[test]
    fn splitting_compounds_changes_the_score() {
        let hypotheses = ["der gut gemachte Science-Fiction Film", "ein Haus am See-Ufer steht dort"];
        let references = ["der gut gemachte Science-Fiction Film läuft", "ein Haus am See-Ufer steht da"];
        let plain = MultiBleuConfig::default();
        assert!((score(plain, hypotheses, references) - 78.7804).abs() < 5e-5);
        let split = MultiBleuConfig { compound_split: true, ..plain };
        assert!((score(split, hypotheses, references) - 85.4534).abs() < 5e-5);
    }

    #[test]
    fn compounds_are_split_once_where_one_byte_lies_between_hyphens() {
        for (text, expected) in [
            ("a-b-c", "a@b-c"),
            ("ab-cd-ef", "ab@cd@ef"),
            ("a-ü-c", "a@ü@c"),
            ("- a- -b --c x", "- a- -b -@c x"),
            ("x---y", "x@--y"),
            ("-", "-"),
            ("", ""),
        ] {
            let expected = expected.replace('@', " ##AT##-##AT## ");
            assert_eq!(split_compounds(text), expected, "{text}");
        }
    }

    #[test]
    fn raw_text_is_normalised_and_tokenised_first_and_the_signature_says_so() {
        let moses = MosesTokens { language: Language::German, normalization: Normalization::Punct };
        let raw = MultiBleuConfig { moses: Some(moses), compound_split: true, lowercase: false };
        let given = MultiBleuConfig { moses: None, ..raw };
        let hypotheses = ["Er sagte: „Das ist gut.“", "Das See-Ufer, z.B. hier"];
        let references = ["Er sagte: \"Das ist gut\".", "Das See-Ufer, z.B. dort"];
        let tokens_of_both = (
            ["Er sagte : &quot; Das ist gut . &quot;", "Das See-Ufer , z.B. hier"],
            ["Er sagte : &quot; Das ist gut &quot; .", "Das See-Ufer , z.B. dort"],
        );
        assert_eq!(score(raw, hypotheses, references), score(given, tokens_of_both.0, tokens_of_both.1));
        let version = env!("CARGO_PKG_VERSION");
        assert_eq!(
            raw.signature(1).to_string(),
            format!(
                "nrefs:1|case:mixed|norm:punct|tok:moses-de|split:atat|smooth:none|version:ablate-{version}"
            )
        );
    }

    #[test]
    fn an_order_without_a_match_makes_the_score_zero() {
        assert_eq!(score(MultiBleuConfig::default(), ["a b c", "d"], ["a b x", "d"]), 0.0);
    }
}
