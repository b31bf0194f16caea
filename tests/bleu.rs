//! BLEU, its parts, its printed line and its signature equal the real sacreBLEU's, on the texts
//! that `scripts/make_bleu_fixtures.py` has scored with it.

use ablate::score::{Bleu, BleuConfig, corpus_bleu, sentence_statistics};
use serde::Deserialize;

/// Largest difference allowed in any number.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    hypotheses: Vec<String>,
    references: Vec<Vec<String>>,
    /// With effective order, otherwise the default configuration.
    sentence_scores: Vec<f64>,
    results: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    config: BleuConfig,
    signature: String,
    line: String,
    score: f64,
    precisions: [f64; 4],
    matches: [u64; 4],
    totals: [u64; 4],
    brevity_penalty: f64,
    hypothesis_length: u64,
    reference_length: u64,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixtures/bleu.json")).expect("the fixture is written by a script")
}

fn assert_near(ours: f64, expected: f64, what: &str) {
    assert!((ours - expected).abs() <= TOLERANCE, "{what}: {ours} is not sacreBLEU's {expected}");
}

#[test]
fn corpus_bleu_equals_sacrebleu() {
    let Fixture { sacrebleu, cases } = fixture();
    assert!(cases.len() > 40, "only {} cases", cases.len());
    for case in &cases {
        for expected in &case.results {
            let at = format!("case {:?} under {:?}", case.name, expected.config);
            let ours = corpus_bleu(&expected.config, &case.hypotheses, &case.references)
                .unwrap_or_else(|error| panic!("{at}: {error}"));
            assert_eq!(ours.matches, expected.matches, "{at}: matches");
            assert_eq!(ours.totals, expected.totals, "{at}: totals");
            assert_eq!(ours.hypothesis_length, expected.hypothesis_length, "{at}: hypothesis length");
            assert_eq!(ours.reference_length, expected.reference_length, "{at}: reference length");
            assert_near(ours.brevity_penalty, expected.brevity_penalty, &format!("{at}: brevity penalty"));
            for (order, (ours, expected)) in (1..).zip(ours.precisions.iter().zip(expected.precisions)) {
                assert_near(*ours, expected, &format!("{at}: precision of order {order}"));
            }
            assert_near(ours.score, expected.score, &format!("{at}: score"));
            assert_eq!(ours.to_string(), expected.line, "{at}: printed line");

            let signature = expected.config.signature(case.references.len()).to_string();
            let version = format!("version:ablate-{}", env!("CARGO_PKG_VERSION"));
            let theirs = expected.signature.replace(&format!("version:{sacrebleu}"), &version);
            assert_eq!(signature, theirs, "{at}: signature");
        }
    }
}

#[test]
fn sentence_bleu_equals_sacrebleu() {
    let config = BleuConfig { effective_order: true, ..BleuConfig::default() };
    for case in &fixture().cases {
        let sentences = sentence_statistics(&config, &case.hypotheses, &case.references)
            .unwrap_or_else(|error| panic!("case {:?}: {error}", case.name));
        assert_eq!(sentences.len(), case.sentence_scores.len(), "case {:?}", case.name);
        for (line, (statistics, &expected)) in (1..).zip(sentences.iter().zip(&case.sentence_scores)) {
            let ours = Bleu::from_statistics(&config, statistics);
            assert_near(ours.score, expected, &format!("case {:?}, line {line}", case.name));
        }
    }
}
