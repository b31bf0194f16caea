//! P-values and intervals equal the real sacreBLEU's within Monte Carlo error, on systems that
//! `scripts/make_score_fixtures.py` has compared with it.

use crate::common::fixture;
use crate::common::gaps::{self, Largest};
use ablate::score::{
    BOOTSTRAP_RESAMPLES, BleuConfig, ChrfConfig, Metric, RANDOMIZATION_TRIALS, RESAMPLING_SEED, TerConfig,
    confidence, paired_bootstrap, paired_randomization,
};
use serde::Deserialize;
use std::collections::HashMap;

#[derive(Deserialize)]
struct Fixture {
    sacrebleu: String,
    significance: Systems,
}

#[derive(Deserialize)]
struct Systems {
    references: Vec<String>,
    /// Systems, of which the first is the baseline.
    systems: Vec<Vec<String>>,
    metrics: HashMap<String, Tests>,
}

#[derive(Deserialize)]
struct Tests {
    bs: Test,
    ar: Test,
}

#[derive(Deserialize)]
struct Test {
    signature: String,
    systems: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    score: f64,
    p_value: Option<f64>,
    mean: Option<f64>,
    half_width: Option<f64>,
}

/// Returns the Monte Carlo error allowed: five standard errors of the difference between two p-values, each from `trials`
/// trials, and the step between possible values.
fn allowed(ours: f64, theirs: f64, trials: u32) -> f64 {
    let p = ours.midpoint(theirs);
    let trials = f64::from(trials);
    5.0 * (2.0 * p * (1.0 - p) / trials).sqrt() + 1.0 / trials
}

#[test]
fn p_values_and_intervals_are_sacrebleu_s_within_monte_carlo_error() {
    let fixture: Fixture = fixture("scores.json");
    let peer = format!("sacrebleu {}", fixture.sacrebleu);
    // Differences as a share of what chance allows.
    let largest =
        |what: &str| Largest::new(&format!("{what}, share of the Monte Carlo error allowed"), &peer, 1.0);
    let (mut means, mut widths) = (largest("means of bootstraps"), largest("confidence intervals"));
    let mut p_values = largest("p-values of paired bootstrap and paired randomisation");
    let Systems { references, systems, metrics } = fixture.significance;
    let references = [references];
    let version = format!("ablate-{}", env!("CARGO_PKG_VERSION"));
    let ours: [(&str, &dyn Metric); 3] =
        [("bleu", &BleuConfig::default()), ("chrf", &ChrfConfig::default()), ("ter", &TerConfig::default())];
    for (name, metric) in ours {
        let Tests { bs, ar } = &metrics[name];
        let (n, trials, seed) = (BOOTSTRAP_RESAMPLES, RANDOMIZATION_TRIALS, RESAMPLING_SEED);
        let signature = metric.signature(1).with_bootstrap(n).with_seed(seed).to_string();
        assert_eq!(signature, bs.signature.replace(&fixture.sacrebleu, &version));
        let signature = metric.signature(1).with_randomization(trials).with_seed(seed).to_string();
        assert_eq!(signature, ar.signature.replace(&fixture.sacrebleu, &version));

        let baseline = metric.counts(&systems[0], &references).expect("texts that pair up");
        for (number, hypotheses) in systems.iter().enumerate() {
            let at = format!("{name}, system {number}");
            let counts = metric.counts(hypotheses, &references).expect("texts that pair up");
            let score = metric.score(&counts.sum());
            assert!((score - bs.systems[number].score).abs() < 1e-9, "{at}: {score}");

            let interval = confidence(metric, &counts, n, seed).expect("sentences");
            let mean = bs.systems[number].mean.expect("a bootstrap has a mean");
            let half_width = bs.systems[number].half_width.expect("a bootstrap has an interval");
            // The mean of n scores, each a standard deviation of about half the half-width from it; and
            // a quantile at 1/40, which varies by about 8 % of the standard deviation for n = 1000.
            let off = (interval.mean - mean) / (0.1 * half_width);
            means.assert_near(off, 0.0, &format!("{at}: {interval:?}, mean {mean}"));
            let off = (interval.half_width / half_width - 1.0) / 0.15;
            widths.assert_near(off, 0.0, &format!("{at}: {interval:?}, half-width {half_width}"));

            if number > 0 {
                let bootstrap = paired_bootstrap(metric, &baseline, &counts, n, seed).expect("sentences");
                let randomized =
                    paired_randomization(metric, &baseline, &counts, trials, seed).expect("sentences");
                for (kind, ours, theirs, trials) in [
                    ("bs", bootstrap, &bs.systems[number], n),
                    ("ar", randomized, &ar.systems[number], trials),
                ] {
                    let theirs = theirs.p_value.expect("compared");
                    let off = (ours - theirs) / allowed(ours, theirs, trials);
                    p_values.assert_near(off, 0.0, &format!("{at}, {kind}: p = {ours}, not {theirs}"));
                }
            }
        }
    }
    gaps::report("significance", &[p_values.gap(), means.gap(), widths.gap()]);
}
