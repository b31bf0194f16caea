//! Scores of perturbed real texts equal those that `scripts/make_corpus_fixtures.py` got from the real
//! sacreBLEU. The texts are not part of the repository: `ABLATE_TEST_CORPORA` names their directory.

mod common;

use ablate::score::{BleuConfig, ChrfConfig, Metric, TerConfig, read_segments};
use ablate::seed::mix;
use common::corpora::directory_of_texts;
use common::fixture;
use serde::Deserialize;
use std::collections::BTreeMap;

/// Largest difference allowed in any score.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    /// How many lines of each text TER has scored.
    ter_lines: usize,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    path: String,
    /// From the start.
    lines: usize,
    seed: u64,
    /// By tokeniser.
    bleu: BTreeMap<String, f64>,
    /// chrF and chrF++.
    chrf: [f64; 2],
    ter: f64,
}

/// The text with some pieces between spaces dropped, doubled, or put before the last one, as in the
/// script.
fn perturbed(text: &str, seed: u64, line: u64) -> String {
    let mut words = Vec::new();
    for (index, word) in text.split(' ').enumerate() {
        let kind = mix(mix(seed << 32 | line) ^ index as u64) % 16;
        if kind == 0 {
            continue;
        }
        if kind == 1 {
            words.push(word);
        }
        let place = if matches!(kind, 2 | 3) { words.len().saturating_sub(1) } else { words.len() };
        words.insert(place, word);
    }
    words.join(" ")
}

fn score(metric: &dyn Metric, hypotheses: &[String], reference: &[String]) -> f64 {
    let counts = metric.counts(hypotheses, &[reference.to_vec()]).expect("texts that pair up");
    metric.score(&counts.sum())
}

#[test]
fn scores_of_real_texts_equal_sacrebleu_s() {
    let Some(directory) = directory_of_texts() else { return };
    let fixture: Fixture = fixture("corpora.json");
    for Text { path, lines, seed, bleu, chrf, ter } in fixture.texts {
        let mut reference = read_segments(directory.join(&path)).unwrap_or_else(|error| panic!("{error}"));
        reference.truncate(lines);
        assert_eq!(reference.len(), lines, "{path}");
        let hypotheses: Vec<_> =
            (0..).zip(&reference).map(|(line, text)| perturbed(text, seed, line)).collect();
        let near = |ours: f64, theirs: f64, what: &str| {
            assert!((ours - theirs).abs() <= TOLERANCE, "{path}, {what}: {ours} is not sacreBLEU's {theirs}");
        };
        for (name, theirs) in &bleu {
            let tokenizer = name.parse().expect("a tokeniser");
            let config = BleuConfig { tokenizer, ..BleuConfig::default() };
            near(score(&config, &hypotheses, &reference), *theirs, name);
        }
        for (word_order, theirs) in [0, 2].into_iter().zip(chrf) {
            let config = ChrfConfig { word_order, ..ChrfConfig::default() };
            near(score(&config, &hypotheses, &reference), theirs, &config.name());
        }
        let lines = lines.min(fixture.ter_lines);
        near(score(&TerConfig::default(), &hypotheses[..lines], &reference[..lines]), ter, "TER");
    }
}
