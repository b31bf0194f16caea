//! BLEU, its parts, its printed line and its signature equal the real sacreBLEU's, on the texts
//! that `scripts/make_bleu_fixtures.py` has scored with it.

use crate::common::gaps::{self, Largest};
use ablate::score::{Bleu, BleuConfig, corpus_bleu, sentence_statistics};
use serde::Deserialize;

/// Largest difference allowed in any number.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    settings: Vec<Setting>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Setting {
    config: BleuConfig,
    /// Signature with one reference.
    signature: String,
    short_signature: String,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    /// Scores with effective order, otherwise with the default configuration.
    sentence_scores: Vec<f64>,
    results: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    /// Index in the list of settings.
    setting: usize,
    line: String,
    score: f64,
    precisions: [f64; 4],
    matches: [u64; 4],
    totals: [u64; 4],
    /// Lengths of hypotheses and references, in tokens.
    lengths: [u64; 2],
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("../fixtures/bleu.json")).expect("the fixture is written by a script")
}

/// The largest gap so far, of scores from 0 to 100.
fn largest(what: &str, sacrebleu: &str) -> Largest {
    Largest::new(what, &format!("sacrebleu {sacrebleu}"), TOLERANCE)
}

#[test]
fn corpus_bleu_equals_sacrebleu() {
    let Fixture { sacrebleu, settings, cases } = fixture();
    assert!(cases.len() > 50, "only {} cases", cases.len());
    let mut seen = largest("BLEU and its precisions", &sacrebleu);
    for case in &cases {
        for expected in &case.results {
            let config = &settings[expected.setting].config;
            let at = format!("case {:?} under {config:?}", case.name);
            let ours = corpus_bleu(config, &case.hypotheses, &case.references)
                .unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(ours.matches, expected.matches, "{at}: matches");
            assert_eq!(ours.totals, expected.totals, "{at}: totals");
            assert_eq!([ours.hypothesis_length, ours.reference_length], expected.lengths, "{at}: lengths");
            for (order, (ours, expected)) in (1..).zip(ours.precisions.iter().zip(expected.precisions)) {
                seen.assert_near(*ours, expected, &format!("{at}: precision of order {order}"));
            }
            seen.assert_near(ours.score, expected.score, &format!("{at}: score"));
            assert_eq!(ours.to_string(), expected.line, "{at}: printed line");
        }
    }
    gaps::report("bleu", &[seen.gap()]);
}

#[test]
fn signatures_are_sacrebleu_s_but_for_the_version() {
    let Fixture { sacrebleu, settings, .. } = fixture();
    let version = format!("ablate-{}", env!("CARGO_PKG_VERSION"));
    for Setting { config, signature, short_signature } in &settings {
        let as_ours = |theirs: &str| theirs.replace(&sacrebleu, &version);
        assert_eq!(config.signature(1).to_string(), as_ours(signature));
        assert_eq!(config.signature(1).short(), as_ours(short_signature));
    }
}

#[test]
fn sentence_bleu_equals_sacrebleu() {
    let config = BleuConfig { effective_order: true, ..BleuConfig::default() };
    let Fixture { sacrebleu, cases, .. } = fixture();
    let mut seen = largest("BLEU of sentences", &sacrebleu);
    for case in &cases {
        let sentences = sentence_statistics(&config, &case.hypotheses, &case.references)
            .unwrap_or_else(|error| panic!("case {:?}: {error}", case.name));
        assert_eq!(sentences.sentences(), case.sentence_scores.len(), "case {:?}", case.name);
        for (line, (statistics, &expected)) in (1..).zip(sentences.rows().zip(&case.sentence_scores)) {
            let ours = Bleu::from_statistics(&config, &statistics.into());
            seen.assert_near(ours.score, expected, &format!("case {:?}, line {line}", case.name));
        }
    }
    gaps::report("bleu_sentences", &[seen.gap()]);
}
