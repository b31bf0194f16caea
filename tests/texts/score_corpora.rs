//! Scores of perturbed real texts equal those that `scripts/make_corpus_fixtures.py` got from the real
//! sacreBLEU. The texts are not part of the repository: `ABLATE_TEST_CORPORA` names their directory.

use crate::common::corpora::{directory_of_texts, unpacked};
use crate::common::fixture;
use crate::common::gaps::{self, Largest};
use ablate::score::{BleuConfig, ChrfConfig, Metric, TerConfig, segments_of, strip_byte_order_mark};
use ablate::seed::mix;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Largest difference allowed in any score.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    /// Number of lines that have two references, and are scored as sentences.
    first_lines: usize,
    texts: Vec<Text>,
}

#[derive(Deserialize)]
struct Text {
    path: String,
    /// Number of lines from the start.
    lines: usize,
    seed: u64,
    scores: Vec<Scores>,
}

#[derive(Deserialize)]
struct Scores {
    metric: String,
    config: serde_json::Value,
    /// Score of all lines against the text.
    corpus: f64,
    /// Score of the first lines against the text and another perturbation of it.
    two_references: f64,
    /// Mean score of the first lines against the text.
    mean_of_sentences: f64,
}

/// Returns the text with some pieces between spaces dropped, doubled, moved before the last one, or changed at their
/// start or end, as in the script.
fn perturbed(text: &str, seed: u64, line: u64) -> String {
    let mut words: Vec<String> = Vec::new();
    for (index, word) in text.split(' ').enumerate() {
        let kind = mix(mix(seed << 32 | line) ^ index as u64) % 16;
        let mut word = word.to_string();
        match kind {
            0 => continue,
            1 => words.push(word.clone()),
            4 => word = word.chars().skip(1).collect(),
            5 => word.push([',', '-', '.'][words.len() % 3]),
            _ => {}
        }
        let place = if matches!(kind, 2 | 3) { words.len().saturating_sub(1) } else { words.len() };
        words.insert(place, word);
    }
    words.join(" ")
}

fn metric(name: &str, config: &serde_json::Value) -> Box<dyn Metric> {
    fn read<M: DeserializeOwned>(config: &serde_json::Value) -> Box<M> {
        Box::new(serde_json::from_value(config.clone()).expect("a configuration"))
    }
    match name {
        "bleu" => read::<BleuConfig>(config),
        "chrf" => read::<ChrfConfig>(config),
        "ter" => read::<TerConfig>(config),
        _ => panic!("no metric {name}"),
    }
}

#[test]
#[ignore = "needs the real texts that ABLATE_TEST_CORPORA names"]
fn scores_of_real_texts_equal_sacrebleu_s() {
    let directory = directory_of_texts();
    let Fixture { sacrebleu, first_lines, texts } = fixture("corpora.json");
    let mut seen: BTreeMap<String, Largest> = BTreeMap::new();
    let mut compared = 0;
    for Text { path, lines, seed, scores } in texts {
        let mut reference =
            segments_of(&path, unpacked(&directory.join(&path))).unwrap_or_else(|error| panic!("{error}"));
        strip_byte_order_mark(&mut reference);
        reference.truncate(lines);
        assert_eq!(reference.len(), lines, "{path}");
        let by = |seed| (0..).zip(&reference).map(|(line, text)| perturbed(text, seed, line)).collect();
        let (hypotheses, other): (Vec<String>, Vec<String>) = (by(seed), by(seed + 100));
        for Scores { metric: name, config, corpus, two_references, mean_of_sentences } in scores {
            let metric = metric(&name, &config);
            let what = format!("{} of perturbed real texts, their sentences, two references", metric.name());
            let seen = seen
                .entry(name)
                .or_insert_with(|| Largest::new(&what, &format!("sacrebleu {sacrebleu}"), TOLERANCE));
            let at = |what: &str| format!("{path}, {} {config}, {what}", metric.name());
            let all =
                metric.counts(&hypotheses, std::slice::from_ref(&reference)).expect("texts that pair up");
            seen.assert_near(metric.score(&all.sum()), corpus, &at("corpus"));
            let first = first_lines.min(lines);
            let mean = all.rows().take(first).map(|row| metric.score(row)).sum::<f64>() / first as f64;
            seen.assert_near(mean, mean_of_sentences, &at("mean of sentences"));
            let two = [&reference, &other].map(|lines| lines[..first].to_vec());
            let two = metric.counts(&hypotheses[..first], &two).expect("texts that pair up");
            seen.assert_near(metric.score(&two.sum()), two_references, &at("two references"));
        }
        compared += lines;
    }
    assert!(compared > 10_000, "only {compared} lines");
    gaps::report("corpora", &seen.into_values().map(Largest::gap).collect::<Vec<_>>());
}
