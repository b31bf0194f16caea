//! Comparison of our count of operations with torch's own, exactly. Fixtures: `scripts/check_flops.py --write`.

use ablate::model::ModelConfig;
use ablate::model::cost::{BatchShape, Cost};
use serde::Deserialize;

#[derive(Deserialize)]
struct Fixture {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    name: String,
    model: ModelConfig,
    vocabulary: i64,
    shape: BatchShape,
    forward: u64,
    attention: u64,
    backward: u64,
}

#[test]
fn operations_are_torchs_own_count() {
    let fixture: Fixture = serde_json::from_str(include_str!("../fixtures/flops.json")).unwrap();
    assert!(fixture.cases.len() >= 7);
    for case in fixture.cases {
        let ours = Cost::of(&case.model, case.vocabulary as usize).forward(&case.shape);
        assert_eq!(ours.total(), case.forward as f64, "{}: forward", case.name);
        assert_eq!(ours.attention, case.attention as f64, "{}: attention", case.name);
        assert_eq!(ours.training() - ours.total(), case.backward as f64, "{}: backward", case.name);
    }
}
