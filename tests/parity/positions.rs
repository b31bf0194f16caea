//! Distances as in Hugging Face transformers: T5's buckets and the slopes of BLOOM's ALiBi.

use crate::common::fixture;
use crate::common::gaps::{self, Largest};
use ablate::model::position::{alibi_slopes, t5_bucket};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Outside {
    /// Package and version that computed the numbers.
    peer: String,
    /// First distance from a query to a key; the others follow one by one.
    first_distance: i64,
    t5_encoder: Vec<i64>,
    t5_decoder: Vec<i64>,
    /// Slopes by the number of heads.
    alibi_slopes: BTreeMap<i64, Vec<f64>>,
}

pub fn compare_all() {
    let theirs: Outside = fixture("parity/positions.json");
    let mut buckets = Largest::new("T5's buckets of distances", &theirs.peer, 0.0);
    for (causal, numbers) in [(false, &theirs.t5_encoder), (true, &theirs.t5_decoder)] {
        assert!(numbers.len() > 1_000);
        for (distance, &bucket) in (theirs.first_distance..).zip(numbers) {
            let ours = t5_bucket(distance, causal) as f64;
            buckets.assert_near(ours, bucket as f64, &format!("distance {distance}, causal {causal}"));
        }
    }
    // BLOOM computes powers in float32.
    let mut slopes = Largest::new("ALiBi's slopes", &theirs.peer, 1e-7);
    assert!(theirs.alibi_slopes.len() >= 16);
    for (&heads, numbers) in &theirs.alibi_slopes {
        let ours = alibi_slopes(heads);
        assert_eq!(ours.len(), numbers.len());
        for (head, (&ours, &slope)) in ours.iter().zip(numbers).enumerate() {
            slopes.assert_near(ours, slope, &format!("head {head} of {heads}"));
        }
    }
    gaps::report("positions", &[buckets.gap(), slopes.gap()]);
}
