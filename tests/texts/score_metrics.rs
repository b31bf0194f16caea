//! chrF and TER and their signatures equal the real sacreBLEU's, on the texts of
//! `fixtures/bleu.json`, which `scripts/make_score_fixtures.py` has scored with it.

use crate::common::fixture;
use crate::common::gaps::{self, Largest};
use crate::common::texts::cases;
use ablate::score::{ChrfConfig, Metric, TerConfig};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Largest difference allowed in any score.
const TOLERANCE: f64 = 1e-9;

#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    chrf: Vec<Setting>,
    ter: Vec<Setting>,
}

#[derive(Deserialize)]
struct Setting {
    name: String,
    config: serde_json::Value,
    /// Signature with one reference.
    signature: String,
    short_signature: String,
    results: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    case: String,
    score: f64,
    sentences: Option<Vec<f64>>,
}

fn check<M: Metric + DeserializeOwned>(name: &str, sacrebleu: &str, settings: &[Setting]) {
    let cases = cases();
    let what = format!("{name} of texts and sentences");
    let mut seen = Largest::new(&what, &format!("sacrebleu {sacrebleu}"), TOLERANCE);
    let version = format!("ablate-{}", env!("CARGO_PKG_VERSION"));
    let mut sentences = 0;
    for setting in settings {
        let metric: M = serde_json::from_value(setting.config.clone()).expect("a configuration");
        assert_eq!(metric.name(), setting.name);
        assert_eq!(metric.signature(1).to_string(), setting.signature.replace(sacrebleu, &version));
        assert_eq!(metric.signature(1).short(), setting.short_signature.replace(sacrebleu, &version));
        assert!(setting.results.len() > 50, "only {} cases", setting.results.len());
        for expected in &setting.results {
            let case = &cases[&expected.case];
            let at = format!("case {:?} under {} {}", case.name, setting.name, setting.config);
            let counts = metric.counts(&case.hypotheses, &case.references).expect("texts that pair up");
            seen.assert_near(metric.score(&counts.sum()), expected.score, &format!("{at}, corpus"));
            assert_eq!(counts.sentences(), case.hypotheses.len(), "{at}");
            let theirs = expected.sentences.iter().flatten();
            for ((line, row), &theirs) in (1..).zip(counts.rows()).zip(theirs) {
                seen.assert_near(metric.score(row), theirs, &format!("{at}, line {line}"));
                sentences += 1;
            }
        }
    }
    assert!(sentences > 100, "only {sentences} sentences");
    gaps::report(name, &[seen.gap()]);
}

#[test]
fn chrf_equals_sacrebleu() {
    let Fixture { sacrebleu, chrf, .. } = fixture("scores.json");
    check::<ChrfConfig>("chrF", &sacrebleu, &chrf);
}

#[test]
fn ter_equals_sacrebleu() {
    let Fixture { sacrebleu, ter, .. } = fixture("scores.json");
    check::<TerConfig>("TER", &sacrebleu, &ter);
}
