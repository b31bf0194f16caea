//! multi-BLEU equals that of Moses's `multi-bleu.perl`, on the texts of `fixtures/bleu.json`, which
//! `scripts/make_multi_bleu_fixtures.py` has scored with it.

use crate::common::fixture;
use crate::common::gaps::{self, Gap};
use crate::common::texts::{Case, cases};
use ablate::score::{Metric, MultiBleuConfig};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    results: Vec<Expected>,
}

/// The lines that the program printed, with case and lower-cased.
#[derive(Deserialize)]
struct Expected {
    case: String,
    plain: [String; 2],
    /// Lines after splitting compounds.
    split: [String; 2],
}

/// Returns the numbers that our score shares with the line, as the program prints them.
fn as_printed(metric: &MultiBleuConfig, counts: &[u64]) -> String {
    let json = metric.json(counts);
    let number = |value: &serde_json::Value| value.as_f64().expect("a number");
    let [hypothesis, reference] = ["hypothesis_length", "reference_length"].map(|key| number(&json[key]));
    if reference == 0.0 {
        return "BLEU = 0, 0/0/0/0 (BP=0, ratio=0, hyp_len=0, ref_len=0)".to_string();
    }
    let precision = |order: usize| match number(&json["totals"][order]) {
        0.0 => 0.0,
        total => 100.0 * number(&json["matches"][order]) / total,
    };
    let [p1, p2, p3, p4] = [0, 1, 2, 3].map(precision);
    format!(
        "BLEU = {:.2}, {p1:.1}/{p2:.1}/{p3:.1}/{p4:.1} (BP={:.3}, ratio={:.3}, hyp_len={hypothesis}, ref_len={reference})",
        metric.score(counts),
        number(&json["brevity_penalty"]),
        hypothesis / reference,
    )
}

#[test]
fn multi_bleu_equals_the_script_s() {
    let cases = cases();
    let fixture: Fixture = fixture("multi_bleu.json");
    assert!(fixture.results.len() > 35, "only {} texts", fixture.results.len());
    let mut printed = 0;
    for Expected { case, plain, split } in &fixture.results {
        let Case { hypotheses, references, .. } = &cases[case];
        for (compound_split, lines) in [(false, plain), (true, split)] {
            for (lowercase, line) in [false, true].into_iter().zip(lines) {
                let metric = MultiBleuConfig { moses: None, compound_split, lowercase };
                let counts = metric.counts(hypotheses, references).expect("texts that pair up");
                // The program divides by the length of an empty hypothesis and stops with an error.
                if !line.is_empty() {
                    assert_eq!(&as_printed(&metric, &counts.sum()), line, "case {case:?}, {metric:?}");
                    printed += 1;
                }
            }
        }
    }
    gaps::report(
        "multi_bleu",
        &[Gap {
            what: "multi-BLEU as printed".into(),
            peer: "Moses, multi-bleu.perl".into(),
            size: format!("{printed} lines"),
            tolerance: 0.0,
            gap: 0.0,
            ok: true,
        }],
    );
}
