//! Moses's text processing equals sacremoses's, as `scripts/make_moses_fixtures.py` has recorded it: whole lines of
//! generated text, and digests of all lines of real texts. The real texts are not part of the repository:
//! `ABLATE_TEST_CORPORA` names their directory.

use crate::common::corpora::{directory_of_texts, lines_of};
use crate::common::{Workshop, fixture};
use ablate::moses::{Detokenizer, Language, Normalization, Normalizer, TokenizeOptions, Tokenizer};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    generated: Vec<Generated>,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Generated {
    language: Language,
    lines: Vec<Line>,
}

/// A line and its processed forms.
#[derive(Deserialize)]
struct Line {
    line: String,
    punct: String,
    unicode: String,
    tokens: String,
    /// Tokens with hyphens split and without entities.
    split: String,
    text: String,
}

#[derive(Deserialize)]
struct Text {
    path: String,
    language: Language,
    /// Column of a table, if the file is one.
    column: Option<usize>,
    lines: usize,
    /// CRC-32 of the tokens after normalisation, and of the text detokenised from them.
    tokens: u32,
    text: u32,
}

#[test]
fn generated_lines_become_what_sacremoses_makes_of_them() {
    let Fixture { generated, .. } = fixture("moses.json");
    assert_eq!(generated.len(), Language::ALL.len());
    for Generated { language, lines } in generated {
        let punct = Normalizer::new(Normalization::Punct, language);
        let unicode = Normalizer::new(Normalization::Unicode, language);
        let tokenizer = Tokenizer::new(language, TokenizeOptions::default());
        let splitting = Tokenizer::new(language, TokenizeOptions { split_hyphens: true, escape: false });
        let detokenizer = Detokenizer::new(language);
        assert!(lines.len() > 100, "only {} lines", lines.len());
        for Line { line, punct: normal, unicode: ascii, tokens, split, text } in lines {
            for (step, ours, theirs) in [
                ("punct", punct.normalize(&line), normal),
                ("unicode", unicode.normalize(&line), ascii),
                ("tokens", tokenizer.tokenize(&line), tokens),
                ("split", splitting.tokenize(&line), split),
                ("text", detokenizer.detokenize(&line), text),
            ] {
                assert_eq!(ours, theirs, "{step} of {line:?} in {language}");
            }
        }
    }
}

/// CRC-32 of lines, each ended by a line feed.
#[derive(Default)]
struct Digest(flate2::Crc);

impl Digest {
    fn add(&mut self, line: &str) {
        self.0.update(line.as_bytes());
        self.0.update(b"\n");
    }
}

#[test]
#[ignore = "needs the real texts that ABLATE_TEST_CORPORA names"]
fn real_texts_become_what_sacremoses_makes_of_them() {
    let directory = directory_of_texts();
    let Fixture { texts, .. } = fixture("moses.json");
    assert!(texts.len() > 30, "only {} texts", texts.len());
    for Text { path, language, column, lines, tokens, text } in texts {
        let normalizer = Normalizer::new(Normalization::Punct, language);
        let tokenizer = Tokenizer::new(language, TokenizeOptions::default());
        let detokenizer = Detokenizer::new(language);
        let (mut digest_of_tokens, mut digest_of_text) = (Digest::default(), Digest::default());
        let found = lines_of(&directory.join(&path));
        assert_eq!(found.len(), lines, "{path}");
        for line in &found {
            let line = match column {
                Some(column) => line.split('\t').nth(column).expect("a table"),
                None => line,
            };
            let made = tokenizer.tokenize(&normalizer.normalize(line));
            digest_of_tokens.add(&made);
            digest_of_text.add(&detokenizer.detokenize(&made));
        }
        let digests = (digest_of_tokens.0.sum(), digest_of_text.0.sum());
        assert_eq!(digests, (tokens, text), "{path} in {language}");
    }
}

#[test]
fn the_program_processes_standard_input_line_by_line() {
    let workshop = Workshop::new();
    for (words, input, output) in [
        (&["normalize", "-l", "de"][..], "„a“ – b\nc", "\"a\" - b\nc\n"),
        (&["normalize", "-l", "de", "--rules", "unicode"], "５％\r\n", "5%\n"),
        (&["tokenize", "-l", "en"], "it's\u{2028}a-b\n\n", "it &apos;s a-b\n\n"),
        (&["tokenize", "-l", "en", "--split-hyphens", "--no-escape"], "it's a-b", "it 's a @-@ b\n"),
        (&["detokenize", "--language", "en"], "it &apos;s a @-@ b .\n", "it's a-b.\n"),
    ] {
        let outcome = workshop.run_with_input(&[&["moses"], words].concat(), input.as_bytes()).expect(0);
        assert_eq!(outcome.out(), output, "{words:?}");
    }
    workshop
        .run_with_input(&["moses", "tokenize", "-l", "en"], b"a\n\xff")
        .expect(2)
        .says("line 2: not UTF-8");
    workshop.run(&["moses", "tokenize", "-l", "cs"]).expect(2).says("de, en, fr, ja, ru, zh");
    workshop.run(&["moses", "tokenize"]).expect(2).says("--language");
}
