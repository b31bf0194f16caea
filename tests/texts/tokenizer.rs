//! The tokenizer restores every line exactly, learns the merges of subword-nmt and gives the ids of Hugging
//! Face `tokenizers`, both as `scripts/make_bpe_fixtures.py` has recorded them. The test on real texts finds
//! them in the directory that `ABLATE_TEST_CORPORA` names.

use crate::common::corpora::{directory_of_texts, lines_of};
use crate::common::{fixture, learn_tokenizer};
use ablate::data::tokenizer::{EncodeCache, Tokenizer};
use ablate::seed::{Purpose, rng};
use rand::RngExt;
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Deserialize)]
struct Fixture {
    asked_merges: usize,
    text: Vec<String>,
    merges: Vec<(String, String)>,
    encoded: Vec<Encoded>,
}

#[derive(Deserialize)]
struct Encoded {
    line: String,
    ids: Vec<u32>,
}

/// Number of special tokens, which no text encodes to.
const SPECIALS: u32 = 3;

fn learned(Fixture { text, asked_merges, .. }: &Fixture) -> Tokenizer {
    learn_tokenizer(text.iter().map(String::as_str), *asked_merges)
}

#[track_caller]
fn comes_back(tokenizer: &Tokenizer, line: &str, cache: &mut EncodeCache) {
    let ids = tokenizer.encode(line, cache);
    assert!(ids.iter().all(|&id| id >= SPECIALS), "{line:?} became a special token: {ids:?}");
    let back = tokenizer.decode(&ids);
    assert_eq!(back, line, "by way of {ids:?}");
}

#[test]
fn merges_equal_subword_nmt_s() {
    let fixture: Fixture = fixture("bpe.json");
    let json: serde_json::Value = serde_json::from_str(&learned(&fixture).to_json()).expect("JSON");
    let ours: Vec<(String, String)> = serde_json::from_value(json["model"]["merges"].clone()).expect("pairs");
    assert!(ours.len() > 300, "only {} merges", ours.len());
    for (rank, (ours, theirs)) in ours.iter().zip(&fixture.merges).enumerate() {
        assert_eq!(ours, theirs, "merge {rank}");
    }
    assert_eq!(ours.len(), fixture.merges.len());
}

#[test]
fn ids_equal_those_of_hugging_face_tokenizers() {
    let fixture: Fixture = fixture("bpe.json");
    let tokenizer = learned(&fixture);
    let mut cache = EncodeCache::default();
    assert!(fixture.encoded.len() > 500, "only {} lines", fixture.encoded.len());
    for Encoded { line, ids } in &fixture.encoded {
        assert_eq!(&tokenizer.encode(line, &mut cache), ids, "{line:?}");
        comes_back(&tokenizer, line, &mut cache);
    }
}

#[test]
fn every_character_comes_back_between_letters_digits_and_signs() {
    let tokenizer = learned(&fixture("bpe.json"));
    let mut cache = EncodeCache::default();
    for c in '\0'..=char::MAX {
        comes_back(&tokenizer, &format!("a{c}b 1{c}2 .{c}!{c}"), &mut cache);
    }
}

#[test]
fn generated_hostile_lines_come_back() {
    let marks = [
        "</w>",
        "<s>",
        "</s>",
        "<pad>",
        "<unk>",
        "▁",
        "Ġ",
        "Ġthe</w>",
        "##",
        "@@ ",
        " ",
        "  ",
        "\t",
        "\r",
        "\0",
        "\u{b}",
        "\u{c}",
        "\u{1c}",
        "\u{1f}",
        "\u{7f}",
        "\u{85}",
        "\u{a0}",
        "\u{1680}",
        "\u{180e}",
        "\u{2003}",
        "\u{200b}",
        "\u{200d}",
        "\u{2028}",
        "\u{2029}",
        "\u{202e}",
        "\u{3000}",
        "\u{feff}",
        "\u{fffd}",
        "\u{301}",
        "\u{327}",
        "\u{fe0f}",
        "the",
        "der",
        "0",
        "½",
        "é",
        "🙂",
        "👩🏽‍🚀",
        "日",
        "한",
        "ש",
        "ع",
        ".",
        "'",
    ];
    let tokenizer = learned(&fixture("bpe.json"));
    let mut cache = EncodeCache::default();
    for round in 0..20_000 {
        let mut rng = rng(1, Purpose::Corpus, round);
        let mut line = String::new();
        for _ in 0..rng.random_range(0..24) {
            match rng.random_range(0..4) {
                // A code point of any plane; surrogates are not characters.
                0 => {
                    let code = rng.random_range(0..17) << 16 | rng.random_range(0..0x1_0000);
                    line.extend(char::from_u32(code));
                }
                _ => line.push_str(marks[rng.random_range(0..marks.len())]),
            }
        }
        comes_back(&tokenizer, &line, &mut cache);
    }
}

fn packed_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => packed_files(&path, found),
            false if path.extension().is_some_and(|extension| extension == "gz") => found.push(path),
            false => {}
        }
    }
}

#[test]
#[ignore = "needs the real texts that ABLATE_TEST_CORPORA names"]
fn every_line_of_real_texts_comes_back() {
    let directory = directory_of_texts();
    let tokenizer = learned(&fixture("bpe.json"));
    let mut cache = EncodeCache::default();
    let mut files = Vec::new();
    packed_files(&directory, &mut files);
    let mut lines = 0;
    for path in &files {
        for line in lines_of(path) {
            comes_back(&tokenizer, &line, &mut cache);
            lines += 1;
        }
    }
    assert!(lines > 0, "no text below {}", directory.display());
    eprintln!("{lines} lines of {} files came back", files.len());
}
